"""Queries to git. Only `carry` and `supply` cannot do without git."""

import difflib
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ladder.core.errors import LadderError
from ladder.core.files import Tree, rule

HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
PLAIN = ("--no-index", "--no-color", "--no-ext-diff", "--no-textconv", "--text")  # overrides the user's configuration
READABLE = ("--histogram", "--indent-heuristic", "--unified=0", "--inter-hunk-context=0")


class Hunk(NamedTuple):
    """The lines `old` of one text became the lines `new` of the other. Lines count from 0; either may be empty."""

    old: range
    new: range


def run(folder: Path, *arguments: str) -> bytes:
    """The output of `git ARGUMENTS` in `folder`. Raises LadderError with git's message if it fails."""
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise LadderError("git was not found") from None
    except subprocess.CalledProcessError as error:
        words = " ".join(error.stderr.decode(errors="replace").split()) or "no reason given"
        raise LadderError(f"git {arguments[0]} failed in {folder}: {words}") from None


def need(command: str, reason: str, folder: Path, *arguments: str) -> None:
    """Run git as `run` does, for a command that needs git: an error names the command and the reason."""
    try:
        run(folder, *arguments)
    except LadderError as error:
        raise LadderError(f"{command} needs git, {reason}: {error}") from None


def committed_tree(folder: Path, revision: str, paths: Iterable[str] = (".",)) -> Tree:
    """The files of `folder` at a commit, as a checkout would write them, or only those in `paths`.

    Empty if the commit does not have the folder. Files that files.py excludes are left out.
    """
    listing = run(folder, "ls-tree", "-r", "-z", "--name-only", revision, "--", *paths)
    belongs = rule(folder)
    found = [path for path in listing.decode().split("\0") if path and belongs(path)]
    return {path: run(folder, "cat-file", "--filters", f"{revision}:./{path}") for path in found}


def check_commit(folder: Path, revision: str) -> None:
    """Raise LadderError if `revision` names no commit."""
    try:
        run(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    except LadderError:
        raise LadderError(f"git knows no commit {revision!r} here") from None


def was_there(folder: Path, revision: str) -> bool:
    """Whether the folder held anything at a commit."""
    return bool(run(folder, "ls-tree", "--name-only", revision))


def hunks(before: bytes, after: bytes) -> list[Hunk]:
    """Where two texts differ, according to git, which keeps functions whole; difflib would pair blank lines and braces.

    Without git, difflib has to do. Only a line feed ends a line.
    """
    if before == after:
        return []
    with tempfile.TemporaryDirectory() as scratch:
        for name, content in (("before", before), ("after", after)):
            Path(scratch, name).write_bytes(content)
        try:
            command = ["git", "diff", *PLAIN, *READABLE, "before", "after"]
            done = subprocess.run(command, cwd=scratch, capture_output=True)
        except FileNotFoundError:
            return plain_hunks(before, after)
    found = [Hunk(span(*head.group(1, 2)), span(*head.group(3, 4))) for head in HUNK.finditer(done.stdout)]
    return found or plain_hunks(before, after)  # an installed git may fail, as on a Mac without developer tools


def plain_hunks(before: bytes, after: bytes) -> list[Hunk]:
    """Where two texts differ, according to difflib."""
    old, new = (re.findall(rb"[^\n]*\n|[^\n]+", text) for text in (before, after))
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [Hunk(range(*block[1:3]), range(*block[3:])) for block in blocks if block[0] != "equal"]


def span(start: bytes, count: bytes | None) -> range:
    """The range of lines, counted from 0, in a hunk's header. An empty range is given there by the line before it."""
    length = 1 if count is None else int(count)
    first = int(start) - (length > 0)
    return range(first, first + length)
