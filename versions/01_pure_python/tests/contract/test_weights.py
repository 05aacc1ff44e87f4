"""A weight folder that is not right is refused with one sentence that names the file."""

import gc
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from conftest import PREPROCESS, narrow_tensors, random, save_file, write_weights
from resnet50 import ResNet50, WeightsError, tensor_file
from resnet50.image import Preprocessing
from resnet50.weights import Weights, read_labels

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


def rewrite_header(folder, change):
    """Has `change` change the weight file's header, a dictionary; the numbers stay."""
    path = folder / "weights.safetensors"
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def read_all(folder):
    """A network with the weights in `folder`, each of which has been read."""
    net = ResNet50(folder)
    for name in net.weights.required:
        net.weights[name]
    return net


def when_read(monkeypatch, name, change):
    """Calls `change` once the tensor `name` has been read, before it is checked; with None, once the header has."""
    check, require_no_others = Weights.check, Weights.require_no_others

    def changing(self, read=None, *values):
        if read == name:
            change()
        check(self, read, *values) if values else require_no_others(self)

    monkeypatch.setattr(Weights, "check" if name else "require_no_others", changing)


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
def test_a_header_whose_entry_is_no_object(folder, entry):
    rewrite_header(folder, lambda header: header.update({"conv1.weight": entry}))
    refused(folder, "weights.safetensors", "conv1.weight is not described by an object")


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"null",
        b"7",
        b'{"a": {"dtype": "F32", "dtype": "F32", "shape": [], "data_offsets": [0, 4]}}',
        b'{"a": 1, "a": 1}',
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
def test_a_header_that_is_no_object_of_objects(folder, header):
    (folder / "weights.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    refused(folder, "weights.safetensors", "cannot be read as safetensors")


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
        assert "has changed since it was opened" in str(error)


SHORTENED_AT_EACH_STEP = """
import os, sys
sys.path[:0] = sys.argv[1:3]
from pathlib import Path
from test_weights import Weights, WeightsError, pytest, read_all, when_read
folder = Path(sys.argv[3])
file = folder / "weights.safetensors"
whole = file.read_bytes()
for name in read_all(folder).weights.required[:-1:7]:
    file.write_bytes(whole)
    with pytest.MonkeyPatch.context() as patch:
        when_read(patch, name, lambda: os.truncate(file, 1000))
        try:
            read_all(folder)
        except WeightsError as error:
            assert str(error) == f"{file}: can no longer be read: it has changed since it was opened", error
        else:
            raise AssertionError(name)
print("all refused")
"""


def test_a_file_that_is_shortened_while_it_is_read_is_an_error_and_kills_nobody(folder):
    tests = os.path.dirname(__file__)
    command = [sys.executable, "-c", SHORTENED_AT_EACH_STEP, tests, os.path.dirname(tests), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "all refused\n", "")


def test_a_file_that_is_shortened_while_its_header_is_read_is_an_error(folder, monkeypatch):
    path, read_at = folder / "weights.safetensors", tensor_file.read_at

    def shortening(*arguments):
        os.truncate(path, 4)
        return read_at(*arguments)

    monkeypatch.setattr(tensor_file, "read_at", shortening)
    refused(folder, str(path), "it has changed since it was opened")


def test_a_file_that_is_overwritten_while_it_is_read_is_an_error(folder, tmp_path, monkeypatch):
    path = folder / "weights.safetensors"
    other = write_weights(tmp_path / "other", narrow_tensors(seed=1)) / path.name
    os.utime(path, (0, 0))  # the clock of a file system may tick 100 times a second only
    when_read(monkeypatch, "layer2.0.bn1.bias", lambda: path.write_bytes(other.read_bytes()))
    refused(folder, str(path), "has changed since it was opened")


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that is open")
@pytest.mark.parametrize("last", [None, "layer2.0.bn1.bias"], ids=["header", "tensor"])
@pytest.mark.parametrize("change", ["replaced", "deleted"])
def test_a_file_that_is_replaced_or_deleted_while_it_is_read_is_read_to_its_end(
    change, last, folder, tmp_path, net, monkeypatch
):
    path = folder / "weights.safetensors"
    other = write_weights(tmp_path / "other", narrow_tensors(seed=1)) / path.name
    changes = {"replaced": lambda: os.replace(other, path), "deleted": path.unlink}
    with monkeypatch.context() as patch:
        when_read(patch, last, changes[change])
        changed = read_all(folder)
    np.testing.assert_array_equal(changed(IMAGE), net(IMAGE))


REPLACED_ALL_THE_TIME = """
import os, sys
from pathlib import Path
place, *others = map(Path, sys.argv[1:])
states = [other.read_bytes() for other in others]
while True:
    for state in states:
        place.with_name("next").write_bytes(state)
        os.replace(place.with_name("next"), place)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows replaces no file that is open")
def test_a_file_that_is_replaced_all_the_time_is_read_whole_and_never_refused(folder, tmp_path, tensors):
    half = {name: (tensor + 1).astype(np.float16) for name, tensor in tensors.items()}
    folders = [write_weights(tmp_path / "some", tensors), write_weights(tmp_path / "other", half)]
    files = [place / "weights.safetensors" for place in (folder, *folders)]
    whole = [read_all(place).weights for place in folders]
    replacing = subprocess.Popen([sys.executable, "-c", REPLACED_ALL_THE_TIME, *files])
    try:
        for _ in range(50):
            weights = read_all(folder).weights
            equal = [all(np.array_equal(weights[name], one[name]) for name in weights.required) for one in whole]
            assert any(equal)
    finally:
        replacing.kill()
        replacing.wait()


def test_a_system_without_preadv_reads_the_same(folder, net, monkeypatch):
    monkeypatch.delattr(os, "preadv", raising=False)
    np.testing.assert_array_equal(ResNet50(folder)(IMAGE), net(IMAGE))


def test_a_network_outlives_a_change_of_the_working_folder(folder, tmp_path, net, monkeypatch):
    monkeypatch.chdir(folder.parent)
    relative = ResNet50(folder.name)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_array_equal(relative(IMAGE), net(IMAGE))


def open_files(folder):
    """Which files in `folder` this process has open."""
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return [target for target in map(os.path.realpath, links) if target.startswith(os.path.realpath(folder))]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list a process's open files")
def test_a_network_that_is_gone_or_was_refused_holds_no_file_open(folder):
    used = read_all(folder)
    del used
    (folder / "labels.txt").write_text("one label\n")
    refused(folder, "has 1 labels")
    gc.collect()
    assert open_files(folder) == []


MEMORY = """
import re, sys
from pathlib import Path
from resnet50 import ResNet50, WeightsError
def most():  # the most memory that this process ever had, in MB
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000
before = most()
try:
    ResNet50(sys.argv[1])
except WeightsError as error:
    print(most() - before, error)
"""


def sparse(path, head, size):
    """Writes a file of `size` bytes: `head`, then zeros that take no room on the disk."""
    path.write_bytes(head)
    os.truncate(path, size)


def many_classes(folder):
    """Weights for 400,000 classes, 3.3 GB of zeros, for one label."""
    header, end = {}, 0
    for name, tensor in narrow_tensors(base_width=64, classes=2).items():
        shape = (400_000, *tensor.shape[1:]) if name.startswith("fc.") else tensor.shape
        begin, end = end, end + 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (begin, end)}
    text = json.dumps(header).encode()
    sparse(folder / "weights.safetensors", struct.pack("<Q", len(text)) + text, 8 + len(text) + end)
    (folder / "labels.txt").write_text("one label\n")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="this system does not say how much memory was used")
@pytest.mark.parametrize(
    ("fill", "says", "megabytes"),
    [
        (many_classes, "has 1 labels, but the weights have 400000 classes", 20),
        (lambda folder: sparse(folder / "labels.txt", b"", 3 << 30), "has more than 16,777,216 bytes", 40),
        (lambda folder: sparse(folder / "preprocess.json", b"", 3 << 30), "has more than 65,536 bytes", 20),
        (lambda folder: sparse(folder / "weights.safetensors", b"", 3 << 30), "cannot be read as safetensors", 20),
        (
            lambda folder: sparse(folder / "weights.safetensors", struct.pack("<Q", 10**7), 3 << 30),
            "cannot be read as safetensors",
            60,
        ),
        (
            lambda folder: sparse(folder / "weights.safetensors", struct.pack("<Q", 10**9), 3 << 30),
            "its header would have 1,000,000,000 bytes, more than 10,000,000",
            20,
        ),
    ],
    ids=["classes", "labels", "preprocessing", "weights", "the longest header", "a longer header"],
)
def test_a_folder_that_is_refused_takes_little_memory_however_large_its_files(folder, fill, says, megabytes):
    fill(folder)
    done = subprocess.run([sys.executable, "-c", MEMORY, folder], capture_output=True, text=True, check=True)
    grown, error = done.stdout.split(maxsplit=1)
    assert says in error
    assert float(grown) < megabytes


def test_a_network_with_one_class_has_nothing_to_choose_from(tmp_path):
    refused(write_weights(tmp_path, narrow_tensors(classes=1)), "weights.safetensors: has only one class")


def test_labels_come_in_the_order_of_the_file(tmp_path):
    labels = ["tabby", "a label of words", "Ägyptische Katze"]
    assert ResNet50(write_weights(tmp_path, narrow_tensors(classes=3), labels)).labels == labels


@pytest.mark.parametrize(
    "text",
    [
        b"a\nb b\nc\n",
        b"a\nb b\nc",
        b"a\r\nb b\r\nc\r\n",
        b"a\rb b\rc\r",
        b"\xef\xbb\xbfa\nb b\nc\n",
        b"a\nb b\nc\n\n",
        b"a\r\nb b\r\nc\r\n \t\r\n\r\n",
    ],
)
def test_labels_are_the_same_whatever_an_editor_does_to_the_lines_and_ends_of_the_file(tmp_path, text):
    folder = write_weights(tmp_path, narrow_tensors(classes=3))
    (folder / "labels.txt").write_bytes(text)
    assert ResNet50(folder).labels == ["a", "b b", "c"]


def test_labels_end_at_the_end_of_a_line_and_at_nothing_else_that_unicode_takes_for_one(tmp_path):
    labels = ["a\x0bb\x0cc\x1cd", "e\x1df\x1eg\x85h", "i\u2028j\u2029k"]
    assert ResNet50(write_weights(tmp_path, narrow_tensors(classes=3), labels)).labels == labels


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"a\nb\n", "has 2 labels, but the weights have 7 classes"),
        (b"a\n" * 8, "has 8 labels"),
        (b"a\nb\n\nd\ne\nf\ng\n", "line 3 is empty"),
        (b"a\nb\n\xff\xfe\nd\ne\nf\ng\n", "UTF-8"),
        (b"", "has 0 labels"),
        (b"\xef\xbb\xbf\n\n", "has 0 labels"),
        (b"\n" * 7, "has 0 labels"),
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


def test_preprocessing_may_begin_with_a_byte_order_mark(folder, net):
    text = (folder / "preprocess.json").read_bytes()
    (folder / "preprocess.json").write_bytes(b"\xef\xbb\xbf" + text)
    assert ResNet50(folder).preprocess.steps == net.preprocess.steps
