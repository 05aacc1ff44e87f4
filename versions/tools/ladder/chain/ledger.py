"""The ledger of `carry`: what each file in the working tree has received from its predecessor since the commit."""

import base64
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ladder.chain.merging import Conflict, Edit, contains


@dataclass(frozen=True)
class Entry:
    """A file that was carried to: digests of its content in HEAD then and of what it became; in base64 the
    predecessor's file that was carried, and what that was at the revision. None where there was no file."""

    committed: str | None
    result: str | None
    carried: str | None
    former: str | None


class Ledger:
    """The entries, by the file's path below `versions`. What cannot be read counts as lost, and is."""

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
        """The files in the version of this name that there are entries for."""
        return {place.removeprefix(f"{name}/") for place in self.entries if place.startswith(f"{name}/")}

    def base(self, place: str, committed: bytes | None, present: bytes | None, former: bytes | None) -> bytes | None:
        """What of the predecessor's file is in the one at `place`: what was carried last, else `former`.

        `committed`, `present`: the file in HEAD and as it lies there. Raises Conflict where it was edited since in
        what the last carry wrote, so that nobody can tell whose lines they are.
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
        """Restore the file as it was before."""
        self.write(self.text)

    def write(self, text: bytes) -> None:
        """Write the file's new content in place of the old."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_bytes(text)
        os.replace(new, self.path)


def digest(content: bytes | None) -> str | None:
    """SHA-256 of a file's content; None where there is no file."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def encode(content: bytes | None) -> str | None:
    """A file's content as JSON can hold it."""
    return None if content is None else base64.b64encode(content).decode()


def decode(text: str | None) -> bytes | None:
    """The content that `encode` encoded; raises ValueError if it did not."""
    return None if text is None else base64.b64decode(text)
