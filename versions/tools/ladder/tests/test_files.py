"""Which files belong to a folder: the same as git would say, without git."""

import shutil
import subprocess

import pytest

from ladder.core.files import names, rule, working_tree
from ladder.core.versions import ROOT

from .conftest import Tree, write


def listed(tree: Tree) -> list[str]:
    """What git lists in a made-up repository, new files too."""
    tree.git("status")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=tree.root, capture_output=True, text=True, check=True)
    return sorted(name for name in done.stdout.split("\0") if name)


def test_the_listing_is_gits_for_all_kinds_of_patterns(tree: Tree):
    write(tree.root / ".gitignore", "/build/\n__pycache__/\n# a remark\n*.log\n!kept.log\n/a/b/*.c\ndeep/**/x\n")
    for name in ("build/a", "a/build/b", "a/__pycache__/c", "a/d.log", "a/kept.log", "a/b/e.c", "a/b/c/e.c"):
        write(tree.root / name, "")
    for name in ("deep/x", "deep/er/x", "deep/er/x y", "er/deep/er/x", "ümlaut"):
        write(tree.root / name, "")
    tree.git("config", "core.quotePath", "false")
    assert names(tree.root) == [name for name in listed(tree) if name != ".gitignore"]


def test_a_folder_inside_is_listed_by_the_rules_of_the_whole(tree: Tree):
    write(tree.root / ".gitignore", "/a/b/*.c\n")
    for name in ("a/b/e.c", "a/b/e.h", "a/b/c/e.c"):
        write(tree.root / name, name)
    assert working_tree(tree.root / "a" / "b") == {"c/e.c": b"a/b/c/e.c", "e.h": b"a/b/e.h"}


def test_every_file_of_this_repository_belongs_to_it():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no clone, or there is no git: nothing tells which files are the repository's")
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = [name for name in done.stdout.split("\0") if name and not name.startswith(".")]
    assert set(tracked) <= set(names(ROOT)) | {name for name in tracked if not (ROOT / name).exists()}


def test_a_folder_that_cannot_be_read_is_an_error(tree: Tree):
    with pytest.raises(FileNotFoundError):
        names(tree.root / "none")


def test_what_an_editable_installation_builds_in_a_version_is_left_out():
    """pip install -e versions/01_pure_python makes it; Meson's own .gitignore in it tells git, but not this."""
    belongs = rule(next((ROOT / "versions").glob("01_*")))
    assert not belongs("build/")
    assert belongs("src/resnet50/")
