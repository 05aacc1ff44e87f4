"""Weight files on the disk: changed while they are read, closed after use, and not in memory if they are refused."""

import gc
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from conftest import narrow_tensors, write_weights
from resnet50 import ResNet50, WeightsError, tensor_file
from resnet50.weights import Weights
from test_weights import IMAGE, folder, refused

__all__ = ["folder"]  # the fixture: a correct weight folder that the test may change


def read_all(folder):
    """A network from `folder` that has read all its weights."""
    net = ResNet50(folder)
    for name in net.weights.required:
        net.weights[name]
    return net


def when_read(monkeypatch, name, change):
    """Calls `change` between reading the tensor `name` and checking it; with None, after reading the header."""
    check, require_no_others = Weights.check, Weights.require_no_others

    def changing(self, read=None, *values):
        if read == name:
            change()
        check(self, read, *values) if values else require_no_others(self)

    monkeypatch.setattr(Weights, "check" if name else "require_no_others", changing)


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
from test_weight_files import Weights, WeightsError, pytest, read_all, when_read
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


def test_a_file_that_is_shortened_while_it_is_read_is_an_error_and_never_a_crash(folder):
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
    os.utime(path, (0, 0))  # a file system's clock may tick only 100 times per second
    when_read(monkeypatch, "layer2.0.bn1.bias", lambda: path.write_bytes(other.read_bytes()))
    refused(folder, str(path), "has changed since it was opened")


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace a file that is open")
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


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace a file that is open")
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
    """The files in `folder` that this process has open."""
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return [target for target in map(os.path.realpath, links) if target.startswith(os.path.realpath(folder))]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="this system does not list a process's open files")
def test_a_network_that_is_deleted_or_was_refused_holds_no_file_open(folder):
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
def most():  # the peak memory of this process, in MB
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1000
before = most()
try:
    ResNet50(sys.argv[1])
except WeightsError as error:
    print(most() - before, error)
"""


def sparse(path, head, size):
    """Writes a file of `size` bytes: `head`, then zeros that take no space on the disk."""
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


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="this system does not report peak memory")
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
