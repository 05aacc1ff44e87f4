"""`peaks`: the newest versions' layers beside the least time that the machine allows."""

from pathlib import Path

import pytest

from ladder.core.versions import Version
from ladder.layers import least
from ladder.layers.layer_times import Profile, Row
from ladder.timing import cost
from shared_weights.architecture import layers

from .test_profile import MEMORY, PEAK, WHOLE, machine, steady

__all__ = ["machine", "steady"]  # fixtures


def a_version(name: str, **ladder: object) -> Version:
    return Version(Path(name), name, "an idea", **ladder)  # type: ignore[arg-type]


def a_profile(name: str, seconds: float, done: int = 1000, int8: bool = False) -> Profile:
    """Two layers, of a millisecond's least time each."""
    rows = [Row("conv1", "stem", "conv 7x7", (2, 2, 4), seconds, 1000, done, 500, 1e-3),
            Row("layer1.0.conv1", "layer1", "conv 1x1", (2, 2, 4), 2 * seconds, 1000, 1000, 500, 1e-3)]  # fmt: skip
    return Profile(name, "an idea", 1, [3 * seconds], 3 * seconds, 1e9, 1e9, rows, [], int8)


def cells(profiles: list[Profile], all_layers: bool) -> list[list[str]]:
    """The table's rows, from its columns."""
    columns = [[str(cell) for cell in column.cells] for column in least.tabulate(profiles, 64, all_layers).columns]
    return [list(row) for row in zip(*columns)]


def test_the_newest_of_each_kind_of_numbers_that_runs_here_is_timed():
    versions = [a_version("11_a"), a_version("12_b"), a_version("13_c", int8=True)]
    versions += [a_version("14_d", requires=("no",)), a_version("15_e", int8=True, requires=("no",))]
    assert [version.name for version in least.newest(versions)] == ["12_b", "13_c"]
    assert [version.name for version in least.newest(versions[:2])] == ["12_b"]


def test_each_kind_has_its_least_time_its_time_and_their_ratio():
    found = cells([a_profile("12_b", 2e-3), a_profile("13_c", 1e-3, int8=True)], all_layers=False)
    assert found == [
        ["conv 7x7", "1.000", "2.000", "2.00", "1.000", "1.000", "1.00"],
        ["conv 1x1", "1.000", "4.000", "4.00", "1.000", "2.000", "2.00"],
        ["total", "2.000", "6.000", "3.00", "2.000", "3.000", "1.50"],
    ]


def test_every_layer_has_a_row_and_every_stage_a_sum():
    found = cells([a_profile("12_b", 2e-3)], all_layers=True)
    assert [row[0] for row in found] == ["conv1", "stem", "layer1.0.conv1", "layer1", "total"]
    assert found[2] == ["layer1.0.conv1", "conv 1x1", "1.000", "4.000", "4.00"]


def test_that_a_version_does_fewer_operations_is_said():
    marked = "12_b does fewer operations"
    assert marked in " ".join(least.explain([a_profile("12_b", 1e-3, done=500)], ""))
    assert marked not in " ".join(least.explain([a_profile("12_b", 1e-3)], ""))
    assert least.explain([a_profile("12_b", 1e-3)], "the peak is unknown")[-1] == "The peak is unknown."


@pytest.mark.parametrize("interrupted_at", [None, 1])
def test_the_versions_are_run_and_told_of(interrupted_at, machine, steady, tree, capsys, monkeypatch):
    monkeypatch.setattr(least, "find_peak", lambda folder, int8: (steady, ""))
    steady.interrupted_at = interrupted_at
    machine("01_one")
    machine("02_two", whole=(WHOLE,), previous="01_one")
    assert least.show(tree.root, 224, 1, 2, False) == (130 if interrupted_at else 0)
    out = capsys.readouterr().out
    [row] = [line.split() for line in out.splitlines() if line.startswith("total")]
    limit = sum(cost.limit(cost.operations([layer]), cost.moved_bytes([layer]), PEAK, MEMORY) for layer in layers())
    assert row == ["total", f"{1e3 * limit:.3f}", f"{1e3 * WHOLE:.3f}", f"{WHOLE / limit:.3f}"]
    assert "02_two" in out and "01_one" not in out and max(map(len, out.splitlines())) <= 80
