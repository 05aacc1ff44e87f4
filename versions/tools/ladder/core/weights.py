"""The weight set that a command uses. shared_weights finds or makes it; its errors become the tool's here."""

from collections.abc import Iterable
from pathlib import Path

from ladder.core.errors import LadderError
from shared_weights import sets

MEANINGLESS = "The weight set synthetic holds random numbers: its labels mean nothing and get no verdict."


def find(name: str | None) -> Path:
    """The folder of the set with this name, or in this folder; by default imagenet if it is there, else cifar10.

    Raises LadderError if there is no such set, or if it can't be made.
    """
    try:
        return sets.find(name)
    except sets.WeightSetError as error:
        raise LadderError(str(error)) from None


def present(names: Iterable[str]) -> list[Path]:
    """The folders of the sets with these names, and of imagenet if it is there."""
    folders, best = [find(name) for name in names], find(None)
    return folders if best in folders else [*folders, best]


def describe(folder: Path, asked: str | None) -> str:
    """The set's name, and why it was chosen if none was asked for, or that it knows a thousand classes."""
    if folder.name == "imagenet":
        return f"imagenet, which knows {len(read_labels(folder)):,} classes"
    if asked is not None or folder.name != "cifar10":
        return folder.name
    return "cifar10 (imagenet is not there yet: `nox -s weights -- imagenet` downloads it)"


def read_labels(folder: Path) -> list[str]:
    """The set's labels, one for each class."""
    try:
        return sets.read_labels(folder)
    except (OSError, ValueError) as error:
        raise LadderError(f"{folder / 'labels.txt'} cannot be read: {error}") from None
