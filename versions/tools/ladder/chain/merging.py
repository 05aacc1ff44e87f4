"""Three-way merges of whole files, each of which may be missing."""

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ladder.core.errors import LadderError


@dataclass(frozen=True)
class Edit:
    """A file's content before and after; None if the file does not exist."""

    old: bytes | None
    new: bytes | None


class Conflict(LadderError):
    """An edit that cannot be carried into a version; the message is the end of a sentence that begins with the file."""


def merge(ours: bytes | None, base: bytes | None, theirs: bytes | None) -> bytes | None:
    """`ours` with the change from `base` to `theirs` merged in; None stands for a missing file.

    If `ours` is missing, it stays missing. Raises Conflict if both sides changed the same lines.
    """
    if theirs in (ours, base):
        return ours
    if ours == base:
        return theirs
    if ours is None:
        return None
    if base is None:
        raise Conflict("is new, but this version has another file of that name")
    if theirs is None:
        raise Conflict("is deleted, but this version has changed it")
    if b"\0" in ours + base + theirs:
        raise Conflict("is not text, and this version has changed it")
    return merge_texts(ours, base, theirs)


def merge_texts(*texts: bytes) -> bytes:
    """`git merge-file` of ours, base and theirs; raises Conflict if both changed the same lines."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(scratch, name) for name in ("ours", "base", "theirs")]
        for path, content in zip(paths, texts, strict=True):
            path.write_bytes(content)
        command = ["git", "merge-file", "-p", "--quiet", *map(str, paths)]
        done = subprocess.run(command, cwd=scratch, capture_output=True)
    if done.returncode:
        raise Conflict("is edited in lines that this version has changed too")
    return done.stdout


def contains(ours: bytes | None, edit: Edit) -> bool:
    """Whether `ours` already contains the edit, so that merging it changes nothing."""
    try:
        return merge(ours, edit.old, edit.new) == ours
    except Conflict:
        return False
