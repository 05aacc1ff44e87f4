"""A made-up version, which answers what the files say, and a folder of such files."""

import csv
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from labelling.__main__ import main
from ladder.core import environment
from ladder.tests.conftest import Tree, make_weights, write

# A "picture" of this version is a text: a label's number and its probability, or what is to become of its process.
FAKE = """
import os, signal, time
class ResNet50Error(Exception): pass
class PictureError(ResNet50Error, ValueError): pass
class ResNet50:
    def __init__(self, weights):
        if open(os.path.join(weights, "weights.safetensors")).read() == "damaged":
            raise ResNet50Error(f"{weights}: damaged")
        self.labels = open(os.path.join(weights, "labels.txt")).read().split()
    def preprocess(self, picture):
        raise PictureError("no real picture is one")
"""
FAKE_WORKER = """
import os, signal, time
from . import PictureError
def load_picture(net, path):
    try:
        return open(path).read()
    except OSError as error:
        raise PictureError(f"{path}: {error.strerror}")
def infer(net, text, path):
    if text == "hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        while True:
            pass
    if text == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if text == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "leave":
        os._exit(3)
    if text == "eat":
        bytearray(10**9)
    if text == "bug":
        raise LookupError("a bug")
    if text == "print":
        print("this is no JSON", flush=True)
        text = "0 1"
    if text == "long":
        raise PictureError(f"{path}: {'x' * 10000}")
    time.sleep(0.001)
    try:
        number, score = text.split()
        return (int(number), float(score)), 0.001
    except ValueError:
        raise PictureError(f"{path}: is not a picture")
"""
FAKE_NAMING = """
def named(net, logits, count, path):
    return [{"label": net.labels[logits[0]], "probability": logits[1]}]
"""

Label = Callable[..., int]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """A repository with that version."""
    root = tmp_path / "repository"
    root.mkdir()
    tree = Tree(root)
    tree.version("01_one", {"src/resnet50/network.py": "one\n"})
    package = root / "build" / "resnet50"
    for name, content in (("__init__", FAKE), ("worker", FAKE_WORKER), ("naming", FAKE_NAMING)):
        write(package / f"{name}.py", content)
    interpreter = root / "build" / "python"
    write(interpreter, f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(root / "build"))} exec {sys.executable} "$@"\n')
    interpreter.chmod(0o755)
    monkeypatch.setattr(environment, "python", lambda version: interpreter)
    return tree


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A weight set, made up."""
    return make_weights(tmp_path / "sets" / "small")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of forty good pictures, in several folders."""
    folder = tmp_path / "photos"
    for number in range(40):
        write(folder / f"{number % 3}" / f"{number}.jpg", f"{number % 6} 0.{number + 10}")
    return folder


@pytest.fixture
def label(project: Tree, photos: Path, weights: Path, tmp_path: Path) -> Label:
    """Labels the photos into results.csv, with more arguments; returns the exit code."""

    def run(*more: str, out: Path = tmp_path / "results.csv") -> int:
        arguments = [str(photos), "--out", str(out), "--weights", str(weights), "--processes", "2"]
        return main([*arguments, *more], project.root)

    return run


def rows(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a CSV file by path, each of which there must be only once."""
    with open(path, newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert len({row["path"] for row in found}) == len(found)
    return {row["path"]: row for row in found}


def names(folder: Path) -> set[str]:
    """The paths of the files in a folder."""
    return {os.path.relpath(file, folder) for file in folder.rglob("*") if not file.is_dir()}
