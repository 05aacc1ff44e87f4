"""Which pictures there are, and what they really show."""

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ladder.core.errors import LadderError

# What a user would take for a picture, by a file's ending: in a folder all of these are tried, so that one of a format
# that no version reads is refused by name instead of passed over. A file that is named is tried whatever its ending.
READ = "avif bmp dib gif jfif jpe jpeg jpg mpo pbm pgm png pnm ppm tif tiff webp"
NOT_READ = (
    "3fr ai apng arw cr2 cr3 crw dcr dds dng eps erf exr fff hdr heic heics heif heifs hif icns ico iiq j2c j2k jp2 "
    "jpf jpm jpx jxl jxr kdc mef mos mrw nef nrw orf pcx pef psb psd ptx raf raw rw2 rwl sgi sr2 srf srw svg svgz tga "
    "wdp x3f xcf"
)
PICTURE = re.compile(rf".*\.({'|'.join([*READ.split(), *NOT_READ.split()])})", re.IGNORECASE | re.DOTALL)
# How a picture without an ending begins: JPEG, PNG, GIF, WebP, BMP, TIFF, netpbm's P1 to P6, AVIF and HEIC.
BEGINNING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|RIFF....WEBP|BM....\0\0|II[*+]\0|MM\0[*+]|P[1-6]\s|....ftyp(avi|hei|hev|mif|msf)",
    re.DOTALL,
)


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


def read_truth(pics: Path) -> dict[str, dict[str, object]]:
    """pics/labels.toml: the picture's path inside pics -> `shows` and the right labels of each weight set."""
    path = pics / "labels.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LadderError(f"{path} cannot be read: {error}") from None


def own_pictures(pics: Path, weight_set: str) -> list[Picture]:
    """All pictures in `pics`, with what is right for a weight set; those that have no labels yet come last."""
    labels = read_truth(pics)
    found = sorted(path.relative_to(pics).as_posix() for path in walk(pics, []) if PICTURE.fullmatch(path.name))
    names = dict.fromkeys([*labels, *found])
    return [label(pics / name, name, labels.get(name, {}), weight_set) for name in names]


def label(path: Path, name: str, truth: dict[str, object], weight_set: str) -> Picture:
    """A picture with the right labels from its entry in labels.toml."""
    right = truth.get(weight_set, [])
    if not isinstance(right, list):
        raise LadderError(f"labels.toml: {name}: {weight_set} must be a list of labels")
    return Picture(path, name, str(truth.get("shows", "")), frozenset(right))


def collect(given: Iterable[Path], pics: Path, weight_set: str) -> tuple[list[Picture], list[str], int]:
    """The pictures that are meant by these files and folders, folders recursively; a line for each that is none; and
    how many files in the folders were left out, since they do not look like pictures.

    A picture of the project's own keeps its true labels, whichever way it is reached.
    """
    known = {os.path.realpath(picture.path): picture for picture in own_pictures(pics, weight_set)}
    found: list[Path] = []
    complaints: list[str] = []
    others = 0
    for path in given:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            complaints.append(f"{path}: there is no such file or folder")
        except OSError as error:  # such as a folder that may not be entered, or a name that is too long
            complaints.append(f"{path}: {error.strerror}")
        else:
            if not is_folder:
                found.append(path)
                continue
            before = len(complaints)
            inside = sorted(walk(path, complaints))
            meant = [file for file in inside if looks_like_a_picture(file)]
            found += meant
            others += len(inside) - len(meant)
            if not meant and len(complaints) == before:
                complaints.append(f"{path}: no picture is in this folder")
    pictures = [known.get(os.path.realpath(path), Picture(path, "")) for path in found]
    named = [replace(picture, path=path, name=str(path)) for picture, path in zip(pictures, found)]
    return named, complaints, others


def walk(folder: Path, complaints: list[str]) -> Iterator[Path]:
    """The files in a folder and the folders below it, linked ones too but none twice; hidden ones are left out."""

    def unreadable(error: OSError) -> None:
        complaints.append(f"{error.filename}: {error.strerror}")

    seen = set()
    for place, folders, files in os.walk(folder, onerror=unreadable, followlinks=True):
        here = os.stat(place)
        if (here.st_dev, here.st_ino) in seen:  # a link led back here
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in files if not name.startswith("."))


def looks_like_a_picture(file: Path) -> bool:
    """Whether a file is a picture by its ending, or without one by its first bytes; also if it can't be opened.

    Whoever reads it will say why it can't.
    """
    if PICTURE.fullmatch(file.name):
        return True
    if file.suffix:
        return False
    try:
        if not file.is_file():  # reading a pipe would block
            return False
        with open(file, "rb") as opened:
            return BEGINNING.match(opened.read(16)) is not None
    except OSError:
        return True
