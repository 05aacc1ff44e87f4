"""What is written is a valid safetensors file, always with the same bytes, and never half of it."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from shared_weights import tensor_file

TENSORS: dict[str, np.ndarray] = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array([1.5, np.nan], dtype=np.float16),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "big-endian": np.array([1, 2], dtype=">f4"),
    "empty": np.zeros((0, 4), dtype=np.float32),
}


def test_the_safetensors_library_reads_what_was_written(tmp_path: Path):
    tensor_file.write(tmp_path / "file", TENSORS, {"seed": "7", "source": "a test"})
    read = load_file(tmp_path / "file")
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert read[name].dtype == tensor.dtype.newbyteorder("=")
        np.testing.assert_array_equal(read[name], tensor)
    with safe_open(tmp_path / "file", "numpy") as file:
        assert file.metadata() == {"seed": "7", "source": "a test"}


def test_the_values_begin_at_a_multiple_of_eight_bytes_in_the_order_given(tmp_path: Path):
    tensor_file.write(tmp_path / "file", TENSORS, {})
    content = (tmp_path / "file").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert length % 8 == 0
    assert list(json.loads(content[8 : 8 + length])) == ["__metadata__", *TENSORS]
    assert content[8 + length :][:24] == TENSORS["b"].tobytes()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(RuntimeError), tensor_file.appearing_whole(path) as partial:
        partial.write_text("half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_writing_follows_links_and_never_replaces_a_device(tmp_path: Path):
    file, link, pipe = (tmp_path / name for name in ("file", "link", "pipe"))
    link.symlink_to(file)
    with tensor_file.appearing_whole(link) as partial:
        partial.write_text("new")
    assert link.is_symlink() and file.read_text() == "new"
    os.mkfifo(pipe)
    with tensor_file.appearing_whole(pipe) as partial:
        assert partial == pipe
    assert pipe.is_fifo()


def test_an_impossible_path_is_named_as_the_user_gave_it(tmp_path: Path):
    with pytest.raises(OSError) as caught, tensor_file.appearing_whole(tmp_path / "missing" / "file"):
        pass
    assert caught.value.filename == str(tmp_path / "missing" / "file")


@pytest.mark.parametrize("kind", ["file", "pipe"])
def test_a_full_disk_is_told_with_the_path_that_the_user_gave(kind: str, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError) as caught, tensor_file.appearing_whole(tmp_path / kind):
        raise OSError(errno.ENOSPC, "No space left on device")  # as a file's write does, without a name
    assert caught.value.filename == str(tmp_path / kind) and caught.value.errno == errno.ENOSPC


def test_sha256_is_that_of_the_bytes(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"abc")  # the example of FIPS 180-2, appendix B.1
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert tensor_file.sha256(tmp_path / "file") == expected
