"""The few questions that the tool asks git, each about one folder of the working tree."""

import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ladder.errors import LadderError

Tree = dict[str, bytes]  # path inside a folder, with forward slashes -> content
HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
PLAIN = ("--no-index", "--no-color", "--no-ext-diff", "--no-textconv", "--text")  # whatever the user has configured
READABLE = ("--histogram", "--indent-heuristic", "--unified=0", "--inter-hunk-context=0")


class Hunk(NamedTuple):
    """The lines `old` of one text, which are the lines `new` of the other; counted from 0, each may be empty."""

    old: range
    new: range


def run(folder: Path, *arguments: str) -> bytes:
    """What `git ARGUMENTS` prints when it is run in `folder`; raises LadderError with git's words if it fails."""
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise LadderError("git is needed for this and was not found") from None
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise LadderError(f"git {arguments[0]} failed in {folder}: {words[0]}") from None


def working_tree(folder: Path) -> Tree:
    """The files of `folder` as they lie on the disk, new ones too, but nothing that .gitignore excludes."""
    listing = run(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    paths = [path for path in listing.decode().split("\0") if path and (folder / path).is_file()]
    return {path: (folder / path).read_bytes() for path in paths}


def committed_tree(folder: Path, revision: str, paths: Iterable[str] = (".",)) -> Tree:
    """The files of `folder` at a commit, or those of `paths` that were there; empty if the folder was not."""
    listing = run(folder, "ls-tree", "-r", "-z", "--name-only", revision, "--", *paths)
    return {path: run(folder, "show", f"{revision}:./{path}") for path in listing.decode().split("\0") if path}


def check_commit(folder: Path, revision: str) -> None:
    """Raise LadderError if `revision` names no commit."""
    try:
        run(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except LadderError:
        raise LadderError(f"git knows no commit {revision!r} here") from None


def was_there(folder: Path, revision: str) -> bool:
    """Whether the folder held anything at a commit."""
    return bool(run(folder, "ls-tree", "--name-only", revision))


def merge(ours: bytes, base: bytes, theirs: bytes) -> bytes | None:
    """`ours` with the change from `base` to `theirs` worked in (git merge-file), or None where that is a conflict."""
    with tempfile.TemporaryDirectory() as scratch:
        paths = [Path(scratch, name) for name in ("ours", "base", "theirs")]
        for path, content in zip(paths, (ours, base, theirs), strict=True):
            path.write_bytes(content)
        done = subprocess.run(["git", "merge-file", "-p", "--quiet", *map(str, paths)], capture_output=True)
    return done.stdout if done.returncode == 0 else None


def hunks(before: bytes, after: bytes) -> list[Hunk]:
    """Where two texts differ, as git sees it: it keeps functions whole where difflib pairs blank lines and braces.

    A line ends with a line feed and nothing else. Raises LadderError if git is missing or fails.
    """
    if before == after:
        return []
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in (("before", before), ("after", after)):
            Path(scratch, name).write_bytes(content)
        command = ["git", "diff", *PLAIN, *READABLE, "before", "after"]
        try:
            done = subprocess.run(command, cwd=scratch, capture_output=True)
        except FileNotFoundError:
            raise LadderError("git is needed for this and was not found") from None
    if done.returncode != 1:  # as diff: 1 where there is a difference
        raise LadderError(f"git diff failed: {done.stderr.decode(errors='replace').strip() or 'no reason given'}")
    return [Hunk(span(*found.group(1, 2)), span(*found.group(3, 4))) for found in HUNK.finditer(done.stdout)]


def span(start: bytes, count: bytes | None) -> range:
    """The lines that a hunk's head names, counted from 0; where it names none, it gives the line before them."""
    length = 1 if count is None else int(count)
    first = int(start) - (length > 0)
    return range(first, first + length)
