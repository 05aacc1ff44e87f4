"""The page of `classify --html`: where a class was seen, and that the page needs nothing else."""

import re
from pathlib import Path

import numpy as np
import pytest

from ladder.__main__ import main
from ladder.core import environment
from ladder.core.selection import one_or_newest
from ladder.core.versions import ROOT
from ladder.core.worker import Worker
from ladder.outputs.page import LinearLayer, heated
from ladder.outputs.viewer import STRIDE, Evidence, Viewer

from .conftest import write

EPS = 2.0**-24  # the rounding unit of float32


@pytest.fixture(scope="module")
def viewer():
    """The newest version, with the set cifar10."""
    version = one_or_newest(ROOT, None)
    with Viewer(version.name, environment.python(version), ROOT / "shared_weights" / "cifar10", size=64) as viewer:
        yield viewer


@pytest.mark.parametrize("name", ["chelsea.png", "eagle.jpg", "cutouts/ram.png"])
def test_the_mean_of_the_map_and_the_bias_are_the_logit(name: str, viewer: Viewer):
    view = viewer.infer(ROOT / "pics" / name)
    linear = LinearLayer(ROOT / "shared_weights" / "cifar10")
    evidence = linear.evidence(view)
    rows, columns, channels = view.features.shape
    assert (rows, columns) == evidence.places.shape == tuple(-(-size // STRIDE) for size in view.image.shape[:2])
    # Each product is rounded at most once, and passes through at most one sum for each channel and place, and one each
    # for the mean and the bias.
    operations = channels + rows * columns + 3
    absolute = np.abs(linear.weight[view.logits.argmax()]) @ np.abs(view.features).mean(axis=(0, 1), dtype=np.float64)
    bound = operations * EPS / (1 - operations * EPS) * (absolute + abs(evidence.bias))
    assert abs(evidence.logit - view.logits.max()) <= bound
    assert bound < 1e-3 * abs(view.logits.max())  # or it would prove nothing


def test_a_viewer_answers_as_a_worker_does(viewer: Viewer):
    version = one_or_newest(ROOT, None)
    with Worker(version.name, environment.python(version), ROOT / "shared_weights" / "cifar10") as worker:
        for name in ("chelsea.png", "dog.jpg"):
            seen, told = viewer.infer(ROOT / "pics" / name), worker.infer(ROOT / "pics" / name)
            assert seen.logits.tolist() == told.logits.tolist()


def test_a_pixel_has_the_evidence_of_the_nearest_place():
    places = np.arange(6.0).reshape(2, 3)
    spread = Evidence(places, 0.0).spread(64, 65)
    assert spread.shape == (64, 65)
    assert spread[0, 0] == spread[15, 15] == 0 and spread[16, 15] == 3 and spread[15, 16] == 1
    assert spread[63, 47] == 4 and spread[63, 48] == spread[63, 64] == 5


def test_what_speaks_for_a_class_is_red_and_what_speaks_against_it_blue():
    given = np.full((64, 64, 3), 100, np.uint8)
    red, blue, grey = (heated(given, Evidence(np.array([[value, 4.0], [0, 0]]), 9.0))[0, 0] for value in (4, -4, 0))
    assert red[0] > 150 > red[2] and blue[2] > 150 > blue[0] and (grey == 100).all()
    assert (heated(given, Evidence(np.zeros((2, 2)), 1.0)) == 100).all()


@pytest.fixture
def written(tmp_path: Path) -> str:
    """The page about two pictures of this repository and one with a strange name, as text."""
    strange = tmp_path / "<script>alert('1')&\x1b.png"
    strange.write_bytes((ROOT / "pics" / "camera.png").read_bytes())
    write(tmp_path / "no picture.png", "x")
    given = [ROOT / "pics" / "chelsea.png", ROOT / "pics" / "eagle.jpg", strange, tmp_path / "no picture.png"]
    arguments = ["classify", "--weights", "cifar10", "--html", str(tmp_path / "page.html"), *map(str, given)]
    assert main(arguments) == 2
    return (tmp_path / "page.html").read_text()


def test_the_page_shows_each_picture_and_needs_nothing_else(written: str):
    assert written.count("<article>") == 3 and written.count("<img") == written.count('src="data:image/') == 9
    assert not re.search(r"https?:|<script|<link(?! rel=\"icon\" href=\"data:,\")|@import|url\(", written)
    assert "\x1b" not in written and "&lt;script&gt;alert(&#x27;1&#x27;)&amp;\\x1b.png" in written
    assert written.count("<li>") == 15 and "cat</span> <span>59" in written
    assert "the network answered" in written and "and nothing else: airplane" in written


def test_the_sum_on_the_page_is_right(written: str):
    for sums in re.findall(r"mean of the map (-?[\d.]+) ([+-]) ([\d.]+) = (-?[\d.]+); the network answered", written):
        mean, bias, logit = float(sums[0]), float(sums[1] + sums[2]), float(sums[3])
        assert mean + bias == pytest.approx(logit, abs=0.0016)  # three numbers, each rounded by 0.0005 at most


def test_a_page_that_cannot_be_written_is_one_line(tmp_path: Path, capsys):
    picture = str(ROOT / "pics" / "chelsea.png")
    assert main(["classify", "--weights", "cifar10", "--html", str(tmp_path / "none" / "a.html"), picture]) == 2
    assert f"ladder: {tmp_path}/none/a.html: No such file or directory\n" in capsys.readouterr().err
