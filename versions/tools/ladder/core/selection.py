"""The versions that a command works on: those named, or all that run here."""

from collections.abc import Sequence
from pathlib import Path

from ladder.core import terminal
from ladder.core.errors import LadderError
from ladder.core.versions import Version, discover, find, obstacle


def select(root: Path, names: Sequence[str] = (), must_run: bool = False, int8: bool = False) -> list[Version]:
    """The named versions in the given order, each once; without names all, but those for int8 only if `int8` is set.

    A version that cannot run here is left out with a note. Raises LadderError instead if it was named and `must_run`
    is set; also if a name is unknown, or if no version is left.
    """
    versions, usable = discover(root), []
    unnamed = [version for version in versions if int8 or not version.int8]
    for version in dict.fromkeys(find(versions, name) for name in names) if names else unnamed:
        reason = obstacle(version)
        if reason and names and must_run:
            raise LadderError(reason)
        if reason:
            terminal.note(reason)
        else:
            usable.append(version)
    if not usable:
        raise LadderError("none of the versions runs on this processor")
    return usable


def one_or_newest(root: Path, name: str | None) -> Version:
    """The named version, or the newest that runs here, with a note for each newer one that does not.

    The newest is one for float32: another kind of answer, and a weight set that has scales, are for those who ask.
    """
    if name is not None:
        return select(root, [name], must_run=True)[0]
    for version in reversed([version for version in discover(root) if not version.int8]):
        reason = obstacle(version)
        if reason is None:
            return version
        terminal.note(reason)
    raise LadderError("none of the versions runs on this processor")
