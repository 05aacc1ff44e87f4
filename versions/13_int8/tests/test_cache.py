"""Emptying the cache: `python -m resnet50.cache`."""

import os
import subprocess
import sys

import pytest
from adapter import prepare
from resnet50 import cache, compiler
from resnet50.instruction_sets import instruction_set
from resnet50.tiles import Convolution

SHAPES = [Convolution(2, width, 1, 1, 1, 1, 2, 0) for width in (2, 3, 4)]

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="the cache needs a system with users")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache of three libraries, in a process that has loaded nothing."""
    prepare()
    monkeypatch.setenv("RESNET50_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compiler, "loaded", {})
    compiler.load(SHAPES, instruction_set())
    return tmp_path / "cache"


def emptied():
    """Runs the command that empties the cache, in a process of its own."""
    return subprocess.run([sys.executable, "-m", "resnet50.cache"], capture_output=True, text=True, timeout=60)


def test_all_libraries_but_those_being_made_are_removed_and_counted(folder):
    busy, free, lockless = sorted(folder.glob("*.so"))
    lockless.with_suffix(".lock").unlink()
    for library in (busy, free):
        library.with_suffix(".8_x4.part").mkdir()
        (library.with_suffix(".8_x4.part") / "library.so").write_bytes(b"half a library")
    kept = {busy, busy.with_suffix(".lock"), busy.with_suffix(".8_x4.part")}
    with cache.lock(busy):
        done = emptied()
        assert set(folder.iterdir()) == kept
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder}: 2 compiled convolutions removed\n", "")


def test_files_that_the_cache_did_not_make_stay(folder):
    others = {folder / name for name in ("notes.so", "notes.lock", f"{'0' * 63}.so", f"{'0' * 64}.txt")}
    for file in others:
        file.touch()
    assert cache.empty(folder) == 3
    assert set(folder.iterdir()) == others


def test_an_emptied_cache_is_filled_again(folder):
    cache.empty(folder)
    compiler.loaded.clear()
    compiler.load(SHAPES, instruction_set())
    assert len(list(folder.glob("*.so"))) == 3


def test_a_refused_folder_gives_a_clear_error(folder):
    folder.chmod(0o777)
    done = emptied()
    assert (done.returncode, done.stdout) == (2, "")
    assert "other users can write to" in done.stderr
    assert len(list(folder.glob("*.so"))) == 3
