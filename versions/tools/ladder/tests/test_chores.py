"""When a part's pass counts: until a file changes that it reads, or a library that it uses."""

import os
import sys
from pathlib import Path

import pytest

from ladder.testing import machine, plan
from ladder.testing.process import Result
from ladder.testing.subjects import Repository
from ladder.testing.units import Build, Chore, Stage

from .conftest import Tree, write
from .small_versions import forget_the_machine

PASSED = Result(0, "3 passed in 0.10s\n", 0.1)


@pytest.fixture
def chore(tree: Tree, monkeypatch):
    """Makes the unit of a part as a new run does: a command that uses the version 01, and reads build/runs."""
    write(tree.root / "a.txt", "one")
    monkeypatch.setattr(plan, "packages", lambda root, group: [])
    for folder in ("build/env/tools", "build/01_one/release/env"):
        write(tree.root / folder / "pyvenv.cfg", "version = 3.11.7\n")
        write(tree.root / folder / "lib" / "python3.11" / "site-packages" / "numpy-2.0.dist-info" / "RECORD", "")

    def make(every: bool = False) -> Chore:
        forget_the_machine()
        how = plan.Plan(tree.root, "release", every, (), tree.root)
        builds = [Build("01_one", "build", [], tree.root, {})]
        parts = {"compare": {"environment": "tools", "command": "compare", "reads": ["build/runs"]}}
        [unit] = [unit for unit in how.parts(parts, builds) if isinstance(unit, Chore)]
        return unit

    return make


def passes(unit: Chore) -> None:
    unit.begin()
    unit.end(PASSED)


def remembered(unit: Chore) -> bool:
    unit.decide()
    return unit.stage is Stage.REMEMBERED


def test_a_pass_counts_until_a_file_or_a_library_changes_that_it_uses(chore, tree: Tree):
    changes = [
        lambda: write(tree.root / "a.txt", "two"),
        lambda: write(tree.root / ".gitignore", "/build/\n*.log\n"),
        lambda: write(tree.root / "build" / "runs" / "1.json", "{}"),
        lambda: write(tree.root / "build" / "runs" / "1.json", "{ }"),
        lambda: packages("build/env/tools").rename(packages("build/env/tools").with_name("numpy-2.1.dist-info")),
        lambda: packages("build/01_one/release/env").rename(tree.root / "gone"),
    ]

    def packages(folder: str) -> Path:
        return next((tree.root / folder).glob("lib/*/*/numpy-*"))

    for number, change in enumerate(changes):
        passes(chore())
        assert remembered(chore()) and not remembered(chore(every=True))
        change()
        assert not remembered(chore()), number


def test_what_changes_while_it_runs_is_not_remembered(chore, tree: Tree):
    unit = chore()
    unit.begin()
    write(tree.root / "build" / "runs" / "2.json", "{}")
    unit.end(PASSED)
    assert not remembered(chore())


def test_a_failure_is_forgotten(chore):
    passes(chore())
    unit = chore(every=True)
    unit.begin()
    unit.end(Result(1, "", 0.1))
    assert not remembered(chore())


def test_a_part_multiplies_in_one_thread_unless_the_user_says_otherwise(tree: Tree, monkeypatch):
    write(tree.root / "tests" / "test_one.py", "")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    how = plan.Plan(tree.root, "release", False, (), tree.root)
    for number in ("1", "3"):
        [unit] = how.part("one", {"tests": "tests"}, Path(sys.executable), Repository(tree.root), [])
        assert unit.variables == os.environ | {"OPENBLAS_NUM_THREADS": number}
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")


@pytest.mark.parametrize("name", ["GIT_DIR", "MPLBACKEND", "XDG_CONFIG_HOME", "HYPOTHESIS_PROFILE", "PIP_INDEX_URL"])
def test_a_variable_that_programs_obey_counts(name: str, tmp_path: Path, monkeypatch):
    states = []
    for value in ("one", "other"):
        monkeypatch.setenv(name, value)
        forget_the_machine()
        states.append(machine.machine())
    assert states[0] != states[1]
