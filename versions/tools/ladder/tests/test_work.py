"""What a version says that it really does, where that is not what its layers are defined as; and who shows it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ladder.__main__ import main
from ladder.core.errors import LadderError
from ladder.core.versions import Version, discover
from ladder.layers import profile_text, roofline
from ladder.layers.layer_times import Profile, Row, add_up, summarise
from ladder.layers.layer_worker import LayerTime
from ladder.layers.profile_text import speeds
from ladder.timing.contestants import Contestant
from ladder.timing.cost import Work
from ladder.timing.work import really_done, share_done
from shared_weights.architecture import layers

from .conftest import Tree, results, write

# A version whose plan has two layers: one convolution in two steps, 10 and 1000 operations, and one as it is defined.
PLAN = """
import numpy
from types import SimpleNamespace as Any
def value(*shape):
    return Any(shape=shape)
weights = numpy.zeros(7, numpy.float32)
class ResNet50:
    def __init__(self, weights):
        if open(weights + "/labels.txt").read() == "none":
            raise ValueError("labels.txt: no class")
    def plan(self, height, width):
        first = Any(name="layer1.0.conv2", input=value(2, 3), output=value(5), weights=(), generated=Any(operations=10))
        second = Any(name="layer1.0.conv2", input=value(5), output=value(4), weights=(weights,) * 2,
                     generated=Any(operations=1000))
        other = Any(name="layer1.0.conv1", input=value(2), output=value(2), weights=(weights,), generated=Any())
        return Any(steps=[other, first, second])
"""


@pytest.fixture
def planner(machine: Callable[..., None], tree: Tree) -> Path:
    """Adds the version 12_twelve, which takes half a second; returns its interpreter."""
    machine("12_twelve", 0.5, plans=True)
    home = tree.root / "build" / "12_twelve"
    write(home / "resnet50" / "__init__.py", PLAN)
    return home / "python"


def test_the_steps_of_a_layer_are_added_up(planner: Path, tree: Tree, weight_set: Path):
    [version] = discover(tree.root)
    found = really_done(version, planner, weight_set, 64)
    assert found == {"layer1.0.conv1": None, "layer1.0.conv2": Work(1010, 4 * (6 + 5 + 5 + 4 + 2 * 7))}
    convolution = next(layer for layer in layers(64, 64) if layer.name == "layer1.0.conv2")
    operations = 2 * sum(layer.multiply_adds for layer in layers(64, 64))
    expected = (operations - 2 * convolution.multiply_adds + 1010) / operations
    assert share_done(version, planner, weight_set, 64) == pytest.approx(expected, rel=1e-12)


def test_versions_without_a_plan_do_what_is_counted(machine, tree: Tree, weight_set: Path):
    machine("03_three", 1.0)
    [version] = discover(tree.root)
    assert really_done(version, Path("/nowhere"), weight_set, 64) == {}
    assert share_done(version, Path("/nowhere"), weight_set, 64) == 1


def test_a_version_that_fails_is_named(planner: Path, tree: Tree, weight_set: Path):
    write(weight_set / "labels.txt", "none")
    with pytest.raises(LadderError, match=r"12_twelve can't report its operations: labels.txt: no class"):
        really_done(discover(tree.root)[0], planner, weight_set, 64)


def test_the_benchmark_marks_what_may_pass_the_peak_and_says_what_is_done(planner: Path, machine, tree: Tree, capsys):
    machine("03_three", 2.0)
    assert main(["bench", "--rounds", "12", "--size", "64"], tree.root) == 0
    out = capsys.readouterr().out
    three, twelve = results(tree)["versions"]
    assert three["done"] == 1 and 0.9 < twelve["done"] < 1
    assert max(map(len, out.splitlines())) <= 80
    lines = [line.split() for line in out.splitlines()]
    cells = {line[0]: line for line in lines if len(line) > 5}
    assert "*" not in " ".join(cells["03_three"]) and cells["12_twelve"][4].endswith("*")
    words, done = " ".join(out.split()), 100 * twelve["done"]
    assert "*: counted as if each convolution were direct, so it may pass 100 % of the peak." in words
    speed = f"{done / 100 * twelve['flops'] / 1e9:.3g}"
    assert f"12_twelve: {done:.1f} % of these operations are really done: {speed} GFLOP/s, " in words


def test_without_such_a_version_nothing_is_marked(machine, tree: Tree, capsys):
    machine("03_three", 2.0)
    assert main(["bench", "--rounds", "6", "--size", "64"], tree.root) == 0
    assert "*" not in capsys.readouterr().out


@pytest.mark.parametrize("seconds", [1e-3, 1e-2, 0.1, 1.0])
def test_a_profile_shows_both_shares_in_four_characters(seconds: float):
    direct = Row("a", "stem", "conv 3x3", (1,), seconds, 10**9, 10**9, 10, 0.1)
    other = Row("b", "stem", "conv 3x3", (1,), seconds, 10**9, 4 * 10**8, 10, 0.1)
    assert not direct.marked and speeds(direct, 1e12)[2] == ""
    for row in (other, add_up("both", [direct, other])):
        speed, share, really = speeds(row, 1e12)
        assert row.marked and speed.endswith("*") and share.endswith("*")
        assert float(share[:-1]) == pytest.approx(row.flops / 1e10, abs=0.5)
        assert float(really) == pytest.approx(row.done_flops / 1e10, rel=0.05, abs=0.05)
        assert len(speed) <= 5 and len(share) <= 4 and len(really) <= 4
    assert speeds(other, None)[1:] == ("-", "")
    assert other.intensity == 4 * 10**7 and np.isclose(other.done_flops, 0.4 * other.flops)


def test_the_plot_reaches_as_high_as_the_fastest_layer_of_all_panels(tmp_path: Path, monkeypatch):
    row = Row("a", "stem", "conv 3x3", (1,), 1e-3, 10**9, 10**9, 10**8, 0.1)
    slow, fast = (Profile("v", "", 1, [1.0], 1.0, 1e11, 1e10, [one], []) for one in (row, replace(row, seconds=1e-4)))
    panels = []
    draw = roofline.draw_panel
    monkeypatch.setattr(roofline, "draw_panel", lambda axes, profile: (panels.append(axes), draw(axes, profile)))
    roofline.draw([slow, fast], 224, tmp_path / "plot.png")
    assert [axes.get_ylim()[1] > 1e13 / 1e9 for axes in panels] == [True, True]


def test_a_profile_fits_the_terminal_and_its_plot_shows_both_speeds(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    network, ends = layers(), ("pool", "fc", "downsample.1", "relu1", "relu2", "relu3")
    told = [layer for layer in network if layer.name.endswith(ends)]
    works = {layer.name: Work(10**7, 10**6) for layer in told if layer.name.endswith("relu2")}
    entry = Contestant("12_twelve", "an idea", Version(tmp_path, "resnet50", "an idea", fuses=True))
    run = [LayerTime(layer.name, layer.output, 1e-3) for layer in told]
    profile = summarise(entry, network, works, [0.05], [run], 1e11, 1e10)
    row = next(row for row in profile.rows if row.name == "layer1.0.relu2")
    relu = 56 * 56 * 64
    assert (row.operations, row.done, row.bytes) == (2 * 9 * 64 * relu + relu, 10**7 + relu, 10**6)
    assert row.limit == row.done / 1e11 and row.marked
    profile_text.show([profile], 224, "", False, tmp_path / "plot.png")
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines()[:-2])) <= 80 and "…" not in out
    cells = next(line.split() for line in out.splitlines() if line.startswith("layer1.0.relu2"))
    assert cells[3:] == ["56x56x64", "1.000", "1.8", "231*", "231*", "10.2", "1.00", "0.10"]
    assert "*: counted as if each convolution were direct" in out
    axes = []
    monkeypatch.setattr(roofline, "draw_counted", lambda at, rows, colour, marker: axes.append(len(rows)))
    roofline.draw([profile], 224, tmp_path / "plot.png")
    assert sum(axes) == len(works)
