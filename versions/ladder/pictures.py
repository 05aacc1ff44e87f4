"""Which pictures there are, and what is truly on them."""

import os
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ladder.errors import LadderError

# What counts as a picture in a folder; a file that is named on the command line is tried whatever its ending. Of
# these Pillow can't read HEIF, but a telephone's pictures are to be complained of, not passed over.
PICTURE = re.compile(r".*\.(avif|bmp|gif|hei[cf]|jfif|jp2|jpe?g|p[bgnp]m|png|tga|tiff?|webp)", re.IGNORECASE)


@dataclass(frozen=True)
class Picture:
    """A picture to be named.

    `name` is how it is shown; `shows` says in words what is on it, if that is known; `right` are the labels of one
    weight set that are right for it, empty when the set does not know the subject or nobody has said what it is.
    """

    path: Path
    name: str
    shows: str = ""
    right: frozenset[str] = frozenset()


def read_labels(pics: Path) -> dict[str, dict[str, object]]:
    """pics/labels.toml: the picture's path inside pics -> `shows` and the right labels of each weight set."""
    path = pics / "labels.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LadderError(f"{path} cannot be read: {error}") from None


def own_pictures(pics: Path, weight_set: str) -> list[Picture]:
    """All pictures in `pics`, with what is right for a weight set; those that have no labels yet come last."""
    labels = read_labels(pics)
    names = dict.fromkeys([*labels, *sorted(path.relative_to(pics).as_posix() for path in walk(pics, []))])
    return [label(pics / name, name, labels.get(name, {}), weight_set) for name in names]


def label(path: Path, name: str, truth: dict[str, object], weight_set: str) -> Picture:
    """A picture with its entry in labels.toml."""
    right = truth.get(weight_set, [])
    if not isinstance(right, list):
        raise LadderError(f"labels.toml: {name}: {weight_set} must be a list of labels")
    return Picture(path, name, str(truth.get("shows", "")), frozenset(right))


def collect(given: Iterable[Path], pics: Path, weight_set: str) -> tuple[list[Picture], list[str]]:
    """The pictures that are meant by these files and folders, folders recursively; and a line for each that is none.

    A picture of the project's own keeps its true labels, whichever way it is reached.
    """
    known = {picture.path.resolve(): picture for picture in own_pictures(pics, weight_set)}
    found: list[Path] = []
    complaints: list[str] = []
    for path in given:
        if path.is_dir():
            inside = sorted(walk(path, complaints))
            found += inside
            if not inside:
                complaints.append(f"{path}: no picture is in this folder")
        elif path.exists():
            found.append(path)
        else:
            complaints.append(f"{path}: there is no such file or folder")
    return [
        replace(known.get(path.resolve(), Picture(path, "")), path=path, name=str(path)) for path in found
    ], complaints


def walk(folder: Path, complaints: list[str]) -> Iterable[Path]:
    """The picture files in a folder and the folders below it; hidden ones are left out."""

    def unreadable(error: OSError) -> None:
        complaints.append(f"{error.filename}: {error.strerror}")

    for place, folders, files in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if PICTURE.fullmatch(name) and not name.startswith("."):
                yield Path(place, name)
