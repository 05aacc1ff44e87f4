"""A weight folder that is not right is refused with one sentence that names the file."""

import json
import os
import struct

import numpy as np
import pytest
from conftest import PREPROCESS, narrow_tensors, random, write_weights
from resnet50 import ResNet50, WeightsError
from safetensors.numpy import save, save_file

IMAGE = random(0, 32, 32, 3)


@pytest.fixture
def folder(tmp_path, tensors):
    """A good weight folder of the test's own."""
    return write_weights(tmp_path / "weights", tensors)


def refused(folder, *says):
    """The message with which loading `folder` and using it once fails; it holds every word of `says`."""
    with pytest.raises(WeightsError) as caught:
        ResNet50(folder)(IMAGE)
    for words in says:
        assert words in str(caught.value)
    return str(caught.value)


def resave(folder, tensors):
    save_file(tensors, folder / "weights.safetensors")


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
    refused(folder, "no place for layer3.6")


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


def test_a_bfloat16_tensor(folder, tensors):
    data = save(tensors)
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    header["fc.weight"]["dtype"], header["fc.weight"]["shape"] = "BF16", [7, 320]
    text = json.dumps(header).encode()
    (folder / "weights.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])
    refused(folder, "fc.weight is BF16")


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


def test_pytorchs_counters_are_passed_over(folder, tensors, net):
    resave(folder, tensors | {"bn1.num_batches_tracked": np.array(7)})
    np.testing.assert_array_equal(ResNet50(folder)(IMAGE), net(IMAGE))


def test_a_folder_whose_name_is_too_long():
    refused("x" * 300, "no such weight folder")


def test_a_file_that_is_rewritten_while_the_network_is_open_never_crashes(folder, net):
    open_net = ResNet50(folder)
    (folder / "weights.safetensors").write_bytes(b"")
    try:
        np.testing.assert_array_equal(open_net(IMAGE), net(IMAGE))
    except WeightsError as error:
        assert "has become shorter" in str(error)


def test_labels_come_in_the_order_of_the_file(tmp_path):
    labels = ["tabby", "a label of words", "Ägyptische Katze"]
    assert ResNet50(write_weights(tmp_path, narrow_tensors(classes=3), labels)).labels == labels


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"a\nb\n", "has 2 labels, but the weights have 7 classes"),
        (b"a\n" * 8, "has 8 labels"),
        (b"a\nb\n\nd\ne\nf\ng\n", "line 3 is empty"),
        (b"a\nb\n\xff\xfe\nd\ne\nf\ng\n", "UTF-8"),
        (b"", "has 0 labels"),
    ],
)
def test_labels_that_do_not_fit(folder, text, says):
    (folder / "labels.txt").write_bytes(text)
    refused(folder, "labels.txt", says)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": "resize"},
        {"steps": ["resize"]},
        {"steps": [["resize"]]},
        {"steps": [["resize", 64, 64]]},
        {"steps": [["resize", "64"]]},
        {"steps": [["resize", 64.0]]},
        {"steps": [["resize", True]]},
        {"steps": [["resize", 0]]},
        {"steps": [["resize", 10**9]]},
        {"steps": [["center_square", 3]]},
        {"steps": [["rotate", 90]]},
        {"steps": [[["resize"], 64]]},
        {"steps": [None]},
        {"filter": "sharp"},
        {"filter": None},
        {"filter": ["bilinear"]},
        {"mean": [0.5, 0.5]},
        {"mean": 0.5},
        {"mean": [0.5, 0.5, "0.5"]},
        {"mean": [0.5, 0.5, float("nan")]},
        {"mean": [0.5, 0.5, 10**400]},
        {"std": [1.0, 1.0, 0.0]},
        {"std": [1.0, 1.0, -1.0]},
        {"std": [1.0, 1.0, 1e-60]},
        {"std": [1.0, 1.0, 1e60]},
        {"colour": "RGB"},
    ],
    ids=str,
)
def test_preprocessing_that_is_not_right(folder, change):
    (folder / "preprocess.json").write_text(json.dumps(PREPROCESS | change))
    refused(folder, str(folder / "preprocess.json"))


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"{}", b"[" * 100_000, b"\xff\xfe\xfa", b"\x00" * 10])
def test_preprocessing_that_is_no_such_json(folder, text):
    (folder / "preprocess.json").write_bytes(text)
    refused(folder, str(folder / "preprocess.json"))
