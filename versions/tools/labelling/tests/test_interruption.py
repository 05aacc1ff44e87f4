"""Runs that are killed, or interrupted, at any moment: what follows is as if they had not been."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from labelling.__main__ import main
from ladder.tests.conftest import Tree, write

from .conftest import Label, names, rows

# How many moments: by hand more, as `LABEL_MOMENTS=50 nox -s "test(labelling)" -- -k moment`.
MOMENTS = int(os.environ.get("LABEL_MOMENTS", "4"))
PROGRAM = """
import sys
from pathlib import Path
from labelling.__main__ import main
from ladder.core import environment
root, *arguments = sys.argv[1:]
environment.python = lambda version: Path(root) / "build" / "python"
sys.exit(main(arguments, Path(root)))
"""
Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def many(photos: Path) -> Path:
    """More photos, so that a run takes a while, and some bad ones."""
    for number in range(300):
        write(photos / "many" / f"{number}.jpg", "crash" if number % 50 == 7 else f"{number % 6} 0.5")
    return photos


@pytest.fixture
def start(project: Tree, many: Path, weights: Path, tmp_path: Path) -> Start:
    """Starts a run that labels the photos into killed.csv."""

    def started() -> "subprocess.Popen[bytes]":
        arguments = [str(many), "--out", str(tmp_path / "killed.csv"), "--weights", str(weights), "--processes", "2"]
        command = [sys.executable, "-c", PROGRAM, str(project.root), *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)

    return started


def ended(process: "subprocess.Popen[bytes]") -> int:
    """Its exit code."""
    process.communicate(timeout=120)
    return process.returncode


def test_after_a_kill_at_any_moment_a_second_run_gives_what_an_undisturbed_one_gives(
    start: Start, label: Label, many: Path, tmp_path: Path
):
    began = time.monotonic()
    assert label() == 0
    whole = (tmp_path / "results.csv").read_bytes()
    assert rows(tmp_path / "results.csv").keys() == names(many)
    usual = time.monotonic() - began + 0.5  # and the imports
    numbers = random.Random(0)
    partly = 0
    for _ in range(MOMENTS):
        for kind in (".csv", ".jsonl"):
            (tmp_path / f"killed{kind}").unlink(missing_ok=True)
        process = start()
        time.sleep(numbers.uniform(0, usual))
        process.kill()
        process.communicate(timeout=120)  # until the last of its processes has closed its stderr
        manifest = tmp_path / "killed.jsonl"
        partly += manifest.exists() and 0 < manifest.read_bytes().count(b"\n") < len(names(many))
        assert ended(start()) == 0
        assert (tmp_path / "killed.csv").read_bytes() == whole
    assert partly or MOMENTS < 10


def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(start: Start, label: Label, many: Path, tmp_path: Path):
    write(many / "hang.jpg", "hang")
    process = start()
    manifest = tmp_path / "killed.jsonl"
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < 20:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130 and b"stopped; the same command resumes here" in err
    assert b"Traceback" not in err and not (tmp_path / "killed.csv").exists()
    (many / "hang.jpg").unlink()
    assert ended(start()) == 0 and rows(tmp_path / "killed.csv").keys() == names(many)


def test_if_the_processes_are_all_killed_the_run_ends_with_a_line(
    project, many, weights, tmp_path, capsys, monkeypatch
):
    from labelling import label as module

    class Doomed(module.Crew):
        def label(self, folder, tasks):
            for number, entry in enumerate(super().label(folder, tasks)):
                if number == 10:
                    self.process.kill()
                yield entry

    monkeypatch.setattr(module, "Crew", Doomed)
    arguments = [str(many), "--out", str(tmp_path / "a.csv"), "--weights", str(weights)]
    assert main(arguments, project.root) == 2
    assert "01_one ended with code -9" in capsys.readouterr().err
    assert main(arguments, project.root) == 2  # the ten are kept
    assert (tmp_path / "a.jsonl").read_bytes().count(b"\n") >= 20
    wait_for_all_to_end(tmp_path)


@pytest.mark.parametrize("killed", ["the run", "its first process"])
def test_no_process_outlives_a_killed_run(killed: str, start: Start, many: Path, tmp_path: Path):
    if killed == "the run":
        write(many / "hang.jpg", "hang")
    process = start()
    manifest = tmp_path / "killed.jsonl"
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < 20:
        time.sleep(0.01)
    if killed == "the run":
        process.kill()
    else:
        os.kill(int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]), signal.SIGKILL)
    process.communicate(timeout=30)  # they all hold its stderr or what it gave them; the hanging one is ended too
    wait_for_all_to_end(tmp_path)


def wait_for_all_to_end(folder: Path) -> None:
    """Fail if a process with this folder on its command line is still there after a minute."""
    deadline = time.monotonic() + 60
    while found := [pid for pid in os.listdir("/proc") if pid.isdigit() and str(folder).encode() in command_of(pid)]:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def command_of(pid: str) -> bytes:
    """The command line of a process; empty if it has ended."""
    try:
        return Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""
