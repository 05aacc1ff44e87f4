"""Finding a weight set by its name or folder, and reading it."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as from_bytes

from . import strict_json, synthetic
from .architecture import tensors

HERE = Path(__file__).resolve().parent
IMPORTED = HERE / "imported"  # the sets that `import` makes, by name
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # which no path with folders is, nor ..
NAMES = ("imagenet", "cifar10", "synthetic")
FILES = ("weights.safetensors", "labels.txt", "preprocess.json")


class WeightSetError(ValueError):
    """A weight set is missing, damaged, or can't be made; the message says so in one line."""


def find(name_or_dir: str | PathLike[str] | None = None) -> Path:
    """The folder of a weight set, with its three files in it.

    A name of `NAMES` means the set of that name (`synthetic` is made if it is missing), a name that a set was imported
    under means that one, and anything else a folder. None means `imagenet` if it is there, else `cifar10`.
    Whether the files hold a ResNet-50 is not checked here: each version does so when it reads them. Raises
    `WeightSetError`.
    """
    if name_or_dir is None:
        name_or_dir = "imagenet" if (HERE / "imagenet").is_dir() else "cifar10"
    folder = HERE / name_or_dir if name_or_dir in NAMES else Path(name_or_dir)
    if PLAIN_NAME.fullmatch(str(name_or_dir)) and (IMPORTED / name_or_dir).is_dir():
        folder = IMPORTED / name_or_dir
    if name_or_dir == "synthetic":
        try:
            synthetic.make(folder)
        except (OSError, RuntimeError) as error:
            raise WeightSetError(f"the weight set synthetic can't be made: {error}") from error
    if not folder.is_dir():
        if name_or_dir == "imagenet":
            raise WeightSetError("the weight set imagenet is not there yet: `nox -s weights -- imagenet` downloads it")
        raise WeightSetError(f"{name_or_dir}: neither a weight set ({', '.join(NAMES)}) nor a folder")
    for file in FILES:
        if not (folder / file).is_file():
            raise WeightSetError(f"{folder}: not a weight set: {file} is missing")
    return folder


def load(folder: Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The tensors, float32 or float16 as stored, and the labels of the set in `folder`.

    Raises `WeightSetError` if the files can't be read or hold anything but a ResNet-50.
    """
    path = folder / "weights.safetensors"
    try:
        labels = read_labels(folder)
        content = path.read_bytes()  # not mapped: if another process shortens it, SIGBUS kills
        state = from_bytes(content)
        strict_json.check_header(content)
    except (OSError, SafetensorError, ValueError, LookupError) as error:  # LookupError: a type NumPy lacks
        raise WeightSetError(f"{folder}: not a weight set that can be read: {error}") from error
    return checked(state, len(labels), str(path)), labels


def read_labels(folder: Path) -> list[str]:
    """The labels of the set in `folder`, one class per line; raises `OSError` or `UnicodeDecodeError`."""
    return labels_in((folder / "labels.txt").read_bytes())


def labels_in(content: bytes) -> list[str]:
    """The lines of a labels.txt, without a byte order mark and blank lines at the end; raises `UnicodeDecodeError`."""
    labels = re.split(r"\r\n|\n|\r", content.decode("utf-8-sig"))  # str.splitlines would split at U+2028 and others
    while labels and not labels[-1].strip():
        labels.pop()
    return labels


def checked(state: Mapping[str, np.ndarray], classes: int, source: str) -> dict[str, np.ndarray]:
    """The tensors of `state` in torchvision's order, without its counters `num_batches_tracked`.

    Raises `WeightSetError`, which names the `source`, unless they are a ResNet-50's and all finite.
    """
    expected = tensors(classes=classes)
    for name, shape in expected.items():
        if name not in state or state[name].shape != shape:
            raise WeightSetError(f"{source}: not a ResNet-50 of {classes} classes: no tensor {name} of shape {shape}")
        if not np.isfinite(state[name]).all():
            raise WeightSetError(f"{source}: {name} holds a value that is not finite")
    for name in state:
        if name not in expected and not name.endswith("num_batches_tracked"):
            raise WeightSetError(f"{source}: not a ResNet-50: unexpected tensor {name}")
    return {name: state[name] for name in expected}


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `folder` if all goes well; raises `WeightSetError` if there is one then.

    Two processes may each have seen that there is none.
    """
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as workspace:
        new = Path(workspace) / "new"
        new.mkdir()
        yield new
        try:
            os.rename(new, folder)
        except OSError as error:
            if not folder.exists():
                raise
            raise WeightSetError(f"{folder}: another process has made it meanwhile; it is left as it is") from error


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """An empty folder to fill, which replaces `folder` if all goes well."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as workspace:
        new = Path(workspace) / "new"
        new.mkdir()
        yield new
        if folder.exists():
            os.rename(folder, Path(workspace) / "old")
        os.rename(new, folder)
