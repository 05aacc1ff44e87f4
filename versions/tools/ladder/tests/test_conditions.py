"""The conditions that a measurement is kept with: the compiler, the settings, the priority."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ladder.core.errors import LadderError
from ladder.timing import conditions
from ladder.timing.conditions import compiler, described, priority, variables

from .conftest import write


def test_the_compiler_is_the_first_line_that_it_says_of_itself(tmp_path: Path, monkeypatch):
    program = tmp_path / "my cc"
    write(program, '#!/bin/sh\necho "cc 7.5 $1 $2"\necho "Copyright"\n')
    program.chmod(0o755)
    monkeypatch.setenv("CC", f"'{program}' -m64")
    assert compiler() == "cc 7.5 -m64 --version"


@pytest.mark.parametrize("command", ["no_such_compiler", "false"])
def test_without_a_compiler_there_is_none(command: str, monkeypatch):
    monkeypatch.setenv("CC", command)
    assert compiler() is None


def test_only_settings_that_change_what_is_compiled_count(monkeypatch):
    for name in conditions.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RESNET50_THREADS", "2")
    monkeypatch.setenv("RESNET50_ISA", "avx2")
    assert variables() == {"RESNET50_ISA": "avx2"}


@pytest.mark.skipif(not hasattr(os, "SCHED_FIFO"), reason="this system has no such priorities")
def test_a_priority_is_normal_or_real_time():
    words = [described(os.SCHED_OTHER, 0), described(os.SCHED_BATCH, 0), described(os.SCHED_FIFO, 20)]
    assert [*words, described(os.SCHED_RR, 1)] == ["normal", "normal", "real-time 20", "real-time 1"]


@pytest.mark.skipif(not hasattr(os, "SCHED_FIFO"), reason="this system has no such priorities")
def test_priorities_are_those_of_the_processes_and_must_be_the_same(monkeypatch):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        expected = described(os.sched_getscheduler(process.pid), os.sched_getparam(process.pid).sched_priority)
        assert priority([process.pid, os.getpid()]) == expected
        process.stdin.close()
    monkeypatch.setattr(os, "sched_getscheduler", {1: os.SCHED_OTHER, 2: os.SCHED_FIFO}.__getitem__)
    monkeypatch.setattr(os, "sched_getparam", lambda pid: os.sched_param(20 * (pid - 1)))
    with pytest.raises(LadderError, match="since their priorities differ: normal, real-time 20"):
        priority([1, 2])
