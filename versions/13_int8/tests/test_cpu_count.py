"""The number of processors: those that the process may run on, or fewer if its control groups limit it."""

import os

import pytest
from resnet50 import cpu_count as module
from resnet50.cpu_count import cpu_count, shares


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_only_processors_that_the_process_may_run_on_count(monkeypatch):
    monkeypatch.setattr(module, "shares", lambda: [])
    before = os.sched_getaffinity(0)
    assert cpu_count() == len(before)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert cpu_count() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("found", "expected"), [([], 8), ([0.5], 1), ([1.5], 2), ([16.0], 8), ([4.0, 2.0], 2)])
def test_a_share_of_processor_time_is_rounded_up(monkeypatch, found, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(module, "shares", lambda: found)
    assert cpu_count() == expected


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
