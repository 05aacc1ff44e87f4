"""The ledger of `carry`: the edits that each file in the working tree has received from its predecessor since HEAD."""

import base64
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ladder.chain.merging import Conflict, Edit, contains


@dataclass(frozen=True)
class Entry:
    """A file that has received an edit; None stands for a missing file.

    The digests of its content in HEAD at that time and after the edit; in base64, the predecessor's file as it was
    carried and as it was at the revision.
    """

    committed: str | None
    result: str | None
    carried: str | None
    former: str | None


class Ledger:
    """The entries, by the file's path below `versions`. A ledger that cannot be read counts as empty."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self.text = path.read_bytes()
            self.entries = {place: Entry(**entry) for place, entry in json.loads(self.text).items()}
            for entry in self.entries.values():
                decode(entry.carried), decode(entry.former)
        except (OSError, ValueError, TypeError, AttributeError):
            self.text, self.entries = b"{}", {}

    def paths(self, name: str) -> set[str]:
        """The files of the version with this name that have entries."""
        return {place.removeprefix(f"{name}/") for place in self.entries if place.startswith(f"{name}/")}

    def base(self, place: str, committed: bytes | None, present: bytes | None, former: bytes | None) -> bytes | None:
        """The predecessor's content that the file at `place` already contains: what was carried last, else `former`.

        `committed`, `present`: the file in HEAD and as it is now. Raises Conflict if the file was edited since the last
        carry, since then nobody can tell whose lines they are.
        """
        entry = self.entries.get(place)
        if entry is None or entry.committed != digest(committed):
            return former
        carried = decode(entry.carried)
        if entry.result == digest(present) or contains(present, Edit(decode(entry.former), carried)):
            return carried
        if present == committed:  # it has been checked out again
            return former
        raise Conflict("was edited where the last carry wrote: commit it first")

    def enter(self, place: str, committed: bytes | None, result: bytes | None, edit: Edit) -> None:
        """Record what a file has become by an edit of its predecessor."""
        self.entries[place] = Entry(digest(committed), digest(result), encode(edit.new), encode(edit.old))

    def save(self) -> None:
        """Write the entries to the file."""
        self.write(json.dumps({place: asdict(entry) for place, entry in sorted(self.entries.items())}).encode())

    def restore(self) -> None:
        """Restore the ledger's file as it was before."""
        self.write(self.text)

    def write(self, text: bytes) -> None:
        """Replace the ledger file's content."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_bytes(text)
        os.replace(new, self.path)


def digest(content: bytes | None) -> str | None:
    """SHA-256 of a file's content; None for a missing file."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def encode(content: bytes | None) -> str | None:
    """A file's content in a form that JSON can represent."""
    return None if content is None else base64.b64encode(content).decode()


def decode(text: str | None) -> bytes | None:
    """The content that `encode` encoded; raises ValueError for anything else."""
    return None if text is None else base64.b64decode(text)
