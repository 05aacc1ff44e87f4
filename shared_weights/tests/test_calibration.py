"""`quantise`, with a version that tells made-up values: what it writes, and its one-line errors."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ladder.core import environment
from shared_weights import calibration, scales
from shared_weights.__main__ import main
from shared_weights.scales import Scale

# A picture is a file that holds a number, and the prepared image is full of it. The layers tell of twice the number and
# of half of it; one in a thousand values of the average pool is ten times the number.
FAKE = """
import numpy
class ResNet50:
    def __init__(self, weights):
        if "refused" in weights:
            raise ValueError(f"{weights}: no weights")
    def preprocess(self, picture):
        text = open(picture).read()
        if not text.startswith("picture"):
            raise ValueError(f"{picture}: not a picture")
        return numpy.full((32, 32, 3), float(text.split()[1]), numpy.float32)
    def run(self, image, on_layer):
        number = float(image[0, 0, 0])
        if number == 99:
            raise SystemExit(7)
        for name in open(__file__.replace("__init__.py", "names.txt")).read().split():
            values = numpy.linspace(number / 2, 2 * number, 1000, dtype=numpy.float32)
            if name == "avgpool":
                values[-1] = 10 * number
            on_layer(name, memoryview(values), 0.0)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weight set of empty files; the version that is asked for its values is the fake."""
    home = tmp_path / "version"
    (home / "resnet50").mkdir(parents=True)
    (home / "resnet50" / "__init__.py").write_text(FAKE)
    (home / "resnet50" / "names.txt").write_text("conv1\n" + "\n".join(scales.names()[1:]) + "\nfc\n")
    (home / "python").write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(home))} exec {sys.executable} "$@"\n')
    (home / "python").chmod(0o755)
    monkeypatch.setattr(environment, "python", lambda version: home / "python")
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("weights.safetensors", "labels.txt", "preprocess.json"):
        (folder / name).touch()
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Writes pictures of these numbers into a folder with subfolders."""

    def write(*numbers: float) -> Path:
        place = tmp_path / "pictures" / "deeper"
        place.mkdir(parents=True, exist_ok=True)
        for index, number in enumerate(numbers):
            (place / f"{index}.png").write_text(f"picture {number}")
        return tmp_path / "pictures"

    return write


def test_max_reaches_as_far_as_any_picture(folder: Path, pictures: Callable[..., Path]):
    path = calibration.quantise(folder, pictures(-2.0, 1.0, 3.1), "max")
    assert path == folder / "quantisation.json"
    found = scales.read(folder)
    assert found["image"] == Scale(np.float32(0.02), 100)
    assert found["maxpool"] == found["layer4.2.relu3"] == Scale(np.float32("0.024314"))  # 6.2 / 255
    assert found["layer1.0.bn3"] == Scale(np.float32(0.04), 100)  # -4 to 6.2
    assert found["avgpool"] == Scale(np.float32("0.12157"))  # 31 / 255


def test_noise_is_looked_at_too_and_is_always_the_same(folder: Path, pictures: Callable[..., Path]):
    written = [calibration.quantise(folder, pictures(0.25), "max", noise=3).read_bytes() for _ in range(2)]
    assert written[0] == written[1]
    image = scales.read(folder)["image"]
    drawn = [np.random.RandomState(seed).standard_normal((64, 64, 3)) for seed in (1, 2, 3)]
    assert float(image.scale) == pytest.approx((np.max(drawn) - np.min(drawn)) / 255, rel=1e-4)  # five digits


def test_mse_gives_up_what_is_rare(folder: Path, pictures: Callable[..., Path]):
    given = pictures(*[1.0] * 50, 3.0)
    calibration.quantise(folder, given, "max")
    whole = scales.read(folder)
    calibration.quantise(folder, given, "mse")
    found = scales.read(folder)
    assert found["avgpool"].scale < whole["avgpool"].scale
    assert found["image"].zero_point == 0 and found["image"].scale <= whole["image"].scale


def test_the_same_pictures_give_the_same_bytes(folder: Path, pictures: Callable[..., Path]):
    given = pictures(-2.0, 1.0, 3.1)
    written = [calibration.quantise(folder, given, "mse").read_bytes() for _ in range(2)]
    assert written[0] == written[1]


def test_the_newest_version_that_tells_of_every_layer_is_taken():
    assert not calibration.observer(None).fuses
    assert calibration.observer("02").name == "02_numpy_dot"


def test_the_command_prints_the_file(folder: Path, pictures: Callable[..., Path], capsys: pytest.CaptureFixture[str]):
    assert main(["quantise", str(folder), "--pictures", str(pictures(1.0)), "--range", "max"]) == 0
    assert capsys.readouterr().out == f"{folder / 'quantisation.json'}\n"
    assert json.loads((folder / "quantisation.json").read_text())["image"]["zero_point"] == 0


@pytest.mark.parametrize(
    ("numbers", "options", "complaint"),
    [
        ([], [], "pictures: there is no such file or folder"),
        ([1.0, float("nan")], [], "1.png: the output of image is not finite"),
        ([1.0, float("inf")], [], "1.png: the output of image is not finite"),
        ([1.0, 99.0], [], "ended with code 7"),
        ([1.0], ["--version", "12"], "12_winograd fuses layers and reports only the last of each step"),
        ([1.0], ["--version", "nonsense"], "there is no version 'nonsense'"),
    ],
)
def test_what_goes_wrong_is_said_in_a_line_and_the_file_stays(
    numbers: list[float], options: list[str], complaint: str, folder: Path, pictures: Callable[..., Path],
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
):  # fmt: skip
    (folder / "quantisation.json").write_text("as it was")
    if numbers:
        pictures(*numbers)
    assert main(["quantise", str(folder), "--pictures", str(tmp_path / "pictures"), *options]) == 2
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("shared_weights: ") and complaint in line
    assert (folder / "quantisation.json").read_text() == "as it was"
    assert sorted(path.name for path in folder.iterdir()) == [
        "labels.txt", "preprocess.json", "quantisation.json", "weights.safetensors",
    ]  # fmt: skip


def test_a_picture_that_cannot_be_read_is_named(
    folder: Path, pictures: Callable[..., Path], capsys: pytest.CaptureFixture[str]
):
    given = pictures(1.0)
    (given / "notes.jpg").write_text("not a picture")
    assert main(["quantise", str(folder), "--pictures", str(given)]) == 2
    assert capsys.readouterr().err.endswith(f"shared_weights: {given}/notes.jpg: not a picture\n")


def test_a_folder_without_pictures_is_named(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("not a picture")
    assert main(["quantise", str(folder), "--pictures", str(tmp_path / "empty")]) == 2
    assert capsys.readouterr().err == f"shared_weights: {tmp_path}/empty: no picture is in this folder\n"


def test_what_is_no_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["quantise", str(tmp_path), "--pictures", str(tmp_path)]) == 2
    assert "not a weight set: weights.safetensors is missing" in capsys.readouterr().err


def test_weights_that_the_version_refuses_are_named(
    folder: Path, pictures: Callable[..., Path], capsys: pytest.CaptureFixture[str]
):
    refused = folder.rename(folder.with_name("refused"))
    assert main(["quantise", str(refused), "--pictures", str(pictures(1.0))]) == 2
    assert capsys.readouterr().err.endswith(f"{refused}: no weights\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["cifar10"], "--pictures"),
        (["cifar10", "--pictures", ""], "an empty name"),
        (["cifar10", "--pictures", "pics", "--range", "percentile"], "percentile"),
        (["cifar10", "--pictures", "pics", "--noise", "-1"], "--noise"),
        (["cifar10", "--pictures", "pics", "--noise", "10001"], "--noise"),
    ],
)
def test_a_wrong_command_line_gives_one_line_and_exit_code_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as caught:
        main(["quantise", *arguments])
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert complaint in line
