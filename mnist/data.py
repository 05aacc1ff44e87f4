"""Digits from IDX files, the format of MNIST: read, checked, and split into three parts that never overlap.

IDX (described on yann.lecun.com/exdb/mnist): a magic number whose third byte is the type (8: unsigned bytes) and whose
fourth is the number of dimensions, then each dimension as a big-endian 32-bit integer, then the values.
"""

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mnist.errors import DataError
from mnist.layers import Array

EMBEDDED = Path(__file__).parent / "data"
SIDE = 28
MAX_ITEMS = 1_000_000  # in a file; a larger number means a damaged header, and would take more than 784 MB
SPLIT_SEED = 28


@dataclass(frozen=True)
class Digits:
    """images: uint8 (N, 28, 28), 0 is paper and 255 ink; labels: uint8 (N,), 0 to 9."""

    images: Array
    labels: Array

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, which: slice | Array) -> "Digits":
        return Digits(self.images[which], self.labels[which])

    def fingerprint(self) -> str:
        """A SHA-256 of the images and labels: the same digits in the same order give the same."""
        return hashlib.sha256(self.images.tobytes() + self.labels.tobytes()).hexdigest()


@dataclass(frozen=True)
class Parts:
    """The digits to learn from, those to choose the best weights with, and those to judge the result by."""

    train: Digits
    validation: Digits
    test: Digits


def embedded() -> Parts:
    """The 10,000 digits that come with this folder: 8,000, 1,000 and 1,000."""
    digits = read_digits(EMBEDDED, "mnist10k")
    order = np.random.RandomState(SPLIT_SEED).permutation(len(digits))
    return Parts(digits[order[:8000]], digits[order[8000:9000]], digits[order[9000:]])


def full(folder: Path) -> Parts:
    """MNIST's own files in `folder`: a twelfth of "train" (5,000 of 60,000) is for validation, "t10k" for the test.

    Raises DataError if one is missing or damaged.
    """
    digits, test = read_digits(folder, "train"), read_digits(folder, "t10k")
    if len(digits) < 12:
        raise DataError(f"{folder}: {len(digits)} training digits are too few; at least 12 are needed")
    order = np.random.RandomState(SPLIT_SEED).permutation(len(digits))
    held_out = len(digits) // 12
    return Parts(digits[order[held_out:]], digits[order[:held_out]], test)


def read_digits(folder: Path, name: str) -> Digits:
    """The images and labels `name` ("train", "t10k") in `folder`. Raises DataError."""
    image_file, label_file = find(folder, f"{name}-images", "idx3"), find(folder, f"{name}-labels", "idx1")
    images, labels = read_idx(image_file, (SIDE, SIDE)), read_idx(label_file, ())
    if len(images) != len(labels):
        raise DataError(f"{image_file} holds {len(images)} digits, but {label_file} {len(labels)} labels")
    if len(labels) == 0:
        raise DataError(f"{image_file} holds no digits")
    if labels.max() > 9:
        raise DataError(f"{label_file}: label {labels.max()} is not a digit from 0 to 9")
    return Digits(images, labels)


def find(folder: Path, name: str, kind: str) -> Path:
    """The file as its authors named it (train-images-idx3-ubyte) or as others did (train-images.idx3-ubyte), with or
    without .gz. Raises DataError if there is none."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder")
    for separator in "-.":
        for suffix in ("", ".gz"):
            file = folder / f"{name}{separator}{kind}-ubyte{suffix}"
            if file.is_file():
                return file
    raise DataError(f"{folder} has no file {name}-{kind}-ubyte or {name}-{kind}-ubyte.gz")


def read_idx(file: Path, item_shape: tuple[int, ...]) -> Array:
    """The bytes of an IDX file, gzipped or not: uint8 (count, *item_shape).

    Raises DataError if the file cannot be read, is not IDX, holds items of another shape, or is longer or shorter
    than its header says.
    """
    dimensions = 1 + len(item_shape)
    try:
        with file.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(file) if packed else file.open("rb") as stream:
            header = stream.read(4 + 4 * dimensions)
            magic, *shape = (int.from_bytes(header[i : i + 4], "big") for i in range(0, 4 + 4 * dimensions, 4))
            if len(header) < 4 + 4 * dimensions or magic != 0x800 + dimensions:
                raise DataError(
                    f"{file} is not an IDX file of bytes in {dimensions} dimension(s): it begins with "
                    f"{header[:4].hex() or 'nothing'}, not with {0x800 + dimensions:08x}"
                )
            if tuple(shape[1:]) != item_shape:
                raise DataError(f"{file} holds items of {shape[1:]} values, not of {list(item_shape)}")
            if shape[0] > MAX_ITEMS:
                raise DataError(f"{file} claims to hold {shape[0]} items; more than {MAX_ITEMS} are not read")
            size = int(np.prod(shape))
            values = stream.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    if len(values) != size:
        raise DataError(
            f"{file} is {'truncated' if len(values) < size else 'too long'}: its header promises {size} "
            f"bytes of values, but there are {len(values) if len(values) < size else 'more'}"
        )
    return np.frombuffer(values, np.uint8).reshape(shape)
