"""quantisation.json: what is written is read again, and anything else is refused in a line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from shared_weights import scales, sets
from shared_weights.scales import Scale
from shared_weights.sets import WeightSetError


def some() -> dict[str, Scale]:
    """A scale for every value, all different, with an odd zero point wherever one is allowed."""
    return {
        name: Scale(np.float32(2.0 ** -(index % 20)) / np.float32(3), 113 if scales.is_signed(name) else 0)
        for index, name in enumerate(scales.names())
    }


def test_every_value_of_the_network_has_a_name_in_its_order():
    names = scales.names()
    assert len(names) == 1 + 1 + 16 * 4 + 4 + 1  # the image, the max pool, blocks, projections, the average pool
    assert names[:8] == ["image", "maxpool", *(f"layer1.0.{part}" for part in ("relu1", "relu2", "bn3")),
                         "layer1.0.downsample.1", "layer1.0.relu3", "layer1.1.relu1"]  # fmt: skip
    assert names[-2:] == ["layer4.2.relu3", "avgpool"]


def test_what_is_written_is_read_again_to_the_last_bit(tmp_path: Path):
    scales.write(tmp_path, some())
    assert scales.read(tmp_path) == some()
    assert list(scales.read(tmp_path)) == scales.names()


@pytest.mark.parametrize("name", ["cifar10", "synthetic"])
def test_the_shipped_files_are_what_would_be_written(name: str, tmp_path: Path):
    shipped = sets.HERE / name
    scales.write(tmp_path, scales.read(shipped))
    assert (tmp_path / scales.FILE).read_bytes() == (shipped / scales.FILE).read_bytes()


def test_a_scale_is_written_as_the_shortest_decimal(tmp_path: Path):
    scales.write(tmp_path, some() | {"image": Scale(np.float32(0.018658), 114)})
    assert '  "image": {"scale": 0.018658, "zero_point": 114},\n' in (tmp_path / scales.FILE).read_text()


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (0.5, "must have a scale and a zero_point"),
        ({"scale": 0.5}, "must have a scale and a zero_point"),
        ({"scale": 0.5, "zero_point": 0, "more": 0}, "must have a scale and a zero_point"),
        ({"scale": 0, "zero_point": 0}, "the scale must be a positive number"),
        ({"scale": -0.5, "zero_point": 0}, "the scale must be a positive number"),
        ({"scale": 1e-38, "zero_point": 0}, "the scale must be a positive number"),
        ({"scale": 1e39, "zero_point": 0}, "the scale must be a positive number"),
        ({"scale": float("nan"), "zero_point": 0}, "the scale must be a positive number"),
        ({"scale": True, "zero_point": 0}, "the scale must be a positive number"),
        ({"scale": "0.5", "zero_point": 0}, "the scale must be a positive number"),
        ({"scale": 0.5, "zero_point": 1}, "nothing is negative after a ReLU"),
        ({"scale": 0.5, "zero_point": 0.0}, "the zero_point must be 0"),
    ],
)
def test_an_entry_that_is_no_scale_is_refused_and_named(entry: object, complaint: str, tmp_path: Path):
    scales.write(tmp_path, some())
    content = json.loads((tmp_path / scales.FILE).read_text())
    (tmp_path / scales.FILE).write_text(json.dumps(content | {"layer2.0.relu1": entry}))
    with pytest.raises(WeightSetError, match=rf"quantisation\.json: layer2\.0\.relu1.*{complaint}"):
        scales.read(tmp_path)


@pytest.mark.parametrize("zero_point", [-1, 256, True, None])
def test_a_zero_point_is_a_byte(zero_point: object, tmp_path: Path):
    scales.write(tmp_path, some())
    content = json.loads((tmp_path / scales.FILE).read_text())
    content["layer1.0.bn3"]["zero_point"] = zero_point
    (tmp_path / scales.FILE).write_text(json.dumps(content))
    with pytest.raises(WeightSetError, match=r"layer1\.0\.bn3: the zero_point must be a whole number from 0 to 255"):
        scales.read(tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
        ("[" * 10_000, "not JSON"),
        ("{}", "image must have a scale"),
        ('{"fc": {"scale": 1, "zero_point": 0}}', "'fc' is not a value of the network"),
        (" " * 70_000, "more than 65536 bytes"),
    ],
)
def test_a_file_that_is_something_else_is_refused(text: str, complaint: str, tmp_path: Path):
    (tmp_path / scales.FILE).write_text(text)
    with pytest.raises(WeightSetError, match=complaint):
        scales.read(tmp_path)


def test_a_missing_file_is_named_with_the_command_that_makes_it(tmp_path: Path):
    with pytest.raises(WeightSetError, match=rf"nox -s weights -- quantise {tmp_path} --pictures FOLDER"):
        scales.read(tmp_path)


@pytest.mark.parametrize("make", ["mkdir", "mkfifo"])
def test_what_is_no_file_is_refused_and_nobody_waits(make: str, tmp_path: Path):
    getattr(os, make)(tmp_path / scales.FILE)
    with pytest.raises(WeightSetError, match="not a file"):
        scales.read(tmp_path)
