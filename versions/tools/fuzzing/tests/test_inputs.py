"""What is tried: begins right, is damaged in many ways, and can be read by the process that takes it."""

import io
import json
import zlib
from contextlib import suppress

import pytest
from PIL import Image, UnidentifiedImageError
from safetensors.numpy import load

from fuzzing import arrays, fuzz, pictures, weights
from fuzzing.fuzz import batch
from fuzzing.mutation import EDGES
from fuzzing.targets import TARGETS
from shared_weights.architecture import tensors


def made(name: str) -> list[bytes]:
    """A hundred inputs of a target."""
    inputs: list[bytes] = []
    batch(name, 0, inputs.append)
    return inputs


@pytest.fixture(autouse=True)
def small_batch(monkeypatch):
    monkeypatch.setattr(fuzz, "BATCH", 100)


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_differ_and_are_the_same_for_the_same_seed(name: str):
    inputs = made(name)
    assert len(set(inputs)) > 30
    assert inputs == made(name)


@pytest.mark.parametrize(
    "name", ["commands", "tool_commands", "operators", "plans", "changing_pictures", "changing_weights"]
)
def test_inputs_that_describe_a_call_are_json(name: str):
    assert all(isinstance(json.loads(data), dict) for data in made(name))


def test_the_undamaged_pictures_are_of_six_formats():
    opened = [Image.open(io.BytesIO(data)) for data in pictures.seeds()]
    assert {picture.format for picture in opened} == {"PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"}
    for picture in opened:
        picture.load()


def test_formats_that_are_not_accepted_are_tried_too():
    formats = set()
    for data in pictures.strangers():
        with suppress(UnidentifiedImageError):  # Pillow writes PDF, and does not read it
            formats.add(Image.open(io.BytesIO(data)).format)
    assert {"EPS", "ICO", "PCX", "TGA", "JPEG2000"} <= formats


def test_headers_are_tried_in_other_forms():
    """Which ones Hypothesis makes from a seed depends on constants in the source, so several seeds are looked at."""
    inputs: list[bytes] = []
    for number in range(5):
        batch("weights", number, inputs.append)
    assert {b"{", b"["} <= {data[8:].lstrip()[:1] for data in inputs}
    assert any(b': ["F32"' in data for data in inputs)


@pytest.mark.parametrize("name", ["preprocess", "quantisation"])
def test_names_that_occur_twice_are_tried(name: str):
    inputs: list[bytes] = []
    for number in range(5):
        batch(name, number, inputs.append)
    repeated = 0

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal repeated
        repeated += len(dict(pairs)) < len(pairs)

    for data in inputs:
        with suppress(ValueError, RecursionError):
            json.loads(data, object_pairs_hook=look)
    assert repeated > 5


def test_the_checksums_of_a_png_are_repaired():
    right = pictures.seeds()[0]
    place = right.index(b"IDAT") + 6
    wrong = right[:place] + b"\0\0" + right[place + 2 :]
    repaired = pictures.repaired(wrong)
    assert pictures.repaired(right) == right
    assert repaired != wrong and len(repaired) == len(wrong)
    end = right.index(b"IEND") - 4
    assert repaired[end - 4 : end] == zlib.crc32(repaired[right.index(b"IDAT") : end - 4]).to_bytes(4, "big")


def test_the_undamaged_weights_are_a_narrow_network():
    shapes = {name: tensor.shape for name, tensor in load(weights.narrow()).items()}
    assert shapes == tensors(weights.BASE_WIDTH, weights.CLASSES)
    header, numbers = weights.split(weights.narrow())
    assert load(weights.joined(json.dumps(header).encode(), numbers)).keys() == shapes.keys()


def test_command_lines_hold_nothing_that_an_argument_cannot_and_name_no_file_elsewhere():
    for data in made("commands"):
        for word in json.loads(data)["arguments"]:
            assert "\0" not in word
            assert not word.startswith("/") or word in ("/dev/full", "/dev/null")


def test_idx_files_are_a_pair():
    for data in made("mnist_digits"):
        assert int.from_bytes(data[:4], "big") <= len(data) - 4
    assert arrays.npy_seeds()[0].startswith(b"\x93NUMPY")


def test_edges_lie_around_the_ends_of_the_types_of_c():
    assert {-(2**63), 2**63 - 1, 2**31 - 1, 2**32, 255, 0, -1} <= set(EDGES)
