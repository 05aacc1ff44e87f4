"""The parts of an inference: what counts as which, and the file that keeps them."""

import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from figures import shares
from figures.__main__ import MEASURED, main
from ladder.core.versions import discover, find
from ladder.layers.layer_worker import LayerTime
from ladder.timing.rounds import Timings
from shared_weights.architecture import layers

RUN = [LayerTime(layer.name, layer.output, 4.0, 1.0) for layer in layers(224, 224)]  # a quarter is reading
KINDS = [layer.kind for layer in layers(224, 224)]


def test_reading_is_taken_from_the_layer_that_reads():
    count, convolutions = len(KINDS), KINDS.count("convolution")
    found = shares.parts(find(discover(), "03"), [RUN])
    assert list(found.values()) == [3.0 * convolutions, 1.0 * count, 3.0 * (count - convolutions)]
    assert sum(found.values()) == 4.0 * count


def test_a_step_of_several_layers_counts_as_the_convolution_that_it_begins_with():
    told = [layer for layer in RUN if layer.name.endswith(("pool", "fc", "downsample.1", "relu1", "relu2", "relu3"))]
    found = shares.parts(find(discover(), "10"), [told])
    assert found[shares.REST] == 3.0 * 2  # average pooling and the linear layer
    assert found[shares.CONVOLUTIONS] == 3.0 * KINDS.count("convolution")


def test_only_the_fastest_tenth_counts():
    slow = [LayerTime(layer.name, layer.shape, 9.0) for layer in RUN]
    assert shares.parts(find(discover(), "03"), [slow] * 9 + [RUN]) == shares.parts(find(discover(), "03"), [RUN])


def test_the_committed_file_has_every_version_in_c_and_only_03_and_04_read_weights_for_each_picture():
    found = shares.published()["versions"]
    names = [version.name for version in discover() if version.has_c() and not version.int8]
    assert [version["name"] for version in found] == names
    for version in found:
        assert list(version["seconds"]) == list(shares.PARTS)
        share = version["seconds"][shares.READING] / sum(version["seconds"].values())
        assert share > 0.01 if version["name"] < "05" else share < 0.005, version["name"]  # 05 looks them up


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions that have all been timed twice, beside a warm-up."""

    def timed(versions: list) -> tuple:
        found = [SimpleNamespace(layers=[[], told(version), told(version)]) for version in versions]
        return found, Timings(began=0.0), "normal"

    monkeypatch.setattr(shares, "timed", timed)
    monkeypatch.setattr(shares, "select", lambda root: [find(discover(), "03"), find(discover(), "10")])


def told(version) -> list[LayerTime]:
    """The layers that a version reports."""
    return RUN if not version.fuses else [layer for layer in RUN if layer.name.endswith(("pool", "fc", "relu3"))]


def test_a_measurement_is_kept_with_a_line_for_each_version(clocks: None, tmp_path: Path):
    (tmp_path / "versions").mkdir()
    shares.measure(tmp_path)
    found = shares.published(tmp_path)
    assert [version["inferences"] for version in found["versions"]] == [2, 2]
    assert (found["began"], found["size"], found["priority"]) == ("1970-01-01T00:00:00+00:00", 224, "normal")
    lines = (tmp_path / shares.FILE).read_text().splitlines()
    assert [json.loads(line.removesuffix(","))["name"][:2] for line in lines[1:-1]] == ["03", "10"]


def test_measuring_comes_before_drawing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    order: list[str] = []
    monkeypatch.setitem(MEASURED, "shares", lambda: order.append(f"drawn: {(tmp_path / 'shares.svg').exists()}"))
    assert main(["shares", "--measure", "--out", str(tmp_path)]) == 0
    assert order == ["drawn: False"] and (tmp_path / "shares.svg").exists()


def test_only_what_is_drawn_is_measured_and_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys):
    order: list[str] = []
    stand_ins = {timing: partial(order.append, timing.__module__) for timing in MEASURED.values()}
    for name, timing in list(MEASURED.items()):
        monkeypatch.setitem(MEASURED, name, stand_ins[timing])
    assert main(["roofline_11", "roofline_12", "tile", "--measure", "--out", str(tmp_path)]) == 0
    assert order == ["figures.rungs"]
    with pytest.raises(SystemExit) as end:
        main(["tile", "--measure", "--out", str(tmp_path)])
    assert end.value.code == 2 and "nothing is measured for tile: --measure is for shares" in capsys.readouterr().err
