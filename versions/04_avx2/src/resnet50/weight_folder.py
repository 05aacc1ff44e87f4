"""A weight folder and its small files: read with a limit, so that whatever lies there takes little memory."""

import json
import os
import re
import stat
from os import PathLike
from pathlib import Path

from .errors import WeightsError

FILES = ("weights.safetensors", "labels.txt", "preprocess.json")
MOST_LABELS = 1 << 24  # bytes of labels.txt: a million classes of 16 letters


def weight_folder(path: str | PathLike[str]) -> Path:
    """`path` if it is a folder with the three files of a weight set, else `WeightsError`."""
    folder = Path(path)
    if not os.path.isdir(folder):
        raise WeightsError(f"{folder}: no such weight folder")
    for name in FILES:
        if not os.path.isfile(folder / name):
            raise WeightsError(f"{folder}: a weight folder needs {', '.join(FILES)}; {name} is missing")
    return folder


def read_small(path: Path, most: int) -> bytes:
    """The content of `path`; raises `OSError`, or `ValueError` if it is not a file or has more than `most` bytes."""
    # O_NONBLOCK: opening a pipe does not wait for a writer. Windows has no such flag.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is not a file")
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return data


def read_json(path: Path, most: int) -> object:
    """What the JSON in `path` says; raises as `read_small`, and `ValueError` if it is wrong or has a name twice."""
    return json.loads(read_small(path, most), object_pairs_hook=without_repetition)


def without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; raises `ValueError` if a name occurs twice in it: readers disagree on which entry counts."""
    entries: dict[str, object] = {}
    for name, value in pairs:
        if name in entries:
            raise ValueError(f"the name {name!r} occurs twice")
        entries[name] = value
    return entries


def read_labels(path: Path, classes: int) -> list[str]:
    """The labels in `path`, one class per line, in the order of the logits; raises `WeightsError`.

    Lines end with LF, CR LF or CR; a byte order mark and blank lines at the end are ignored.
    """
    try:
        text = read_small(path, MOST_LABELS).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read as labels in UTF-8: {error}") from error
    labels = re.split(r"\r\n|\n|\r", text)  # str.splitlines splits at nine more characters, which a label may contain
    while labels and not labels[-1].strip():
        labels.pop()
    if len(labels) != classes:
        raise WeightsError(f"{path}: has {len(labels)} labels, but the weights have {classes} classes")
    for number, label in enumerate(labels, start=1):
        if not label.strip():
            raise WeightsError(f"{path}: line {number} is empty")
    return labels
