"""What is written down about a picture: a line of JSON in the manifest."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Any

Entry = dict[str, Any]  # of a manifest: a Task's values, "status", and "label" and "score", or "reason"
BEGINNING = b'{"path": "'  # of every line
TOLD = {"labelled": ("label", "score"), "failed": ("reason",)}


@dataclass(frozen=True)
class Task:
    """A picture to label. `path`: inside its folder; `size`: bytes; `mtime`: when it was changed, in ns since 1970.

    Both are None if the file cannot be looked at. `network`: what the label is to come from, the weights' digest and
    the version's in it.
    """

    path: str
    size: int | None
    mtime: int | None
    network: str

    def entry(self, answer: dict[str, Any]) -> Entry:
        """The entry for the crew's answer."""
        return asdict(self) | {"status": "failed" if "reason" in answer else "labelled"} | answer

    def is_done_by(self, entry: Entry, retry_failed: bool) -> bool:
        """Whether an entry is about this state of the file and this network, and need not be tried again."""
        same = all(entry[name] == value for name, value in asdict(self).items())
        return same and not (retry_failed and entry["status"] == "failed")


def may_begin(content: bytes) -> bool:
    """Whether a file of lines can begin like this; it may end in the middle of the first."""
    return BEGINNING.startswith(content[: len(BEGINNING)])


def to_line(entry: Entry) -> bytes:
    """The entry as a line; a name that is not UTF-8 survives."""
    return json.dumps(entry).encode() + b"\n"


def from_line(line: bytes) -> Entry | None:
    """The entry in a line; None if the line is damaged."""
    try:
        entry = json.loads(line)
        [entry[name] for name in ("size", "mtime", "network", *TOLD[entry["status"]])]
        os.fsencode(entry["path"])  # a name that a file can have
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return entry
