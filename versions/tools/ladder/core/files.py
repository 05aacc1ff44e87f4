"""The files that belong to a folder: all but those in .gitignore, hidden files and backups. git itself is not asked.

So a repository unpacked from a ZIP, or owned by another user, has the same files as a clone.
"""

import os
from collections.abc import Callable
from pathlib import Path

from pathspec import GitIgnoreSpec

Tree = dict[str, bytes]  # path inside a folder, with forward slashes -> content
NEVER = (".*", "__pycache__/", "*~", r"\#*#", "*.orig", "*.rej")  # left behind by editors, Python and patch


def working_tree(folder: Path) -> Tree:
    """The files that belong to `folder`, as they are on disk, including those that git does not know."""
    return {path: (folder / path).read_bytes() for path in names(folder)}


def names(folder: Path) -> list[str]:
    """The paths of the files that belong to `folder`, sorted. Raises OSError if a folder cannot be read."""
    belongs = rule(folder)
    found = []
    for place, folders, files in os.walk(folder, onerror=fail):
        inside = Path(place).relative_to(folder)
        folders[:] = [name for name in folders if belongs(f"{(inside / name).as_posix()}/")]
        paths = ((inside / name).as_posix() for name in files)
        found += [path for path in paths if belongs(path) and (folder / path).is_file()]
    return sorted(found)


def rule(folder: Path) -> Callable[[str], bool]:
    """A function that says whether a path inside `folder` belongs to it; a folder's path ends with a slash.

    The first .gitignore on the way up decides. The repository has only one.
    """
    folder = folder.resolve()
    root = next((place for place in (folder, *folder.parents) if (place / ".gitignore").is_file()), None)
    lines = (root / ".gitignore").read_text(encoding="utf-8").splitlines() if root else []
    excluded = GitIgnoreSpec.from_lines([*NEVER, *lines])
    above = folder.relative_to(root or folder).as_posix()
    return lambda path: not excluded.match_file(path if above == "." else f"{above}/{path}")


def fail(error: OSError) -> None:
    """Raise an error that os.walk would otherwise ignore."""
    raise error
