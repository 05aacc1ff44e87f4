"""Two small versions, in environments that are made at once, and what runs their tests."""

import os
import signal
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.core import compiler, environment
from ladder.testing import machine, plan, units
from ladder.testing.plan import Plan
from ladder.testing.units import Build

from .conftest import Tree, write

TOOLS = next(path for path in sys.path if path.endswith("site-packages"))  # pytest is there

# What stands in for a build: the package is copied to where it would be installed.
INSTALL = """
import shutil, sys
source, target = sys.argv[1:]
shutil.rmtree(target, ignore_errors=True)
shutil.copytree(source, target)
"""
# What stands in for pytest, which takes a second to start: it runs the functions of a file, or those of -k WORD.
RUNNER = """
import importlib, pathlib, sys
*option, word = sys.argv[1:]
sys.path[:0] = ["tests", "tests/contract"]
importlib.import_module("conftest")
done = 0
for path in sorted(pathlib.Path("tests").rglob("test_*.py")) if option else [pathlib.Path(word)]:
    for name, function in list(vars(importlib.import_module(path.stem)).items()):
        if name.startswith("test_") and (not option or word in name):
            function()
            done += 1
print(f"{done} passed in 0.01s" if done else "no tests ran in 0.01s")
sys.exit(0 if done else 5)
"""
TESTS = {
    "tests/contract/test_alpha.py": "from resnet50 import alpha\ndef test_alpha():\n    assert alpha.VALUE == 1\n",
    "tests/contract/test_beta.py": "from resnet50 import beta\ndef test_beta():\n    assert beta.VALUE == 1\n",
}
FILES = {
    "src/resnet50/__init__.py": "",
    "src/resnet50/alpha.py": "VALUE = 1\n",
    "src/resnet50/beta.py": "VALUE = 1\n",
    "tests/conftest.py": "",
    **TESTS,
}
ONE, TWO = "01_one/tests/contract/", "02_two/tests/contract/"


@pytest.fixture
def versions(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> Tree:
    """Two versions, the second of which has another beta.py."""

    def building(self: Plan, version, build: str) -> Build:
        home = tree.root / "build" / version.name / build / "env"
        if not home.exists():
            venv.create(home, symlinks=True)
            [packages] = home.glob("lib/python3*/site-packages")
            write(packages / "tools.pth", f"{TOOLS}\n")
        source, target = version.folder / "src" / "resnet50", packages_of(tree, version.name) / "resnet50"
        command = [sys.executable, "-c", INSTALL, str(source), str(target)]
        return Build(version.name, "build", command, tree.root, dict(os.environ))

    monkeypatch.setattr(Plan, "building", building)
    monkeypatch.setattr(plan, "pytest", runner)
    monkeypatch.setattr(environment, "is_current", lambda *_: True)
    tree.version("01_one", FILES)
    tree.version("02_two", FILES | {"src/resnet50/beta.py": "VALUE = 2 - 1\n"}, previous="01_one")
    return tree


def runner(interpreter: Path, *arguments: str) -> list[str]:
    """The command that runs tests with RUNNER."""
    return [str(interpreter), "-c", RUNNER, *arguments]


@pytest.fixture
def with_pytest(versions: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests are run by pytest itself."""
    monkeypatch.setattr(plan, "pytest", units.pytest)


def forget_the_machine() -> None:
    """It is looked at once in a process."""
    machine.machine.cache_clear()
    machine.compilers.cache_clear()
    compiler.version_of.cache_clear()


def packages_of(tree: Tree, name: str) -> Path:
    """The site-packages of a version's environment."""
    return next((tree.root / "build" / name / "release" / "env").glob("lib/python3*/site-packages"))


@pytest.fixture
def run(versions: Tree, capsys: pytest.CaptureFixture[str]) -> Callable[..., set[str]]:
    """Runs `test all`, and returns which test files were run; the exit code must be the given one."""

    def run(*arguments: str, code: int | None = 0, part: str = "all") -> set[str]:
        forget_the_machine()
        found = main(["test", part, *arguments], versions.root)
        out = capsys.readouterr().out
        assert code is None or found == code, out
        return {line.partition(": ")[0] for line in out.splitlines() if ".py: " in line and " in " in line}

    return run


ALL = {ONE + "test_alpha.py", ONE + "test_beta.py", TWO + "test_beta.py"}


def alone(root: Path) -> None:
    """`test all` in a process of its own, with the builds that are there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell script's background ignores it
    plan.pytest = runner
    environment.is_current = lambda version, build: True
    Plan.building = lambda self, version, build: Build(version.name, "build", ["true"], root, {})  # type: ignore
    sys.exit(main(["test", "all"], root))
