"""Lineage: nothing changes undeclared, nothing is declared that does not change."""

from typing import Any

import pytest

from ladder.__main__ import main
from ladder.chain.lineage import Size, check
from ladder.core.versions import discover

from .conftest import Tree, write

FILES = {"src/a.py": "one\ntwo\n", "src/b.py": "b\n"}


@pytest.fixture
def ladder(tree: Tree) -> Tree:
    """Two versions; the second changes a.py, removes b.py and adds c.py."""
    tree.version("01_one", FILES)
    changes = ["src/a.py", "src/b.py", "src/c.py"]
    tree.version("02_two", {"src/a.py": "one\n2\n3\n", "src/c.py": "c\n"}, previous="01_one", changes=changes)
    return tree


def complaints(tree: Tree) -> list[str]:
    """All that is wrong."""
    return [complaint for step in check(discover(tree.root)) for complaint in step.complaints]


def test_a_true_lineage_is_accepted_and_its_steps_are_measured(ladder: Tree, capsys):
    first, second = check(discover(ladder.root))
    assert (first.complaints, second.complaints) == ([], [])
    # a.py: -two +2 +3; b.py: -b; c.py: +c
    assert (second.files, second.size.added, second.size.removed) == (3, 3, 2)
    assert second.parts["src", True] == Size(2, 1) and second.parts["src", False] == Size(1, 1)
    assert main(["lineage"], ladder.root) == 0
    assert "+3 -2" in capsys.readouterr().out


def test_an_undeclared_change_is_found(ladder: Tree, capsys):
    for path in ("01_one/same.py", "02_two/same.py"):
        ladder.write(path, "same")
    assert complaints(ladder) == []
    ladder.write("02_two/same.py", "not the same")
    assert complaints(ladder) == ["02_two: same.py differs from the predecessor's and is not declared in changes"]
    assert main(["lineage"], ladder.root) == 1
    assert "same.py" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["01_one/only.py", "02_two/only.py"])
def test_an_undeclared_removal_or_addition_is_found(ladder: Tree, path: str):
    ladder.write(path, "x")
    [complaint] = complaints(ladder)
    assert complaint.startswith("02_two: only.py differs")


def test_a_declared_file_that_is_the_same_is_found(ladder: Tree, capsys):
    ladder.write("02_two/src/a.py", FILES["src/a.py"])
    assert complaints(ladder) == ["02_two: src/a.py is declared in changes, but is the same as the predecessor's"]
    assert main(["lineage"], ladder.root) == 1


def test_a_declared_file_that_is_nowhere_is_found(ladder: Tree):
    (ladder.root / "versions/02_two/src/c.py").unlink()
    assert complaints(ladder) == ["02_two: src/c.py is declared in changes, but is in neither folder"]


def test_each_version_is_compared_with_its_own_predecessor(ladder: Tree):
    ladder.version("03_three", {"src/a.py": "one\n2\n3\n", "src/c.py": "c\n"}, previous="02_two")
    assert complaints(ladder) == []
    ladder.write("03_three/src/c.py", "C\n")
    [complaint] = complaints(ladder)
    assert complaint.startswith("03_three: src/c.py differs")


def test_a_predecessor_may_be_an_earlier_version_than_the_one_before(ladder: Tree):
    files = {"src/a.py": "one\ntwo\n", "src/b.py": "B\n"}
    ladder.version("03_three", files, previous="01_one", changes=["src/b.py"])
    assert complaints(ladder) == []
    assert (check(discover(ladder.root))[-1].size.added, check(discover(ladder.root))[-1].size.removed) == (1, 1)


@pytest.mark.parametrize("previous", ["00_zero", "02_two", None])
def test_the_declared_predecessor_must_be_an_earlier_folder(ladder: Tree, previous: str | None):
    declared: dict[str, Any] = {} if previous is None else {"previous": previous}
    ladder.version("02_two", changes=["src/a.py", "src/b.py", "src/c.py"], **declared)
    assert complaints(ladder) == ['02_two: [tool.ladder] should have previous = "01_one"']


def test_the_first_version_has_no_predecessor_and_no_changes(tree: Tree):
    tree.version("01_one", FILES, previous="00_zero", changes=["src/a.py"])
    first, second = complaints(tree)
    assert "no previous" in first and "src/a.py is declared" in second


def test_the_distribution_is_named_after_the_folder(ladder: Tree):
    path = ladder.root / "versions/02_two/pyproject.toml"
    path.write_text(path.read_text().replace("resnet50-02-two", "resnet50-02_two"))
    assert complaints(ladder) == ["02_two: its distribution is called resnet50-02_two, not resnet50-02-two"]


def test_two_versions_of_one_number_are_found(ladder: Tree):
    ladder.version("02_twin", {"src/a.py": "one\n2\n3\n", "src/c.py": "c\n"})
    assert any("same number" in complaint for complaint in complaints(ladder))


def test_a_file_that_mentions_a_version_is_found(ladder: Tree):
    for path in ("01_one/notes.py", "02_two/notes.py"):
        ladder.write(path, "# as in 01_one\n")
    assert len(complaints(ladder)) == 2 and "mentions 01_one" in complaints(ladder)[0]


@pytest.mark.parametrize("path", ["src/__pycache__/a.pyc", "src/a.py~", ".DS_Store", "src/.a.swp", "#a.py#", "made/a"])
def test_what_is_ignored_or_left_by_an_editor_is_no_difference(ladder: Tree, path: str):
    write(ladder.root / ".gitignore", "made/\n")
    ladder.write(f"02_two/{path}", "rubbish")
    assert complaints(ladder) == []


def test_only_the_repositorys_own_gitignore_counts(ladder: Tree):
    write(ladder.root.parent / ".gitignore", "*\n")
    assert complaints(ladder) == []


def test_a_committed_file_that_is_gone_is_a_difference(ladder: Tree):
    ladder.commit()
    (ladder.root / "versions/02_two/src/c.py").unlink()
    assert len(complaints(ladder)) == 1


@pytest.mark.parametrize("command", [["lineage"], ["diff"], ["diff", "02"], ["new", "fast", "--idea", "x"]])
def test_a_folder_outside_git_and_a_machine_without_git_will_do(ladder: Tree, command: list[str], monkeypatch):
    monkeypatch.setenv("PATH", str(ladder.root))
    assert main(command, ladder.root) == 0
