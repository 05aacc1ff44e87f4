"""How far 8-bit integers are from float32 is printed with what is expected and possible; a broken bound is reported."""

from pathlib import Path

import numpy as np
import pytest

from ladder.core.versions import Version
from ladder.outputs import distance
from ladder.outputs.agreement import Trial
from ladder.outputs.distance import Bounds
from shared_weights import scales, sets

FLOAT, INT8 = (Version(Path(name), name, "an idea", int8=name == "13_int8") for name in ("12_float", "13_int8"))
EXPECTED = np.array([2.0, -4.0, 1.0])
MOST, POWER = np.array([0.5, 1.0, 2.0]), np.array([0.04, 0.01, 0.01])


@pytest.fixture
def show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`distance.show` for two inputs with the bound MOST, of which the second one's logits are wrong by `errors`."""
    (tmp_path / scales.FILE).touch()
    trials = [Trial(name, tmp_path / name, EXPECTED) for name in ("a.png", "b.png")]
    monkeypatch.setattr(distance, "prepared_images", lambda version, folder, trials: {})

    def show_with(errors: list[float], nearest: float = 0.97, versions: tuple[Version, ...] = (FLOAT, INT8)):
        found = Bounds({trial.name: (MOST, POWER) for trial in trials}, (nearest, "layer1.0.relu1"))
        monkeypatch.setattr(distance, "bounds", lambda folder, images: found)
        right, wrong = {"a.png": EXPECTED, "b.png": EXPECTED}, {"a.png": EXPECTED, "b.png": EXPECTED + errors}
        outputs = {"12_float": right, "13_int8": wrong}
        return distance.show(list(versions), tmp_path, trials, outputs), capsys.readouterr().out

    return show_with


def test_the_largest_and_the_mean_error_stand_beside_what_is_expected_and_possible(show):
    complaints, out = show([0.4, -0.2, 0.2])
    assert complaints == []
    rows = (line.split() for line in out.splitlines() if line.startswith((" meas", " expec", " poss")))
    measured, expected, possible = rows
    mean_square = (0.4**2 + 0.2**2 + 0.2**2) / 4**2 / 6  # of two inputs with three logits, relative to 4
    assert measured[-2:] == ["1.0e-01", f"{mean_square**0.5:.1e}"]
    assert expected[-1] == f"{(0.06 / 3) ** 0.5 / 4:.1e}" and possible[-1] == "5.0e-01"
    assert "No step alone adds a larger error than its bound; layer1.0.relu1 comes nearest" in " ".join(out.split())


@pytest.mark.parametrize("errors", [[0.51, 0.0, 0.0], [0.0, 0.0, -2.1], [0.0, float("nan"), 0.0]])
def test_an_error_above_its_bound_is_reported(show, errors: list[float]):
    complaints, _ = show(errors)
    [line] = complaints
    assert line.startswith("13_int8 is further from float32 on b.png") and line.endswith("than its scales allow")


def test_a_step_above_its_bound_is_reported(show):
    complaints, out = show([0.0, 0.0, 0.0], nearest=1.25)
    assert "No step alone" not in out
    assert len(complaints) == 1 and "layer1.0.relu1" in complaints[0] and "1.25 times its bound" in complaints[0]


def test_versions_in_float32_and_sets_without_scales_have_no_such_bounds(show, tmp_path: Path):
    assert show([9.0, 9.0, 9.0], versions=(FLOAT,)) == ([], "")
    (tmp_path / scales.FILE).unlink()
    assert show([9.0, 9.0, 9.0]) == ([], "")


def test_images_are_done_in_groups_of_one_size():
    image = np.zeros((256, 256, 3), np.float32)
    images = {"a": image, "b": image[:64, :64], "c": image, "d": image, "e": image[:64, :64]}
    assert sorted(distance.grouped(images)) == [["a", "c"], ["b", "e"], ["d"]]
    assert distance.grouped({"large": np.zeros((1024, 1024, 3))}) == [["large"]]


def test_the_bounds_of_the_shipped_weights_hold_for_two_sizes():
    random = np.random.default_rng(0)
    images = {f"{side}": random.standard_normal((side, 33, 3), np.float32) for side in (32, 40)}
    found = distance.bounds(sets.find("cifar10"), images)
    assert found.whole.keys() == images.keys()
    assert all((most > 0).all() and (power > 0).all() for most, power in found.whole.values())
    assert 0.9 < found.nearest[0] <= 1  # of a hundred thousand numbers one lies nearly in the middle between two bytes
