"""How many processors the tools use, by the versions' rule: those that are allowed, or the groups' share."""

import os

import pytest

from ladder.core import processor as module
from ladder.core.processor import processors, shares

from .conftest import write


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_only_those_that_the_process_may_run_on_count(monkeypatch):
    monkeypatch.setattr(module, "shares", lambda: [])
    before = os.sched_getaffinity(0)
    assert processors() == len(before)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert processors() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("found", "expected"), [([], 8), ([0.5], 1), ([1.5], 2), ([16.0], 8), ([4.0, 2.0], 2)])
def test_a_share_of_processor_time_is_rounded_up(monkeypatch, found, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(module, "shares", lambda: found)
    assert processors() == expected


def test_the_groups_around_the_process_limit_it_too(tmp_path):
    write(tmp_path / "process", "0::/outer/inner\n")
    assert shares(tmp_path, tmp_path / "process") == []
    write(tmp_path / "outer/inner/cpu.max", "max 100000\n")
    assert shares(tmp_path, tmp_path / "process") == []
    write(tmp_path / "outer/cpu.max", "250000 100000\n")
    assert shares(tmp_path, tmp_path / "process") == [2.5]


def test_groups_of_version_1_limit_it(tmp_path):
    write(tmp_path / "process", "3:cpuset:/\n2:cpu,cpuacct:/group\n0::/\n")
    write(tmp_path / "cpu/group/cpu.cfs_quota_us", "150000\n")
    write(tmp_path / "cpu/group/cpu.cfs_period_us", "100000\n")
    write(tmp_path / "cpu/cpu.cfs_quota_us", "-1\n")
    write(tmp_path / "cpu/cpu.cfs_period_us", "100000\n")
    assert shares(tmp_path, tmp_path / "process") == [1.5]


def test_a_system_without_groups_has_no_limit(tmp_path):
    assert shares(tmp_path, tmp_path / "missing") == []
    write(tmp_path / "process", "0::/\n")
    write(tmp_path / "cpu.max", "rubbish\n")
    assert shares(tmp_path, tmp_path / "process") == []
