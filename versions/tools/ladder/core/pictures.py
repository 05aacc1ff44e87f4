"""Finds the pictures to classify, and knows what those in pics/ really show."""

import codecs
import os
import re
import stat
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ladder.core.arguments import NAMES
from ladder.core.errors import LadderError

# The suffixes of files that a user would expect to be pictures. In a folder all of these are tried, so that a format
# that no version reads is rejected by name, not silently skipped. A file given by name is tried whatever its suffix.
READ = "avif bmp dib gif jfif jpe jpeg jpg mpo pbm pgm png pnm ppm tif tiff webp"
NOT_READ = (
    "3fr ai apng arw cr2 cr3 crw dcr dds dng eps erf exr fff hdr heic heics heif heifs hif icns ico iiq j2c j2k jp2 "
    "jpf jpm jpx jxl jxr kdc mef mos mrw nef nrw orf pcx pef psb psd ptx raf raw rw2 rwl sgi sr2 srf srw svg svgz tga "
    "wdp x3f xcf"
)
PICTURE = re.compile(rf".*\.({'|'.join([*READ.split(), *NOT_READ.split()])})", re.IGNORECASE | re.DOTALL)
# The first bytes of a picture without a suffix: JPEG, PNG, GIF, WebP, BMP, TIFF, netpbm's P1 to P6, AVIF and HEIC.
BEGINNING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8|RIFF....WEBP|BM....\0\0|II[*+]\0|MM\0[*+]|P[1-6]\s|....ftyp(avi|hei|hev|mif|msf)",
    re.DOTALL,
)


@dataclass(frozen=True)
class Picture:
    """A picture to classify.

    `name`: its name in the output; `shows`: what it shows, in words, if known; `right`: the correct labels of one
    weight set, empty if the set has no label for the subject or nobody has entered any.
    """

    path: Path
    name: str
    shows: str = ""
    right: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Refused:
    """A picture or folder without an answer; `error`: a sentence that says why and begins with its name."""

    name: str
    error: str

    def __str__(self) -> str:
        return self.error


def read_truth(pics: Path) -> dict[str, dict[str, object]]:
    """pics/labels.toml: a picture's path inside pics -> `shows` and the correct labels of each weight set."""
    path = pics / "labels.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LadderError(f"{path} cannot be read: {error}") from None


def own_pictures(pics: Path, weight_set: str) -> list[Picture]:
    """All pictures in `pics`, with the correct labels of a weight set; pictures without an entry come last."""
    labels = read_truth(pics)
    found = sorted(path.relative_to(pics).as_posix() for path in walk(pics, []) if PICTURE.fullmatch(path.name))
    names = dict.fromkeys([*labels, *found])
    return [label(pics / name, name, labels.get(name, {}), weight_set) for name in names]


def label(path: Path, name: str, truth: dict[str, object], weight_set: str) -> Picture:
    """A picture with the correct labels from its entry in labels.toml."""
    right = truth.get(weight_set, [])
    if not isinstance(right, list):
        raise LadderError(f"labels.toml: {name}: {weight_set} must be a list of labels")
    return Picture(path, name, str(truth.get("shows", "")), frozenset(right))


def listed(given: Iterable[Path]) -> list[Path]:
    """`given`, with the names that are read from standard input in place of `NAMES`.

    A name ends with a line break; if there is a NUL, with that (`find -print0`), and a name may hold line breaks. The
    mark with which some editors begin a file in UTF-8 is not part of the first. Raises LadderError if there is no name.
    """
    found: list[Path] = []
    for path in given:
        if path is not NAMES:
            found.append(path)
            continue
        with open(0, "rb", closefd=False) as stdin:
            data = stdin.read().removeprefix(codecs.BOM_UTF8)
        names = data.split(b"\0") if b"\0" in data else data.splitlines()
        named = [Path(os.fsdecode(name)) for name in names if name]
        if not named:
            raise LadderError("standard input, which `-` stands for, holds no name")
        found += named
    return found


def collect(given: Iterable[Path], pics: Path, weight_set: str) -> tuple[list[Picture], list[Refused], int]:
    """The pictures in these files and folders (searched recursively); each of these that has none; and the number of
    files in the folders that were skipped because they do not look like pictures.

    One of the project's own pictures keeps its correct labels, by whatever path it is found.
    """
    known = {os.path.realpath(picture.path): picture for picture in own_pictures(pics, weight_set)}
    found: list[Path] = []
    complaints: list[Refused] = []
    others = 0
    for path in given:
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            complaints.append(Refused(str(path), f"{path}: there is no such file or folder"))
        except OSError as error:  # such as a folder without permission, or a name that is too long
            complaints.append(Refused(str(path), f"{path}: {error.strerror}"))
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
                complaints.append(Refused(str(path), f"{path}: no picture is in this folder"))
    pictures = [known.get(os.path.realpath(path), Picture(path, "")) for path in found]
    named = [replace(picture, path=path, name=str(path)) for picture, path in zip(pictures, found)]
    return named, complaints, others


def walk(folder: Path, complaints: list[Refused]) -> Iterator[Path]:
    """The files in a folder and its subfolders, following links but no folder twice; hidden ones are left out.

    They come in the system's order, as they are found: no list of a folder's files is made, however many it holds. A
    complaint is added for each folder that cannot be read.
    """
    seen, places = set(), [str(folder)]
    while places:
        place = places.pop()
        try:
            here = os.stat(place)
            if (here.st_dev, here.st_ino) in seen:  # a link led back here
                continue
            seen.add((here.st_dev, here.st_ino))
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if is_folder(entry):
                        places.append(entry.path)
                    else:
                        yield Path(entry.path)
        except OSError as error:
            complaints.append(Refused(place, f"{place}: {error.strerror}"))


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one. A link that leads nowhere is none: whoever reads it will report why."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def looks_like_a_picture(file: Path) -> bool:
    """Whether a file is a picture by its suffix, or, if it has none, by its first bytes.

    True also if it can't be opened: whoever reads it will report why.
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
