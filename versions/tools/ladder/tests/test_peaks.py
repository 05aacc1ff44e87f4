"""`peaks`: which speeds are shown, and the least times that follow from them."""

from pathlib import Path

import pytest

from ladder.__main__ import main
from ladder.core.errors import LadderError
from ladder.layers import peaks
from ladder.layers.peaks import Speed
from ladder.machine.peak import Peak
from ladder.timing import cost
from shared_weights.architecture import layers


class Told(Peak):
    """A peak that is the same each time, except for a slow first round: so many GFLOP/s a core."""

    def __init__(self, speeds: dict[str, float]):
        super().__init__({})
        self.speeds = speeds

    def measure(self) -> None:
        for count in self.threads:
            for name, speed in self.speeds.items():
                found = self.flops.setdefault(count, {}).setdefault(name, [])
                found.append(count * speed * 1e9 * (1 if found else 0.5))


class Memory:
    """Copies at 10 GB/s with one core, 15 GB/s with more."""

    def __init__(self, counts: tuple[int, ...]):
        self.counts = counts

    def measure(self) -> None:
        pass

    def best(self) -> dict[int, float]:
        return {count: 1e10 if count == 1 else 1.5e10 for count in self.counts}


@pytest.fixture
def run(tmp_path: Path, monkeypatch, capsys):
    """Runs `ladder peaks` with made-up speeds and without versions; returns stdout and stderr."""
    monkeypatch.setattr(peaks, "Bandwidth", Memory)
    monkeypatch.setattr(peaks.saturation, "wanted", lambda: False)
    monkeypatch.setattr(peaks.least, "show", lambda *given: print("newest:", *given[1:]) or 0)
    monkeypatch.setenv("COLUMNS", "100")

    def run_with(narrow: Peak | None, *arguments: str) -> tuple[str, str]:
        def build(home: Path, narrow_ones: bool = False) -> Peak:
            if narrow_ones and narrow is None:
                raise LadderError("there are none")
            return narrow if narrow_ones else Told({"AVX2": 50})

        monkeypatch.setattr(peaks.peak, "build", lambda home, narrow=False: build(home, narrow))
        assert main(["peaks", "--rounds", "2", *arguments], tmp_path) == 0
        captured = capsys.readouterr()
        return captured.out, captured.err

    return run_with


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines() if line.startswith((" float32", " int8", " bfloat16"))]


def test_the_best_of_all_rounds_is_shown_in_a_row_for_each_instruction(run):
    out, _ = run(Told({"AVX2 in 16 bits": 60, "AVX-VNNI": 200}), "--threads", "2")
    first, second, third, *_ = rows(out)
    assert first == ["float32", "AVX2", "50", "100", "1.00"]
    assert second == ["int8", "AVX-VNNI", "200", "400", "4.00"]
    assert third == ["int8", "AVX2", "in", "16", "bits", "60", "120", "1.20"]
    assert "memory: 10 and 15 GB/s" in out


def test_without_narrow_instructions_there_is_a_sentence(run):
    out, err = run(None, "--threads", "1")
    assert "ladder: there are none" in err and "int8" not in out and "float32" in out


def test_the_newest_versions_are_timed_with_one_thread_or_as_many_as_were_asked_for(run):
    assert "newest: 224 1 2 False" in run(None)[0]
    assert "newest: 64 2 2 True" in run(None, "--size", "64", "--threads", "2", "--layers")[0]


def test_sums_without_vnni_are_looked_at_where_it_is_missing(run, tmp_path: Path, monkeypatch):
    seen: list[Path] = []
    monkeypatch.setattr(peaks.saturation, "show", seen.append)
    run(None)
    assert seen == []
    monkeypatch.setattr(peaks.saturation, "wanted", lambda: True)
    run(None)
    assert seen == [tmp_path]


def test_the_steps_are_the_convolutions_with_what_follows_them():
    steps = peaks.steps_of(224)
    assert len(steps) == 53 + 2 + 1  # convolutions, the pools, the last layer
    assert [layer.name for layer in steps[0]] == ["conv1", "bn1", "relu"]
    assert sum(map(len, steps)) == len(layers())


def test_the_least_times_follow_from_operations_and_bytes():
    steps = peaks.steps_of(64)
    operations, moved = sum(map(cost.operations, steps)), sum(map(cost.moved_bytes, steps))
    speed = Speed("int8", 1, "any", {1: 1e9})
    arithmetic, both = peaks.least_times(speed, 1, 1e30, 64)
    assert arithmetic == pytest.approx(operations / 1e9) and both == pytest.approx(arithmetic)
    _, both = peaks.least_times(speed, 1, 1.0, 64)  # a byte a second
    assert both == pytest.approx(moved / 4)


def test_the_fastest_instructions_count():
    slow, fast = Speed("int8", 1, "slow", {1: 1.0, 2: 9.0}), Speed("int8", 1, "fast", {1: 2.0, 2: 3.0})
    assert peaks.best([slow, fast], "int8", 1) is fast and peaks.best([slow, fast], "int8", 2) is slow
