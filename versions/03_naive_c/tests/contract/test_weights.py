"""A wrong weight folder is refused with a one-line error that names the file."""

import json
import os
import struct

import numpy as np
import pytest
from conftest import narrow_tensors, random, save_file, write_weights
from resnet50 import ResNet50, WeightsError, tensor_file
from resnet50.image import Preprocessing
from resnet50.weight_folder import read_labels

IMAGE = random(0, 32, 32, 3)


@pytest.fixture
def folder(tmp_path, tensors):
    """A correct weight folder that the test may change."""
    return write_weights(tmp_path / "weights", tensors)


def refused(folder, *says):
    """Asserts that loading `folder` and using it once fails, with all of `says` in the message; returns the message."""
    with pytest.raises(WeightsError) as caught:
        ResNet50(folder)(IMAGE)
    for words in says:
        assert words in str(caught.value)
    return str(caught.value)


def resave(folder, tensors):
    save_file(tensors, folder / "weights.safetensors")


def rewrite_header(folder, change):
    """Lets `change` edit the weight file's header, a dictionary; the numbers stay the same."""
    path = folder / "weights.safetensors"
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def test_a_folder_that_is_missing(tmp_path):
    refused(tmp_path / "none", "none", "no such weight folder")


def test_a_file_in_place_of_the_folder(folder):
    refused(folder / "labels.txt", "no such weight folder")


@pytest.mark.parametrize("name", ["weights.safetensors", "labels.txt", "preprocess.json"])
def test_a_file_of_the_folder_that_is_missing(folder, name):
    (folder / name).unlink()
    refused(folder, str(folder), f"{name} is missing")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_a_file_does_not_hang(folder):
    (folder / "weights.safetensors").unlink()
    os.mkfifo(folder / "weights.safetensors")
    refused(folder, "weights.safetensors is missing")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("weights.safetensors", tensor_file.TensorFile),
        ("labels.txt", lambda path: read_labels(path, 10)),
        ("preprocess.json", Preprocessing),
    ],
)
def test_a_pipe_that_appears_after_the_check_is_not_waited_for(folder, name, read):
    (folder / name).unlink()
    os.mkfifo(folder / name)
    with pytest.raises(WeightsError, match=rf"{name}: .*(not a file|as safetensors)"):
        read(folder / name)


@pytest.mark.parametrize("keep", [0, 7, 8, 1000, -1])
def test_a_truncated_weight_file(folder, keep):
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    refused(folder, str(path), "cannot be read as safetensors")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"\xff" * 8 + data[8:],
        lambda data: data[:8] + b"{" * 100 + data[108:],
        lambda data: data[:8] + b"\xff\xfe" + data[10:],
        lambda data: data + b"more",
        lambda data: struct.pack("<Q", 2) + b"{}",
        lambda data: b"PK\x03\x04" + data,
    ],
    ids=["header length", "header json", "header utf-8", "bytes left over", "no tensors", "another format"],
)
def test_a_damaged_weight_file(folder, damage):
    path = folder / "weights.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    refused(folder, str(path))


@pytest.mark.parametrize("name", ["conv1.weight", "layer3.5.bn3.running_var", "layer2.0.downsample.0.weight"])
def test_a_tensor_that_is_missing(folder, tensors, name):
    resave(folder, {other: tensor for other, tensor in tensors.items() if other != name})
    refused(folder, f"{name} is missing")


def test_a_deeper_network(folder, tensors):
    extra = {name.replace("layer3.5", "layer3.6"): tensor for name, tensor in tensors.items() if "layer3.5" in name}
    resave(folder, tensors | extra)
    refused(folder, "unexpected tensor layer3.6")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("conv1.weight", (5, 4, 7, 7)),
        ("conv1.weight", (5, 3, 3, 3)),
        ("conv1.weight", (6, 3, 7, 7)),
        ("conv1.weight", (5, 3, 7, 7, 1)),
        ("layer2.0.conv2.weight", (10, 10, 3, 1)),
        ("layer4.2.conv3.weight", (159, 40, 1, 1)),
        ("layer4.2.bn3.bias", (1,)),
        ("fc.weight", (7, 161)),
        ("fc.weight", (0, 160)),
        ("fc.weight", ()),
        ("fc.bias", (8,)),
    ],
)
def test_a_tensor_of_the_wrong_shape(folder, tensors, name, shape):
    resave(folder, tensors | {name: np.zeros(shape, np.float32)})
    refused(folder, "weights.safetensors")


def test_a_residual_sum_of_different_widths(folder, tensors):
    parts = ("weight", "bias", "running_mean", "running_var")
    wider = {f"layer1.1.bn3.{part}": np.ones(21, np.float32) for part in parts}
    resave(folder, tensors | wider | {"layer1.1.conv3.weight": np.zeros((21, 5, 1, 1), np.float32)})
    refused(folder, "layer1.1.add would add 21 channels to 20")


@pytest.mark.parametrize("dtype", [np.float64, np.int32, np.uint8, np.bool_])
def test_a_tensor_of_the_wrong_type(folder, tensors, dtype):
    resave(folder, tensors | {"layer1.0.bn1.bias": tensors["layer1.0.bn1.bias"].astype(dtype)})
    refused(folder, "layer1.0.bn1.bias is", "expected F32 or F16")


def test_a_bfloat16_tensor(folder):
    rewrite_header(folder, lambda header: header["fc.weight"].update(dtype="BF16", shape=[7, 320]))
    refused(folder, "fc.weight is BF16")


@pytest.mark.parametrize(
    "change",
    [
        {"data_offsets": [100, 3040]},
        {"data_offsets": [10**9, 10**9 + 2940]},
        {"data_offsets": [-2940, 0]},
        {"data_offsets": [0, 10**30]},
        {"data_offsets": [2940, 0]},
        {"data_offsets": [0]},
        {"data_offsets": None},
        {"shape": [5, 3, 7, -7]},
        {"shape": [5, 3, 7, True]},
        {"shape": [5, 3, 7, 7.0]},
        {"shape": [2**32, 2**32, 3, 5]},
        {"shape": [5, 3, 7, 8]},
        {"shape": "5377"},
        {"dtype": ["F32"]},
    ],
    ids=str,
)
def test_a_header_that_contradicts_itself(folder, change):
    rewrite_header(folder, lambda header: header["conv1.weight"].update(change))
    refused(folder, "weights.safetensors", "cannot be read as safetensors")


@pytest.mark.parametrize("entry", [None, 7, "F32", [], {}, ["F32", [5, 3, 7, 7], [0, 2940]]], ids=str)
def test_a_header_with_an_entry_that_is_not_an_object(folder, entry):
    rewrite_header(folder, lambda header: header.update({"conv1.weight": entry}))
    refused(folder, "weights.safetensors", "conv1.weight is not described by an object")


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"null",
        b"7",
        b'{"a": {"dtype": "F32", "shape": [' + b"9" * 5000 + b'], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 4]}}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        '{"__metadata__": {}}'.encode("utf-16"),
        '{"__metadata__": {}}'.encode("utf-8-sig"),
        b"\xff\xfe",
        b"",
    ],
    ids=lambda header: repr(header[:20]),
)
def test_a_header_that_is_not_an_object_of_objects(folder, header):
    (folder / "weights.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    refused(folder, "weights.safetensors", "cannot be read as safetensors")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (b'{"a": {"dtype": "F32", "dtype": "F32", "shape": [], "data_offsets": [0, 4]}}', "dtype"),
        (b'{"a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}, "a": 1}', "a"),
        (b'{"a": 1, "\\u0061": 1}', "a"),
    ],
    ids=["in an entry", "a tensor", "written differently"],
)
def test_a_header_with_a_name_twice(folder, header, name):
    (folder / "weights.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    refused(folder, "weights.safetensors", f"the name {name!r} occurs twice")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["conv1.weight", "layer2.1.bn2.running_mean", "fc.bias"])
def test_a_value_that_is_not_finite(folder, tensors, name, value):
    damaged = tensors[name].copy()
    damaged.flat[-1] = value
    resave(folder, tensors | {name: damaged})
    refused(folder, str(folder), f"{name} holds a value that is not finite")


def test_a_negative_variance(folder, tensors):
    resave(folder, tensors | {"bn1.running_var": -tensors["bn1.running_var"]})
    refused(folder, "bn1.running_var holds a negative variance")


def test_float16_tensors_are_taken_as_the_numbers_they_are(folder, tensors, tmp_path):
    half = {name: tensor.astype(np.float16) for name, tensor in tensors.items()}
    resave(folder, half)
    rounded = write_weights(tmp_path / "rounded", {name: tensor.astype(np.float32) for name, tensor in half.items()})
    np.testing.assert_array_equal(ResNet50(folder)(IMAGE), ResNet50(rounded)(IMAGE))


def test_pytorchs_counters_are_ignored(folder, tensors, net):
    resave(folder, tensors | {"bn1.num_batches_tracked": np.array(7)})
    np.testing.assert_array_equal(ResNet50(folder)(IMAGE), net(IMAGE))


def test_a_folder_whose_name_is_too_long():
    refused("x" * 300, "no such weight folder")


def test_a_network_with_one_class_is_refused(tmp_path):
    refused(write_weights(tmp_path, narrow_tensors(classes=1)), "weights.safetensors: has only one class")
