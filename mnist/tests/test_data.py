"""IDX files, valid and damaged; the split; the download, from a folder in place of a mirror."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from mnist import download as downloads
from mnist.data import Parts, embedded, full, read_digits
from mnist.download import download
from mnist.errors import DataError


def test_embedded_digits_are_split_without_overlap() -> None:
    parts = embedded()
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [8000, 1000, 1000]
    everything = read_digits(Path(__file__).parents[1] / "data", "mnist10k")
    split = np.concatenate([part.images for part in (parts.train, parts.validation, parts.test)])
    order, split_order = (np.sort([hash(image.tobytes()) for image in images]) for images in (everything.images, split))
    assert np.array_equal(order, split_order)
    assert len(np.unique(order)) == 10_000  # no digit occurs twice, so no part shares one with another
    assert (np.bincount(parts.train.labels) > 600).all()


def test_split_is_the_same_every_time() -> None:
    assert embedded().train.fingerprint() == embedded().train.fingerprint()
    assert embedded().train.fingerprint() != embedded().validation.fingerprint()


@pytest.mark.parametrize("rename", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_the_full_set_is_read_gzipped_or_not_under_both_names(
    idx_folder: Path, small: Parts, packed: bool, rename: bool
) -> None:
    for file in list(idx_folder.iterdir()):
        name = file.name.replace("-idx", ".idx") if rename else file.name
        content = file.read_bytes()
        file.unlink()
        (idx_folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content) if packed else content)
    parts = full(idx_folder)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [550, 50, 200]
    assert np.array_equal(parts.test.images, small.test.images[:200])
    together = np.concatenate([parts.train.labels, parts.validation.labels])
    assert np.array_equal(np.bincount(together), np.bincount(small.train.labels[:600]))


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
DAMAGES = {
    "missing": (IMAGES, lambda content: None, "has no file train-images"),
    "empty": (IMAGES, lambda content: b"", "not an IDX file.*nothing"),
    "text": (IMAGES, lambda content: b"<html>" * 1000, "not an IDX file.*3c68746d"),
    "labels as images": (IMAGES, lambda content: b"\0\0\x08\x01" + content[4:], "not an IDX file"),
    "floats": (IMAGES, lambda content: b"\0\0\x0d\x03" + content[4:], "not an IDX file"),
    "another size": (IMAGES, lambda content: content[:11] + b"\x20" + content[12:], r"items of \[32, 28\]"),
    "truncated": (IMAGES, lambda content: content[:-1], "truncated.*470400.*470399"),
    "too long": (LABELS, lambda content: content + b"\0", "too long"),
    "huge count": (LABELS, lambda content: content[:4] + b"\xff" * 4 + content[8:], "claims to hold 4294967295"),
    "fewer labels": (LABELS, lambda content: content[:7] + b"\x57" + content[8:-1], "600 digits.*599 labels"),
    "label 10": (LABELS, lambda content: content[:-1] + b"\x0a", "label 10"),
    "no digits": (None, lambda content: content[:4] + bytes(4) + content[8:16] * (content[3] == 3), "holds no digits"),
    "truncated gzip": (IMAGES, lambda content: gzip.compress(content)[:-100], "cannot be read"),
    "damaged gzip": (IMAGES, lambda content: gzip.compress(content)[:50] + b"X" * 500, "cannot be read"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_files_are_named_with_the_reason(idx_folder: Path, name: str) -> None:
    which, damage, message = DAMAGES[name]
    for file in [which] if which else [IMAGES, LABELS]:
        damaged = damage((idx_folder / file).read_bytes())
        (idx_folder / file).unlink()
        if damaged is not None:
            (idx_folder / file).write_bytes(damaged)
    with pytest.raises(DataError, match=message):
        full(idx_folder)


def test_missing_folder_is_named() -> None:
    with pytest.raises(DataError, match="nowhere is not a folder"):
        full(Path("nowhere"))


@pytest.fixture
def mirror(idx_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a mirror with the four files gzipped, after a mirror that has nothing."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    for file in idx_folder.iterdir():
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
    checksums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    assert checksums.keys() == downloads.SHA256.keys()
    monkeypatch.setattr(downloads, "SHA256", checksums)
    monkeypatch.setattr(downloads, "MIRRORS", [f"{tmp_path.as_uri()}/nothing/", f"{folder.as_uri()}/"])
    return folder


def test_download_falls_back_to_the_next_mirror(mirror: Path, tmp_path: Path) -> None:
    target = tmp_path / "downloaded"
    download(target, Console(quiet=True))
    assert len(full(target).test) == 200
    assert sorted(file.name for file in target.iterdir()) == sorted(downloads.SHA256)


def test_download_fetches_only_what_is_missing_or_wrong(mirror: Path, tmp_path: Path) -> None:
    target = tmp_path / "downloaded"
    download(target, Console(quiet=True))
    (target / "t10k-labels-idx1-ubyte.gz").write_bytes(b"damaged")
    for file in mirror.glob("train*"):
        file.unlink()
    download(target, Console(quiet=True))
    assert len(full(target).test) == 200


@pytest.mark.parametrize("damage", ["wrong content", "no mirror"])
def test_failed_download_says_why_and_leaves_nothing(mirror: Path, tmp_path: Path, damage: str) -> None:
    for file in mirror.iterdir():
        file.write_bytes(b"something else") if damage == "wrong content" else file.unlink()
    with pytest.raises(DataError, match=r"could not be downloaded \(.*nothing.*; .*mirror.*\).*--data"):
        download(tmp_path / "downloaded", Console(quiet=True))
    assert not (tmp_path / "downloaded").exists()


def test_download_without_network_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Port 9 of this machine, where nothing listens: as on a machine without network.
    monkeypatch.setattr(downloads, "MIRRORS", ["http://127.0.0.1:9/"])
    with pytest.raises(DataError, match="could not be downloaded"):
        download(tmp_path, Console(quiet=True))
