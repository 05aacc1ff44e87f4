"""Carrying an edit forward: copies, merges, refusals; and that a refusal leaves everything as it was."""

from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.chain.transaction import STAGING

from .conftest import Tree

SHARED = "def a():\n    return 1\n\n\ndef b():\n    return 2\n\n\ndef c():\n    return 3\n"
OWN = SHARED.replace("return 3", "return 33")  # what 03 makes of it
FIXED = SHARED.replace("return 1", "return 11")


@pytest.fixture
def ladder(tree: Tree) -> Tree:
    """Four versions of which the third changes shared.py; all committed."""
    files = {"same.py": "same\n", "shared.py": SHARED}
    tree.version("01_one", files)
    tree.version("02_two", files, previous="01_one")
    tree.version("03_three", files | {"shared.py": OWN}, previous="02_two", changes=["shared.py"])
    tree.version("04_four", files | {"shared.py": OWN}, previous="03_three")
    tree.commit()
    return tree


def snapshot(tree: Tree) -> dict[Path, bytes]:
    """Every file below versions."""
    return {path: path.read_bytes() for path in (tree.root / "versions").rglob("*") if path.is_file()}


def carry(tree: Tree, *arguments: str) -> int:
    """Run the command; afterwards the lineage must be whole."""
    code = main(["carry", *arguments], tree.root)
    assert main(["lineage"], tree.root) == 0 or code == 2
    return code


def test_a_file_that_nobody_declares_is_copied_to_all(ladder: Tree, capsys):
    ladder.write("01_one/same.py", "better\n")
    assert carry(ladder, "01") == 0
    assert "same.py  copied  02 03 04" in capsys.readouterr().out
    assert [ladder.read(f"{name}/same.py") for name in ("02_two", "03_three", "04_four")] == ["better\n"] * 3


def test_an_edit_of_a_declared_file_is_merged_and_handed_on(ladder: Tree):
    ladder.write("01_one/shared.py", FIXED)
    assert carry(ladder, "01_one") == 0
    both = OWN.replace("return 1", "return 11")
    assert ladder.read("02_two/shared.py") == FIXED
    assert ladder.read("03_three/shared.py") == ladder.read("04_four/shared.py") == both


def test_only_later_versions_are_touched(ladder: Tree):
    ladder.write("03_three/same.py", "better\n")
    main(["carry", "03"], ladder.root)
    assert ladder.read("04_four/same.py") == "better\n"
    assert ladder.read("01_one/same.py") == ladder.read("02_two/same.py") == "same\n"


def test_a_version_gets_the_edits_of_the_one_that_it_declares_and_no_others(ladder: Tree):
    files = {"shared.py": SHARED, "same.py": "same\n"}
    ladder.version("05_five", files, previous="01_one")
    ladder.commit()
    ladder.version("02_two", files | {"same.py": "better\n"}, previous="01_one", changes=["same.py"])
    assert carry(ladder, "02") == 0
    assert ladder.read("04_four/same.py") == "better\n" and ladder.read("05_five/same.py") == "same\n"
    ladder.write("01_one/shared.py", FIXED)
    assert carry(ladder, "01") == 0
    assert ladder.read("05_five/shared.py") == FIXED


def test_twice_is_as_once(ladder: Tree, capsys):
    ladder.write("01_one/shared.py", FIXED)
    ladder.write("01_one/new/file.py", "new\n")
    (ladder.root / "versions/01_one/same.py").unlink()
    assert carry(ladder, "01") == 0
    once = snapshot(ladder)
    capsys.readouterr()
    assert carry(ladder, "01") == 0
    assert snapshot(ladder) == once
    out = capsys.readouterr().out
    assert "nothing to do" in out and "merged" not in out and "copied" not in out


def test_a_second_edit_of_the_same_lines_follows_the_first(ladder: Tree):
    ladder.write("01_one/shared.py", FIXED)
    ladder.write("01_one/same.py", "better\n")
    assert carry(ladder, "01") == 0
    ladder.write("01_one/shared.py", FIXED.replace("11", "12"))
    ladder.write("01_one/same.py", "best\n")
    assert carry(ladder, "01") == 0
    assert ladder.read("04_four/shared.py") == OWN.replace("return 1\n", "return 12\n")
    assert ladder.read("04_four/same.py") == "best\n"


def test_added_and_deleted_files_follow(ladder: Tree, capsys):
    ladder.write("01_one/deep/er/added.py", "added\n")
    (ladder.root / "versions/01_one/same.py").unlink()
    assert carry(ladder, "01") == 0
    for name in ("02_two", "03_three", "04_four"):
        assert ladder.read(f"{name}/deep/er/added.py") == "added\n"
        assert not (ladder.root / "versions" / name / "same.py").exists()
    ladder.commit()
    (ladder.root / "versions/01_one/deep/er/added.py").unlink()
    assert carry(ladder, "01") == 0
    assert not (ladder.root / "versions/04_four/deep").exists()  # nor are empty folders left


def test_readme_and_pyproject_stay_at_home(ladder: Tree, capsys):
    for name in ("README.md", "pyproject.toml"):
        ladder.write(f"01_one/{name}", ladder.read(f"01_one/{name}") + "# more\n")
    before = snapshot(ladder)
    assert carry(ladder, "01") == 0
    assert snapshot(ladder) == before and "nothing to carry" in capsys.readouterr().err


def test_a_conflict_is_named_and_nothing_is_written(ladder: Tree, capsys):
    ladder.write("01_one/same.py", "better\n")  # this one alone could be carried
    ladder.write("01_one/shared.py", SHARED.replace("return 3", "return 4"))
    before = snapshot(ladder)
    assert carry(ladder, "01") == 2
    assert snapshot(ladder) == before
    err = capsys.readouterr().err
    assert "nothing was written: 03_three: shared.py is edited in lines that this version has changed too" in err


def test_all_conflicts_are_named_at_once(ladder: Tree, capsys):
    ladder.write("02_two/same.py", "an edit that nobody committed\n")
    ladder.write("01_one/same.py", "better\n")
    ladder.write("01_one/shared.py", SHARED.replace("return 3", "return 4"))
    assert carry(ladder, "01") == 2
    err = capsys.readouterr().err
    assert "03_three: shared.py" in err and "02_two: same.py has changes of its own" in err
    assert ladder.read("02_two/same.py") == "an edit that nobody committed\n"


def test_deleting_what_a_later_version_has_changed_is_a_conflict(ladder: Tree, capsys):
    (ladder.root / "versions/01_one/shared.py").unlink()
    assert carry(ladder, "01") == 2
    assert "03_three: shared.py is deleted, but this version has changed it" in capsys.readouterr().err
    assert ladder.read("02_two/shared.py") == SHARED


def test_adding_what_a_later_version_has_added_is_a_conflict(ladder: Tree, capsys):
    ladder.version("04_four", {"mine.py": "mine\n"}, previous="03_three", changes=["mine.py"])
    ladder.commit()
    ladder.write("01_one/mine.py", "not mine\n")
    assert carry(ladder, "01") == 2
    assert "04_four: mine.py is new, but this version has another file" in capsys.readouterr().err
    assert not (ladder.root / "versions/02_two/mine.py").exists()


def test_a_file_that_a_later_version_has_removed_stays_removed(ladder: Tree):
    ladder.version("03_three", previous="02_two", changes=["shared.py", "same.py"])
    for name in ("03_three", "04_four"):
        (ladder.root / "versions" / name / "same.py").unlink()
    ladder.commit()
    ladder.write("01_one/same.py", "better\n")
    assert carry(ladder, "01") == 0
    assert ladder.read("02_two/same.py") == "better\n"
    assert not (ladder.root / "versions/03_three/same.py").exists()
    assert not (ladder.root / "versions/04_four/same.py").exists()


def test_bytes_that_are_no_text_are_copied_and_never_merged(ladder: Tree):
    (ladder.root / "versions/01_one/same.py").write_bytes(b"\0\xff\r\n")
    assert carry(ladder, "01") == 0
    assert (ladder.root / "versions/04_four/same.py").read_bytes() == b"\0\xff\r\n"
    (ladder.root / "versions/01_one/shared.py").write_bytes(b"\0" + FIXED.encode())
    assert carry(ladder, "01") == 2


def test_committed_edits_are_carried_from_an_earlier_commit(ladder: Tree, capsys):
    ladder.write("01_one/same.py", "better\n")
    ladder.write("01_one/shared.py", FIXED)
    ladder.commit()
    assert main(["carry", "01"], ladder.root) == 0
    assert "nothing to carry" in capsys.readouterr().err
    assert carry(ladder, "01", "--from", "HEAD~1") == 0
    assert ladder.read("04_four/same.py") == "better\n"
    assert ladder.read("04_four/shared.py") == OWN.replace("return 1", "return 11")


def test_a_version_that_has_the_edit_already_does_not_stop_it(ladder: Tree):
    ladder.write("01_one/same.py", "better\n")
    ladder.write("02_two/same.py", "better\n")
    assert carry(ladder, "01") == 0
    assert ladder.read("04_four/same.py") == "better\n"


def test_a_version_that_is_in_no_commit_yet_takes_part(ladder: Tree):
    ladder.version("05_five", {"same.py": "same\n", "shared.py": OWN + "\n# five\n"}, previous="04_four")
    path = ladder.root / "versions/05_five/pyproject.toml"
    path.write_text(path.read_text() + 'changes = ["shared.py"]\n')
    for fix in ("return 11", "return 12"):
        ladder.write("01_one/same.py", f"{fix}\n")
        ladder.write("01_one/shared.py", SHARED.replace("return 1", fix))
        if fix == "return 11":
            assert carry(ladder, "01") == 0
            assert ladder.read("05_five/shared.py") == OWN.replace("return 1", fix) + "\n# five\n"
    assert ladder.read("05_five/same.py") == "return 11\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["07"], "no version '07'"),
        (["01", "--from", "no_such_commit"], "no commit 'no_such_commit'"),
        (["01", "--from=--output=x"], "no commit '--output=x'"),
    ],
)
def test_wrong_arguments_give_a_sentence(ladder: Tree, capsys, arguments: list[str], complaint: str):
    assert main(["carry", *arguments], ladder.root) == 2
    assert complaint in capsys.readouterr().err


def test_a_version_without_a_past_or_without_a_future(ladder: Tree, capsys):
    ladder.write("04_four/same.py", "better\n")
    assert main(["carry", "04"], ladder.root) == 0
    assert "last version" in capsys.readouterr().err
    ladder.version("05_five", previous="04_four")
    assert main(["carry", "05"], ladder.root) == 2
    assert "not in HEAD yet" in capsys.readouterr().err


def test_a_repository_without_a_commit_gives_a_sentence(tree: Tree, capsys):
    tree.version("01_one")
    tree.git("status")
    assert main(["carry", "01"], tree.root) == 2
    assert "no commit 'HEAD'" in capsys.readouterr().err


def test_what_a_killed_carry_left_is_removed(ladder: Tree):
    left = ladder.root / "versions" / f"{STAGING}killed"
    left.mkdir()
    (left / "0.new").write_text("half")
    ladder.write("01_one/same.py", "edited\n")
    assert carry(ladder, "01") == 0
    assert not left.exists()
