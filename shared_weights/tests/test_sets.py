"""A set is found by its name or folder; anything else is rejected with a one-line error."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from shared_weights import sets
from shared_weights.architecture import tensors
from shared_weights.sets import WeightSetError


def test_a_name_finds_the_set_and_a_path_the_folder(cifar10: Path, tmp_path: Path):
    copy = shutil.copytree(cifar10, tmp_path / "copy", ignore=shutil.ignore_patterns("golden*"))
    assert cifar10 == sets.HERE / "cifar10"
    assert sets.find(copy) == sets.find(str(copy)) == copy


def test_without_a_name_the_exported_set_comes_before_the_shipped_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(sets, "HERE", tmp_path)
    for name in ("cifar10", "imagenet"):
        folder = tmp_path / name
        folder.mkdir()
        for file in sets.FILES:
            (folder / file).touch()
        assert sets.find() == folder


@pytest.mark.parametrize("name", ["nonsense", "imagenet", "", "synthetic "])
def test_anything_but_a_set_is_rejected(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(sets, "HERE", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightSetError, match=name.strip() or "not a weight set"):
        sets.find(name)


@pytest.mark.parametrize("missing", sets.FILES)
def test_a_folder_that_lacks_a_file_is_rejected_and_the_file_named(missing: str, tmp_path: Path):
    for file in set(sets.FILES) - {missing}:
        (tmp_path / file).touch()
    with pytest.raises(WeightSetError, match=missing):
        sets.find(tmp_path)


def test_a_synthetic_set_that_cannot_be_written_is_an_error_and_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(sets, "HERE", tmp_path / "missing")
    with pytest.raises(WeightSetError, match="can't be made"):
        sets.find("synthetic")


def zeros(**changes: np.ndarray) -> dict[str, np.ndarray]:
    """A ResNet-50 of two classes, all zero except for `changes`."""
    return {name: np.zeros(shape, np.float16) for name, shape in tensors(classes=2).items()} | changes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labels.txt").write_text("no\nyes\n")
    return tmp_path


def test_load_gives_the_tensors_in_torchvisions_order_and_the_labels(folder: Path):
    save_file(zeros(**{"bn1.num_batches_tracked": np.zeros(1, np.int64)}), folder / "weights.safetensors")
    state, labels = sets.load(folder)
    assert list(state) == list(tensors(classes=2))
    assert labels == ["no", "yes"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"fc.bias": np.zeros(3, np.float32)}, "no tensor fc.bias"),
        ({"bn1.bias": np.full(64, np.nan, np.float32)}, "bn1.bias holds a value that is not finite"),
        ({"layer3.6.conv1.weight": np.zeros(1, np.float32)}, "unexpected tensor layer3.6.conv1.weight"),
    ],
)
def test_load_rejects_tensors_that_are_not_a_resnet50(folder: Path, changes: dict[str, np.ndarray], complaint: str):
    save_file(zeros(**changes), folder / "weights.safetensors")
    with pytest.raises(WeightSetError, match=complaint):
        sets.load(folder)


def test_load_rejects_a_truncated_file(folder: Path):
    save_file(zeros(), folder / "weights.safetensors")
    with open(folder / "weights.safetensors", "r+b") as file:
        file.truncate(1_000_000)
    with pytest.raises(WeightSetError, match="can be read"):
        sets.load(folder)


@pytest.mark.parametrize("text", [b"\xef\xbb\xbfno\nyes\n", b"no\r\nyes\r\n\r\n", b"no\nyes\n \n\n", b"no\nyes"])
def test_labels_do_not_depend_on_byte_order_mark_line_ends_or_blank_last_lines(folder: Path, text: bytes):
    (folder / "labels.txt").write_bytes(text)
    assert sets.read_labels(folder) == ["no", "yes"]


def test_a_label_keeps_characters_at_which_str_splitlines_would_split(folder: Path):
    (folder / "labels.txt").write_text("n\u2028o\ny\x0bes\n", encoding="utf-8", newline="")
    assert sets.read_labels(folder) == ["n\u2028o", "y\x0bes"]


def test_load_rejects_tensors_of_a_type_that_numpy_lacks(folder: Path):
    save_file(zeros(), folder / "weights.safetensors")
    data = (folder / "weights.safetensors").read_bytes()
    length = 8 + int.from_bytes(data[:8], "little")
    header = data[8:length].replace(b'"F16"', b'"BF16"')
    (folder / "weights.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data[length:])
    with pytest.raises(WeightSetError, match="can be read"):
        sets.load(folder)
