"""The commands that the READMEs tell the reader to type: each is understood, and the quick ones are run."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nox
import pytest

import arm.__main__
import cv_basics.cli
import figures.__main__
import labelling.__main__
import labelling.race
import ladder.__main__
import mnist.cli
import noxfile
import scrutiny.__main__
import shared_weights.__main__
from ladder.core import environment
from ladder.core.versions import ROOT, Version, discover, find, obstacle

from .markdown import commands, documents

PARSERS = {
    "arm": arm.__main__.parser,
    "cv_basics": cv_basics.cli.build_parser,
    "figures": figures.__main__.parser,
    "labelling": labelling.__main__.parser,
    "labelling.race": labelling.race.parser,
    "ladder": ladder.__main__.parser,
    "mnist": mnist.cli.parser,
    "scrutiny": scrutiny.__main__.parser,
    "shared_weights": shared_weights.__main__._parser,
}
# fuzzing needs Hypothesis; its own tests parse its commands.
NO_PARSER = ("dask", "pytest", "timeit", "website", "mnist.tests.measure", "resnet50.cache", "fuzzing")
PARSE = "import sys; from resnet50.__main__ import parser; parser().parse_args(sys.argv[1:])"
WRITE = {"--html", "--onnx", "--out", "--svg"}  # to the file whose name follows, which a reader may have made already
QUICK = ["ladder diff", "ladder classify pics/", "resnet50 classify", "resnet50 plan", "shared_weights structure"]

TYPED = {" ".join(words): (document, words) for document in documents() for words in commands(document)}


@pytest.mark.parametrize(("document", "words"), TYPED.values(), ids=TYPED)
def test_a_command_is_understood_and_run_if_it_is_quick(document: Path, words: list[str], monkeypatch):
    version = version_of(document, words[0])
    if version and (reason := obstacle(version)):
        pytest.skip(reason)
    for module, *arguments in python_calls(words, monkeypatch):
        if module == "resnet50":
            subprocess.run([environment.python(version), "-c", PARSE, *arguments], env=variables(module), check=True)
        elif module in PARSERS and arguments[:1] != ["test"]:  # which hands arguments on to pytest
            parse(PARSERS[module](), arguments)
        else:
            assert module in (*NO_PARSER, "ladder")
        folder = document.parent if module == "resnet50" and words[0] == "python" else ROOT
        if is_quick(module, arguments, folder):
            python = environment.python(version) if module == "resnet50" else sys.executable
            subprocess.run([python, "-m", module, *arguments], cwd=folder, env=variables(module), check=True)


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> None:
    """Let a tool's parser read the arguments of a command; with --help it prints its help and exits with 0."""
    try:
        parser.parse_args(arguments)
    except SystemExit as end:
        assert "--help" in arguments and end.code == 0


def python_calls(words: list[str], monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The module that a command runs in Python, and its arguments; of nox's sessions all that they would run."""
    if words[0] != "nox" and words[:2] != ["pipx", "run"]:
        return [words[words.index("-m") + 1 :]] if "-m" in words else []
    calls: list[list[str]] = []
    for runner in ("python", "python_here"):
        monkeypatch.setattr(noxfile, runner, lambda session, m, *call, **settings: calls.append([*call]))
    monkeypatch.setattr(noxfile, "pytest", lambda session, *call: calls.append(["ladder", *call]))
    end = words.index("--") if "--" in words else len(words)
    own, given = " ".join(words[:end]), words[end + 1 :]
    for name in re.findall(r" ([a-z_]+(?:\(\w+\))?)(?= |$)", own.partition(" -s")[2]):
        session = nox.registry.get()[name]
        if name in ("clean", "lint"):  # they do more than call Python, and explain their only argument themselves
            assert " ".join(given) in (session.__doc__ or "")
        else:
            session(SimpleNamespace(posargs=given))
    return calls


def is_quick(module: str, arguments: list[str], folder: Path) -> bool:
    """Whether a command takes seconds, writes nothing, and all files that it names are there."""
    if WRITE.intersection(arguments) or not " ".join([module, *arguments]).startswith(tuple(QUICK)):
        return False
    return all((folder / word).exists() for word in arguments if "/" in word or "." in word)


def version_of(document: Path, interpreter: str) -> Version | None:
    """The version whose Python a command runs: the interpreter's, or the one whose README it is."""
    name = Path(interpreter).parts[1] if interpreter.startswith("build/") else document.parent.name
    return find(discover(), name) if re.match(r"\d\d_", name) else None


def variables(module: str) -> dict[str, str]:
    """The environment variables of a process that runs a module of a version, or of the tools."""
    weights = {"RESNET50_WEIGHTS": str(ROOT / "shared_weights" / "cifar10")}
    return environment.variables() | weights if module == "resnet50" else dict(os.environ)
