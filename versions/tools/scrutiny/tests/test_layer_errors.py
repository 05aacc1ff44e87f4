"""Each layer of a version alone, against float64 and its bound."""

from pathlib import Path

import pytest

from ladder.core.errors import WorkerError
from ladder.core.versions import ROOT, Version, discover, obstacle
from scrutiny import networks
from scrutiny.__main__ import main
from scrutiny.layer_errors import measure, report
from scrutiny.networks import LISTED


@pytest.fixture
def bounded() -> Version:
    """The first version whose tests derive a bound."""
    version = next(version for version in discover(ROOT) if (version.folder / "tests" / "bound.py").exists())
    if reason := obstacle(version):
        pytest.skip(reason)
    return version


def test_every_convolution_is_within_its_bound_and_not_exact(bounded: Version, tmp_path: Path):
    size = LISTED[0]
    rows = measure(bounded, networks.write(tmp_path / "weights", networks.random_tensors(size, 0)), size.height)
    assert len(rows) == len({name for name, *_ in rows}) == 54  # 53 convolutions and the linear layer
    assert {name for name, *_ in rows} >= {"maxpool", "layer1.0.downsample.1", "layer4.2.relu3", "fc"}
    forms = {form for name, form, *_ in rows if name.endswith("relu2")}
    assert len(forms) > 1 and all(form == "direct" for name, form, *_ in rows if not name.endswith("relu2"))
    assert all(0 < error < 1e-5 and 0 < share <= 1 for _, _, error, share in rows)


def test_a_version_that_fails_is_named(bounded: Version, tmp_path: Path):
    with pytest.raises(WorkerError, match=f"{bounded.name} can't be measured layer by layer: .*no such weight folder"):
        measure(bounded, tmp_path / "nowhere", 32)


@pytest.mark.parametrize("share", [1.01, float("inf"), float("nan")])
def test_a_layer_past_its_bound_is_wrong(share: float, capsys: pytest.CaptureFixture[str]):
    rows = [("conv1", "direct", 1e-7, 0.5), ("layer1.0.conv2", "F(4x4, 3x3)", 1e-6, share)]
    assert report("12_twelve", rows) == 1
    captured = capsys.readouterr()
    assert captured.err == "scrutiny: 12_twelve: layer1.0.conv2 exceeds its bound\n"
    assert ["conv1", "direct", "1.0e-07", "50.00%"] in [line.split() for line in captured.out.splitlines()]
    assert report("12_twelve", rows[:1]) == 0


def test_a_version_without_a_bound_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["rounding", "--layers", "01"]) == 2
    assert "01_pure_python has no tests/bound.py" in capsys.readouterr().err
