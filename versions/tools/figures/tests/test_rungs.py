"""The rooflines before and after a version: the file that keeps the measurement, and where the marks stand."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from figures import rungs
from figures.sketch import Sketch
from ladder.core.versions import ROOT, discover, find
from ladder.layers.layer_times import Profile, Row

FUSED = ["conv 7x7 stem"] + [f"conv {kernel} layer{stage}" for stage in range(1, 5) for kernel in ("1x1", "3x3")]


def row(name: str, kind: str, seconds: float = 1.0) -> Row:
    """A row of a profile: 400 operations, of which half are done, for 10 bytes."""
    return Row(name, name.partition(".")[0], kind, (1,), seconds, 400, 200, 10, 0.5)


def test_the_committed_file_has_the_same_groups_for_every_version():
    found = rungs.published()
    assert [one["name"] for one in found["versions"]] == [find(discover(), name).name for name in rungs.RUNGS]
    for rows in (one["rows"] for one in found["versions"]):
        assert sorted(f"{one['kind']} {one['stage']}" for one in rows) == sorted(FUSED)
        assert all(0 < one["seconds"] < 1 and one["done"] <= one["operations"] for one in rows)
    orders = [[(one["kind"], one["stage"]) for one in rows] for rows in (one["rows"] for one in found["versions"])]
    assert all(order == orders[0] for order in orders)  # the figure pairs them in this order
    marked = [
        {one["kind"] for one in rows if one["done"] != one["operations"]}
        for rows in (one["rows"] for one in found["versions"])
    ]
    assert marked == [set(), set(), set(), {"conv 3x3"}]


def test_layers_are_added_up_by_kind_and_stage_and_only_convolutions_count():
    kinds = {"layer1.0.a": "conv 1x1", "layer2.0.b": "conv 1x1", "layer1.1.c": "conv 1x1", "fc": "linear"}
    rows = [row(name, kind) for name, kind in kinds.items()]
    first, second = rungs.convolutions(Profile("v", "", 1, [4.0], 4.0, 1e9, 1e9, rows, []))
    assert (first.stage, first.kind, first.seconds) == ("layer1", "conv 1x1", 2.0)
    assert (first.operations, first.done, first.bytes) == (800, 400, 20)
    assert (second.stage, second.seconds) == ("layer2", 1.0)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A measurement of two versions that takes no time; its list says whether Ctrl-C came."""
    interrupted: list[bool] = []

    def measure(entries: list, size: int, *_: object) -> tuple[list[Profile], bool]:
        assert size == rungs.SIZE and {entry.threads for entry in entries} == {1}
        rows = [row("layer1.0.a", "conv 1x1")]
        return [Profile(entry.label, "", 1, [1.0], 1.0, 1e9, 1e8, rows, []) for entry in entries], bool(interrupted)

    monkeypatch.setattr(rungs.profile, "measure", measure)
    monkeypatch.setattr(rungs, "select", lambda *_, **__: [find(discover(), "10"), find(discover(), "12")])
    monkeypatch.setattr(rungs, "find_peak", lambda *_: (SimpleNamespace(), ""))
    return interrupted


def test_a_measurement_is_kept_with_a_line_for_each_version(measured: list[bool], tmp_path: Path):
    (tmp_path / "versions").mkdir()
    rungs.measure(tmp_path)
    found = rungs.published(tmp_path)
    assert (found["peak"], found["bandwidth"], found["size"]) == (1e9, 1e8, 224)
    assert [one["name"] for one in found["versions"]] == ["10_fused", "12_winograd"]
    lines = (tmp_path / rungs.FILE).read_text().splitlines()
    assert [line[:18] for line in lines[1:-1]] == ['{"name": "10_fused', '{"name": "12_winog']
    [kept] = found["versions"][0]["rows"]
    assert kept["stage"] == "layer1" and Row(**kept).intensity == 20 and Row(**kept).done_flops == 200


def test_after_ctrl_c_nothing_is_written(measured: list[bool], tmp_path: Path):
    measured.append(True)
    (tmp_path / "versions").mkdir()
    with pytest.raises(KeyboardInterrupt):
        rungs.measure(tmp_path)
    assert not (tmp_path / rungs.FILE).exists()


def test_marks_stand_where_the_scales_say():
    plot = rungs.Plot(Sketch("", 400), 200)
    assert plot.place(1, 0) == (rungs.LEFT, rungs.FOOT)
    assert plot.place(rungs.MOST, 200e9) == pytest.approx((rungs.RIGHT, rungs.TOP))
    assert plot.place(20, 100e9) == pytest.approx(((rungs.LEFT + rungs.RIGHT) / 2, (rungs.TOP + rungs.FOOT) / 2))
    before, after = row("a", "conv 1x1"), row("a", "conv 3x3", 2e-9)
    start, end, direct = rungs.points(plot, before, after)
    assert start == plot.place(20, 200) and end == plot.place(20, 100e9) and direct == plot.place(40, 200e9)


def test_a_number_stands_above_its_dot_or_where_nothing_else_is():
    plot = rungs.Plot(Sketch("", 400), 200)
    plot.taken = [(100.0, 200.0), (300.0, 200.0), (300.0, 184.0)]
    for place in plot.taken[:2]:
        plot.number(place, (), "1", "blue")
    assert plot.taken[3:] == [(100.0, 183.0), (313.0, 201.0)]
    plot.number((300.0, 200.0), plot.taken, "1", "blue")
    assert plot.taken[-1] == (300.0, 183.0)


@pytest.mark.parametrize("name", rungs.RUNGS[1:])
def test_the_version_s_readme_shows_its_roofline(name: str):
    text = (find(discover(), name).folder / "README.md").read_text(encoding="utf-8")
    assert f"](../figures/roofline_{name}.svg)" in text
    assert (ROOT / "versions" / "figures" / f"roofline_{name}.svg").exists()
