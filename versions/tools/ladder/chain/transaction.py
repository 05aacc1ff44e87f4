"""Writes or deletes several files at once: all of them, or none."""

import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ladder.core.errors import LadderError

STAGING = ".carry-"  # prefix of the folder in which new contents wait to be renamed


@dataclass(frozen=True)
class Write:
    """A file, its content before and after, None if missing; `like`: the file from which a new one gets its mode."""

    path: Path
    before: bytes | None
    after: bytes | None
    like: Path


def obstacle(home: Path, name: str, gone: set[Path]) -> str | None:
    """Why the file `name` in `home` cannot be written, as the end of a sentence, or None; `gone` is deleted with it."""
    path = home / name
    for folder in path.relative_to(home).parents[:-1]:
        if (home / folder).is_symlink():
            return f"lies in {folder}, which is a symbolic link here"
        if (home / folder).is_file() and home / folder not in gone:
            return f"needs a folder {folder}, which is a file here"
    if path.is_symlink():
        return "is a symbolic link here"
    if path.is_dir() and {inside for inside in path.rglob("*") if not inside.is_dir()} - gone:
        return "is a folder here"
    if path.is_file() and not os.access(path, os.W_OK):
        return "is read-only here"
    if path.exists() and not path.is_file() and not path.is_dir():
        return "is not a regular file here"
    nearest = next(place for place in path.parents if place.is_dir())
    return None if os.access(nearest, os.W_OK | os.X_OK) else f"lies in {nearest}, which is read-only"


def commit(writes: list[Write], staging: Path) -> None:
    """Do all of `writes`, or none: if one fails, the others are undone, and the error is raised.

    New contents and copies of the old ones are first written to a folder in `staging`, which must be on the same file
    system: so a full disk is noticed before anything is touched, and from then on files are only renamed. Folders that
    become empty are deleted too. Raises LadderError if a file no longer has the content `before`.
    """
    with tempfile.TemporaryDirectory(dir=staging, prefix=STAGING) as folder:
        for number, write in enumerate(writes):
            stage(write, Path(folder, str(number)))
        for write in writes:
            if read(write.path) != write.before:
                raise LadderError(f"nothing was written: {write.path} was changed meanwhile")
        with ExitStack() as undone:
            deletions_first = sorted(enumerate(writes), key=lambda pair: pair[1].after is not None)
            for number, write in deletions_first:
                undone.callback(undo, write, Path(folder, str(number)))
                apply(write, Path(folder, str(number)))
            undone.pop_all()


def stage(write: Write, place: Path) -> None:
    """Write the new content to `place`.new and copy the old one to `place`.old, both synced to disk."""
    if write.before is not None:
        shutil.copy2(write.path, place.with_suffix(".old"))
    if write.after is not None:
        with place.with_suffix(".new").open("wb") as file:
            file.write(write.after)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(write.like if write.before is None else write.path, file.name)


def apply(write: Write, place: Path) -> None:
    """Put the new content in its place, or delete the file and the folders that become empty."""
    if write.after is not None:
        write.path.parent.mkdir(parents=True, exist_ok=True)
        place.with_suffix(".new").replace(write.path)
        return
    write.path.unlink()
    prune(write.path.parents)


def undo(write: Write, place: Path) -> None:
    """Restore the old content, whether or not `apply` changed anything."""
    if write.before is not None:
        write.path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(place.with_suffix(".old"), write.path)
    else:
        write.path.unlink(missing_ok=True)
        prune(write.path.parents)


def prune(folders: Iterable[Path]) -> None:
    """Remove the folders, innermost first, up to the first that is not empty."""
    for folder in folders:
        if folder.exists():
            if any(folder.iterdir()):
                return
            folder.rmdir()


def read(path: Path) -> bytes | None:
    """A file's content; None if there is no file."""
    return path.read_bytes() if path.is_file() else None
