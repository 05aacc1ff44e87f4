"""`carry` never touches a line that it did not write, and writes everything or nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from ladder.__main__ import main
from ladder.chain import transaction

from .conftest import Tree
from .test_carry import FIXED, OWN, SHARED, ladder, snapshot  # noqa: F401  (a fixture)

# ruff: noqa: F811
BOTH = OWN.replace("return 1\n", "return 11\n")
MINE = "\n# mine, uncommitted\n"


def edit(tree: Tree, text: str) -> int:
    """Make this the first version's shared.py, and carry."""
    tree.write("01_one/shared.py", text)
    return main(["carry", "01"], tree.root)


def refused(tree: Tree, capsys, *words: str) -> None:
    """Carry is refused with these words, and nothing is changed."""
    before = snapshot(tree)
    assert main(["carry", "01"], tree.root) == 2
    assert snapshot(tree) == before
    err = capsys.readouterr().err
    assert "Traceback" not in err and all(word in err for word in words), err


def test_an_uncommitted_line_stays_when_the_same_lines_are_edited_and_carried_again(ladder: Tree):
    ladder.write("03_three/shared.py", OWN + MINE)
    ladder.write("04_four/shared.py", OWN + MINE)
    for value in ("11", "12", "13"):
        assert edit(ladder, SHARED.replace("return 1", f"return {value}")) == 0
        assert ladder.read("03_three/shared.py") == OWN.replace("return 1\n", f"return {value}\n") + MINE


def test_a_line_that_was_written_between_two_carries_stays(ladder: Tree):
    assert edit(ladder, FIXED) == 0
    for name in ("03_three", "04_four"):
        ladder.write(f"{name}/shared.py", BOTH + MINE)
    assert edit(ladder, FIXED.replace("11", "12")) == 0
    assert ladder.read("03_three/shared.py") == BOTH.replace("11", "12") + MINE


def test_an_edit_that_is_taken_back_is_taken_back_everywhere(ladder: Tree):
    before = snapshot(ladder)
    assert edit(ladder, FIXED) == 0
    assert edit(ladder, SHARED) == 0
    assert snapshot(ladder) == before


def test_a_file_that_was_checked_out_gets_the_edit_anew(ladder: Tree):
    assert edit(ladder, FIXED) == 0
    carried = snapshot(ladder)
    ladder.git("checkout", "versions/03_three")
    assert main(["carry", "01"], ladder.root) == 0
    assert snapshot(ladder) == carried


def test_once_it_is_committed_an_edit_is_carried_on_from_there(ladder: Tree):
    assert edit(ladder, FIXED) == 0
    ladder.commit()
    ladder.write("03_three/shared.py", BOTH + MINE)
    ladder.write("04_four/shared.py", BOTH + MINE)
    assert edit(ladder, FIXED.replace("11", "12")) == 0
    assert ladder.read("04_four/shared.py") == BOTH.replace("11", "12") + MINE


@pytest.mark.parametrize("rubbish", [None, "[]", "{", '{"04_four/same.py": 5}', '{"a": {"committed": 1}}', '"x"'])
def test_without_its_ledger_other_lines_are_carried_and_the_same_lines_refused(ladder: Tree, capsys, rubbish):
    assert edit(ladder, FIXED) == 0
    file = ladder.root / "build" / "carry.json"
    file.unlink() if rubbish is None else file.write_text(rubbish)
    assert edit(ladder, FIXED.replace("return 2", "return 22")) == 0
    assert ladder.read("04_four/shared.py") == BOTH.replace("return 2\n", "return 22\n")
    file.unlink()
    ladder.write("01_one/shared.py", SHARED.replace("return 1", "return 12"))
    refused(ladder, capsys, "02_two: shared.py has changes of its own")


def test_a_carried_line_that_was_edited_by_hand_is_left_alone(ladder: Tree, capsys):
    assert edit(ladder, FIXED) == 0
    for name in ("03_three", "04_four"):
        ladder.write(f"{name}/shared.py", BOTH.replace("return 11", "return 111") + MINE)
    ladder.write("01_one/shared.py", FIXED.replace("return 2", "return 22"))
    refused(ladder, capsys, "03_three: shared.py was edited where the last carry wrote: commit it first")


@pytest.mark.parametrize("committed", [False, True])
def test_a_copy_never_destroys_what_is_only_there(ladder: Tree, capsys, committed: bool):
    ladder.write("02_two/same.py", "mine\n")
    if committed:
        ladder.commit()
    ladder.write("01_one/same.py", "better\n")
    refused(ladder, capsys, "02_two: same.py has changes of its own")


def test_a_file_where_the_edit_needs_a_folder_is_named_and_nothing_is_written(ladder: Tree, capsys):
    ladder.version("04_four", {"extra": "a file\n"}, previous="03_three", changes=["extra"])
    ladder.commit()
    ladder.write("01_one/extra/deep/er.py", "new\n")
    ladder.write("01_one/same.py", "better\n")
    refused(ladder, capsys, "04_four: extra/deep/er.py needs a folder extra, which is a file here")


def test_a_folder_where_the_edit_needs_a_file_is_named_and_nothing_is_written(ladder: Tree, capsys):
    ladder.version("04_four", {"extra/a.py": "a\n"}, previous="03_three", changes=["extra/a.py"])
    ladder.commit()
    ladder.write("01_one/extra", "new\n")
    refused(ladder, capsys, "04_four: extra is a folder here")


def test_a_file_may_become_a_folder_and_a_folder_a_file(ladder: Tree):
    for change in ("file to folder", "folder to file"):
        folder = ladder.root / "versions/01_one"
        if change == "file to folder":
            (folder / "same.py").unlink()
            ladder.write("01_one/same.py/a.py", "a\n")
        else:
            (folder / "same.py/a.py").unlink()
            (folder / "same.py").rmdir()
            ladder.write("01_one/same.py", "again\n")
        assert main(["carry", "01"], ladder.root) == 0
        assert main(["lineage"], ladder.root) == 0
        ladder.commit()


def test_a_symbolic_link_is_not_written_through(ladder: Tree, capsys):
    outside = ladder.root / "outside.py"
    outside.write_text("same\n")
    for name in ("same.py", "linked/b.py"):
        ladder.write(f"01_one/{name}", "better\n")
    file = ladder.root / "versions/04_four/same.py"
    file.unlink()
    file.symlink_to(outside)
    (ladder.root / "elsewhere").mkdir()
    (file.parent / "linked").symlink_to(ladder.root / "elsewhere")
    refused(ladder, capsys, "04_four: same.py is a symbolic link", "b.py lies in linked, which is a symbolic link")
    assert outside.read_text() == "same\n" and not any((ladder.root / "elsewhere").iterdir())


def test_a_link_in_the_version_itself_is_not_carried(ladder: Tree, capsys):
    (ladder.root / "versions/01_one/linked.py").symlink_to("same.py")
    refused(ladder, capsys, "01_one: linked.py is a symbolic link, which is not carried")


@pytest.mark.parametrize("what", ["same.py", "."])
def test_what_is_read_only_is_named_and_nothing_is_written(ladder: Tree, capsys, what: str, monkeypatch):
    """Root may write everything: what others may not is asked for as they would be answered."""
    locked = (ladder.root / "versions/04_four" / what).resolve()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).resolve() != locked and access(path, mode))
    ladder.write("01_one/same.py", "better\n")
    refused(ladder, capsys, "04_four: same.py", "read-only")


@pytest.mark.parametrize("step", ["stage", "apply"])
def test_a_write_that_fails_half_way_leaves_everything_as_it_was(ladder: Tree, capsys, step: str, monkeypatch):
    """Files changed, added with folders, and deleted; the disk is full at each of the writes in turn."""
    ladder.write("01_one/shared.py", FIXED)
    ladder.write("01_one/deep/er/added.py", "added\n")
    (ladder.root / "versions/01_one/same.py").unlink()
    before, whole = snapshot(ladder), getattr(transaction, step)

    def carry_to_a_disk_that_is_full_after(writes: int) -> int:
        left = iter(range(writes))

        def limited(*arguments):
            if next(left, None) is None:
                raise OSError(28, "No space left on device", "a file")
            whole(*arguments)

        monkeypatch.setattr(transaction, step, limited)
        return main(["carry", "01"], ladder.root)

    for writes in range(9):
        assert carry_to_a_disk_that_is_full_after(writes) == 2
        assert snapshot(ladder) == before and not (ladder.root / "versions/02_two/deep").exists()
        assert "No space left on device" in capsys.readouterr().err
    assert carry_to_a_disk_that_is_full_after(9) == 0
    assert ladder.read("04_four/deep/er/added.py") == "added\n"
    assert not list((ladder.root / "versions").glob(".carry-*"))


def test_a_file_that_is_saved_meanwhile_is_not_overwritten(ladder: Tree, capsys, monkeypatch):
    whole = transaction.stage

    def slowly(*arguments):
        whole(*arguments)
        ladder.write("04_four/same.py", "saved in an editor\n")

    monkeypatch.setattr(transaction, "stage", slowly)
    ladder.write("01_one/same.py", "better\n")
    assert main(["carry", "01"], ladder.root) == 2
    assert "was changed meanwhile" in capsys.readouterr().err
    assert ladder.read("04_four/same.py") == "saved in an editor\n" and ladder.read("02_two/same.py") == "same\n"


def test_the_mode_of_a_file_stays_and_a_new_one_has_its_predecessors(ladder: Tree):
    (ladder.root / "versions/04_four/same.py").chmod(0o750)
    ladder.write("01_one/same.py", "better\n")
    ladder.write("01_one/run.sh", "#!/bin/sh\n")
    (ladder.root / "versions/01_one/run.sh").chmod(0o755)
    assert main(["carry", "01"], ladder.root) == 0
    modes = [(ladder.root / f"versions/04_four/{name}").stat().st_mode & 0o777 for name in ("same.py", "run.sh")]
    assert modes == [0o750, 0o755]


def test_line_ends_that_git_converts_are_no_edit(ladder: Tree, capsys):
    ladder.git("config", "core.autocrlf", "true")
    for file in (ladder.root / "versions").glob("*/*.py"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert main(["carry", "01"], ladder.root) == 0
    assert "nothing to carry" in capsys.readouterr().err
    (ladder.root / "versions/01_one/shared.py").write_bytes(FIXED.replace("\n", "\r\n").encode())
    assert main(["carry", "01"], ladder.root) == 0
    assert (ladder.root / "versions/04_four/shared.py").read_bytes() == BOTH.replace("\n", "\r\n").encode()


def test_two_carries_at_once_wait_for_each_other(ladder: Tree):
    ladder.write("01_one/same.py", "better\n")
    (ladder.root / "build").mkdir()
    code = "import sys, pathlib; from ladder.__main__ import main; sys.exit(main(['carry', '01'], pathlib.Path('.')))"
    with FileLock(ladder.root / "build" / "carry.lock"):
        other = subprocess.Popen([sys.executable, "-c", code], cwd=ladder.root, stderr=subprocess.PIPE, text=True)
        assert other.stderr and "another carry is running" in other.stderr.readline()
        assert ladder.read("02_two/same.py") == "same\n"
    assert other.wait() == 0
    assert ladder.read("04_four/same.py") == "better\n"


def test_carry_says_why_it_needs_git(ladder: Tree, capsys, monkeypatch):
    before = snapshot(ladder)
    (ladder.root / ".git").rename(ladder.root / "no_git")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(ladder.root.parent))
    sentence = "carry needs git, because an edit is measured against the last commit: git "
    assert main(["carry", "01"], ladder.root) == 2
    err = capsys.readouterr().err
    assert sentence + "rev-parse failed" in err and "not a git repository" in err and err.count("\n") == 1
    monkeypatch.setenv("PATH", str(ladder.root))
    assert main(["carry", "01"], ladder.root) == 2
    assert capsys.readouterr().err == f"ladder: {sentence}was not found\n"
    assert snapshot(ladder) == before


def test_a_repository_of_somebody_else_is_shown_and_its_carry_refused_with_gits_advice(ladder: Tree, capsys):
    if os.geteuid() != 0:
        pytest.skip("only root may give the repository to somebody else")
    for file in (ladder.root, *ladder.root.rglob("*")):
        os.lchown(file, 65534, 65534)
    for command in (["lineage"], ["diff", "03"], ["new", "five", "--idea", "x"]):
        assert main(command, ladder.root) == 0
    capsys.readouterr()
    assert main(["carry", "01"], ladder.root) == 2
    err = capsys.readouterr().err
    assert "dubious ownership" in err and "safe.directory" in err and err.count("\n") == 1
