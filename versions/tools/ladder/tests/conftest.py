"""Small made-up trees, and versions that answer at once from a list of answers."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from ladder.__main__ import main
from ladder.core import environment
from ladder.machine.peak import Peak
from ladder.timing import bench
from shared_weights.tensor_file import sha256

LABELS = ["cat", "dog", "horse", "ship", "truck", "bird"]

# What stands in for a version: it loads in half a second, and later in an eighth. It answers a picture with the list
# that answers.json has for the file's name (the random image has none: ""), or does what the word there says. Under
# "seconds" stand its times, which it tells in turn.
FAKE = """
import itertools, json, os, pathlib, sys, time
answers = json.loads(pathlib.Path(__file__).with_name("answers.json").read_text())
loads = iter([0.5, 0.125])
def main(arguments):
    if answers.get("load") == "refuse":
        print("resnet50: weights.safetensors: truncated", file=sys.stderr)
        return 2
    seconds = itertools.cycle(answers.get("seconds", [0.25]))
    print(json.dumps({"load_seconds": next(loads)}), flush=True)
    for line in sys.stdin:
        name = os.path.basename(line.rstrip("\\n"))
        answer = answers.get(name, "refuse")
        if answer == "die":
            print("a last word", file=sys.stderr)
            os._exit(7)
        if answer == "sleep":
            time.sleep(60)
        if answer == "babble":
            print("warming up", flush=True)
        elif answer == "refuse":
            print(json.dumps({"error": f"{line.rstrip()}: not a picture"}), flush=True)
        else:
            print(json.dumps({"seconds": next(seconds), "peak_memory": None, "logits": answer}), flush=True)
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""
FAKE_PREPARE = """
import numpy
class ResNet50:
    def __init__(self, weights):
        pass
    def preprocess(self, picture):
        return numpy.full((64, 64, 3), len(open(picture, "rb").read()), dtype=numpy.float32)
"""

CAT, HORSE = [4.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 3.0, 0.0, 0.0, 0.0]
ANSWERS = {"chelsea.png": CAT, "horse.png": CAT, "coin.png": HORSE}

Answers = dict[str, list[float] | str]

# What `diff` compares: a file of 31 lines whose last one changes, and a long test.
SHARED = "".join(f"shared = {i}\n" for i in range(30))
KERNEL = SHARED + "total = kernel[i] * x[i]\n"
TEST = "".join(f"def test_{i}(): pass\n" for i in range(100))


def write(path: Path, content: str) -> None:
    """Write a text file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def toml(value: object) -> str:
    """A value as TOML writes it; JSON's way is the same for all that is used here."""
    return json.dumps(value)


def needs_git() -> None:
    """Skip the test where there is no git."""
    if shutil.which("git") is None:
        pytest.skip("there is no git on this machine, which this test needs")


class Tree:
    """A made-up repository with versions in it."""

    def __init__(self, root: Path):
        self.root = root
        write(root / ".gitignore", "/build/\n__pycache__/\n")

    def git(self, *arguments: str) -> None:
        """Run git with an author; the first time in a new repository. Skips the test where there is no git."""
        needs_git()
        if not (self.root / ".git").exists():
            subprocess.run(["git", "init", "--quiet", "--initial-branch=main"], cwd=self.root, check=True)
        author = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *author, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        """Commit everything."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message=a state")

    def version(self, name: str, files: dict[str, str] | None = None, **ladder: Any) -> Path:
        """Write a version with these files and these keys in [tool.ladder]."""
        folder = self.root / "versions" / name
        lines = [f'[project]\nname = "resnet50-{name.replace("_", "-")}"\ndescription = "old"\n\n[tool.ladder]']
        lines += [f"{key} = {toml(value)}" for key, value in ({"idea": f"the idea of {name}"} | ladder).items()]
        write(folder / "pyproject.toml", "\n".join(lines) + "\n")
        write(folder / "README.md", f"# {name}\n")
        for path, content in (files or {}).items():
            write(folder / path, content)
        return folder

    def read(self, path: str) -> str:
        """A file below versions."""
        return (self.root / "versions" / path).read_text()

    def write(self, path: str, content: str) -> None:
        """Write a file below versions."""
        write(self.root / "versions" / path, content)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty repository."""
    root = tmp_path / "repository"
    root.mkdir()
    return Tree(root)


@pytest.fixture
def ladder(tree: Tree, monkeypatch) -> Tree:
    """Three versions; the second changes a word, removes a file and has a long new test, the third changes another."""
    monkeypatch.setenv("COLUMNS", "100")
    tree.version("01_one", {"src/a.py": KERNEL, "src/gone.py": "gone\n"})
    changes = ["src/a.py", "src/gone.py", "tests/test_new.py"]
    new = {"src/a.py": KERNEL.replace("kernel", "weight"), "tests/test_new.py": TEST}
    tree.version("02_two", new, previous="01_one", changes=changes)
    new = new | {"src/a.py": SHARED, "src/k.c": "/* a kernel */\nint k;\n", "meson.build": "project('x')\n"}
    tree.version("03_three", new, previous="02_two", changes=["src/a.py", "src/k.c", "meson.build"])
    return tree


@pytest.fixture
def fake(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Adds a version that answers from a list to the tree, and returns its interpreter."""
    monkeypatch.setattr(environment, "python", lambda version: tree.root / "build" / version.name / "python")

    def add(name: str, answers: Answers, **ladder: Any) -> Path:
        tree.version(name, **ladder)
        home = tree.root / "build" / name
        write(home / "resnet50" / "__main__.py", FAKE)
        write(home / "resnet50" / "__init__.py", FAKE_PREPARE)
        write(home / "resnet50" / "answers.json", json.dumps(answers))
        write(home / "python", f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(home))} exec {sys.executable} "$@"\n')
        (home / "python").chmod(0o755)
        return home / "python"

    return add


@pytest.fixture
def pics(tree: Tree) -> Path:
    """A folder pics with three pictures: a cat, a horse, and a coin that the weights have no word for."""
    folder = tree.root / "pics"
    for name in ("chelsea.png", "farm/horse.png", "coin.png"):
        write(folder / name, name)
    write(
        folder / "labels.toml",
        '["chelsea.png"]\nshows = "a cat\'s face"\ncifar10 = ["cat"]\n'
        '["farm/horse.png"]\nshows = "a horse"\ncifar10 = ["horse"]\n'
        '["coin.png"]\nshows = "a coin"\n',
    )
    return folder


@pytest.fixture
def weight_set(tmp_path: Path) -> Path:
    """A weight set called cifar10, made up."""
    return make_weights(tmp_path / "sets" / "cifar10")


def make_weights(folder: Path) -> Path:
    """A weight set with the labels above; its values are of no interest to the fakes."""
    for name, content in (("weights.safetensors", "w"), ("preprocess.json", "{}"), ("labels.txt", "\n".join(LABELS))):
        write(folder / name, content)
    return folder


def write_golden(folder: Path, golden: dict[str, list[float]], **metadata: str) -> None:
    """Beside the weights, these float64 logits as torchvision's."""
    tensors = {name: np.array(logits, dtype=np.float64) for name, logits in golden.items()}
    metadata = {"weights_sha256": sha256(folder / "weights.safetensors"), "torchvision": "0", **metadata}
    save_file(tensors, folder / "golden.safetensors", metadata)


class Steady(Peak):
    """A peak of 500 and 1000 GFLOP/s for each core, at once; Ctrl-C is pressed when it is asked for the n-th time."""

    interrupted_at: int | None = None

    def rounds(self) -> int:
        """How many rounds have begun: in each it is measured once."""
        return len(self.flops.get(1, {}).get("A", []))

    def measure(self) -> None:
        if self.rounds() == self.interrupted_at:
            raise KeyboardInterrupt
        for count in self.threads:
            for name, value in (("A", 5e11), ("B", 1e12)):
                self.flops.setdefault(count, {}).setdefault(name, []).append(count * value)


class Narrow(Steady):
    """The same, and four times as much in 8-bit integers."""

    def measure(self) -> None:
        super().measure()
        for count in self.threads:
            self.flops[count].setdefault("AVX-VNNI", []).append(count * 4e12)


@pytest.fixture
def steady(monkeypatch) -> Steady:
    """Stands in for the processor's own peak."""
    peak = Steady({})
    monkeypatch.setattr(bench.peak, "build", lambda folder, narrow=False: Narrow({}) if narrow else peak)
    monkeypatch.setattr(bench.peak, "with_int8", lambda floats, narrow: narrow)
    return peak


@pytest.fixture
def machine(fake, steady, weight_set: Path, monkeypatch) -> Callable[..., None]:
    """Adds versions that answer at once and tell the times that they are given."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(bench.weights, "find", lambda name: weight_set if name == "synthetic" else None)
    monkeypatch.setattr(bench.neighbours, "count", lambda pids: None)  # what else runs here disturbs no test

    def add(name: str, *seconds: float, **ladder: object) -> None:
        fake(name, {"": [1.0], "seconds": list(seconds)}, **ladder)

    return add


def results(tree: Tree) -> dict:
    """What the last run has kept."""
    [*_, newest] = sorted((tree.root / "build" / "bench" / "runs").glob("*.json"), key=os.path.getmtime)
    return json.loads(newest.read_text())


@pytest.fixture
def classify(tree: Tree, fake, pics: Path, weight_set: Path, capsys: pytest.CaptureFixture, monkeypatch):
    """Runs `ladder classify` on the made-up project; returns exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "80")
    fake("01_one", ANSWERS)

    def run(*arguments: object) -> tuple[int, str, str]:
        code = main(["classify", "--weights", str(weight_set), *map(str, arguments)], tree.root)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
