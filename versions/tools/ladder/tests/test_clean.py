"""`nox -s clean -- --cache`: what it removes, and what it leaves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parents[4]


def test_the_cache_is_emptied_but_for_what_another_process_is_making_and_what_is_not_its_own(tmp_path):
    keeping = sorted(ROOT.glob("versions/*/src/resnet50/cache.py"))[-1].parents[2]
    for name in ("noxfile.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(keeping / "src", tmp_path / "versions" / keeping.name / "src")
    shutil.copy(keeping / "pyproject.toml", tmp_path / "versions" / keeping.name)
    cache = tmp_path / "cache"
    cache.mkdir()
    done, busy, unlocked = "0" * 64, "1" * 64, "2" * 64
    left = {f"{busy}.lock", f"{busy}.8_x4.part", "notes.so"}
    for name in (f"{done}.so", f"{done}.lock", f"{unlocked}.so", f"{busy}.lock", "notes.so"):
        (cache / name).touch()
    for key in (done, busy):
        (cache / f"{key}.8_x4.part").mkdir()
        (cache / f"{key}.8_x4.part" / "library.so").touch()
    with FileLock(cache / f"{busy}.lock"):
        ran = subprocess.run(
            [sys.executable, "-m", "nox", "-f", tmp_path / "noxfile.py", "-s", "clean", "--", "--cache"],
            env=os.environ | {"RESNET50_CACHE": str(cache)}, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert {file.name for file in cache.iterdir()} == left
    assert "2 compiled convolutions removed" in ran.stdout


def test_whoever_asks_for_help_loses_nothing(tmp_path):
    for name in ("noxfile.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "build").mkdir()
    ran = subprocess.run(
        [sys.executable, "-m", "nox", "-f", tmp_path / "noxfile.py", "-s", "clean", "--", "--help"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ran.returncode == 1 and (tmp_path / "build").is_dir()
    assert "clean takes only --cache, not --help; nothing is removed" in ran.stderr
