"""The few questions that the tool asks git, each about one folder of the working tree."""

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ladder.errors import LadderError

Tree = dict[str, bytes]  # path inside a folder, with forward slashes -> content


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
