"""The manifest: an append-only file of lines about pictures, of which the last about each one counts."""

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from labelling.entries import BEGINNING, Entry, Task, from_line, may_begin, to_line
from ladder.core import csv_file, terminal
from ladder.core.errors import LadderError
from shared_weights.tensor_file import appearing_whole, named_errors

COLUMNS = ("path", "status", "label", "score", "reason")
BLOCK = 1 << 16


class Manifest:
    """The manifest in a file, locked as long as it is open; to be used in a `with` statement.

    Beside the file there is an index of the last line about each picture, in a temporary file: the memory does not grow
    with the number of pictures. Raises LadderError if another process has the manifest open, or if the file holds
    anything else; OSError if it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_file():
            raise LadderError(f"{path}: is not a file")
        self.file = open(path, "a+b", buffering=0)  # noqa: SIM115 (__exit__ closes it)
        try:
            self._lock()
            self._cut_torn_line()
            self.index = sqlite3.connect("")  # a temporary file, which nobody else can see
            self.index.execute("PRAGMA journal_mode = OFF")
            self.index.execute(
                "CREATE TABLE last (path BLOB PRIMARY KEY, line BLOB, failed INTEGER, here INTEGER) WITHOUT ROWID"
            )
            self._read()
        except BaseException:
            self.file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.index.close()
        self.file.close()  # and so unlocks it

    def _lock(self) -> None:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LadderError(f"{self.path}: another run is writing to it") from None

    def _cut_torn_line(self) -> None:
        """Cut off the end of a line that was being written when its process was killed."""
        self.file.seek(0)
        if not may_begin(self.file.read(len(BEGINNING))):
            raise LadderError(f"{self.path}: exists already and is not a manifest; it is left as it is")
        end = place = self.file.seek(0, os.SEEK_END)
        while place:
            start = max(0, place - BLOCK)
            self.file.seek(start)
            newline = self.file.read(place - start).rfind(b"\n")
            if newline >= 0:
                place = start + newline + 1
                break
            place = start
        if place < end:
            self.file.truncate(place)

    def _read(self) -> None:
        """Fill the index."""
        damaged = 0
        with open(self.path, "rb") as file:
            for line in file:
                entry = from_line(line)
                if entry is None:
                    damaged += 1
                else:
                    self._note(entry, line, here=False)
        if damaged:
            lines = "1 line is" if damaged == 1 else f"{damaged:,} lines are"
            terminal.note(f"{self.path}: {lines} damaged and ignored")

    def _note(self, entry: Entry, line: bytes, here: bool) -> None:
        row = os.fsencode(entry["path"]), line, entry["status"] == "failed", here
        self.index.execute("INSERT OR REPLACE INTO last VALUES (?, ?, ?, ?)", row)

    def add(self, entry: Entry, here: bool = True) -> None:
        """Append an entry: it survives whatever happens to this process. `here`: the picture was seen in this run."""
        line = rest = to_line(entry)
        with named_errors(self.path):
            while rest:
                rest = rest[self.file.write(rest) :]
        self._note(entry, line, here)

    def due(self, tasks: Iterable[Task], retry_failed: bool) -> Iterator[Task]:
        """Those of the tasks that need to be done."""
        return (task for task in tasks if self.needs(task, retry_failed))

    def needs(self, task: Task, retry_failed: bool) -> bool:
        """Whether a picture is to be labelled; and note that it is there, so that it gets a row."""
        path = os.fsencode(task.path)
        self.index.execute("UPDATE last SET here = 1 WHERE path = ?", (path,))
        found = self.index.execute("SELECT line FROM last WHERE path = ?", (path,)).fetchone()
        entry = from_line(found[0]) if found else None
        return entry is None or not task.is_done_by(entry, retry_failed)

    def entries(self) -> Iterator[Entry]:
        """The last entries about the pictures that are there, in the order of their paths."""
        for (line,) in self.index.execute("SELECT line FROM last WHERE here ORDER BY path"):
            entry = from_line(line)
            assert entry is not None
            yield entry

    def counts(self) -> tuple[int, int, int]:
        """How many pictures have a label and how many failed, of those that are there; and how many are not."""
        question = "SELECT count(*) FROM last WHERE "
        cases = ("here AND NOT failed", "here AND failed", "NOT here")
        labelled, failed, gone = (self.index.execute(question + case).fetchone()[0] for case in cases)
        return labelled, failed, gone

    def write_csv(self, path: Path) -> None:
        """Write a row for each picture that is there; the file appears when it is complete.

        A name that is not UTF-8 has its bytes escaped, so that others can read the file; the manifest has it exactly.
        """
        with (
            appearing_whole(path) as partial,
            open(partial, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            csv_file.write(file, [COLUMNS])
            csv_file.write(file, ([entry.get(column, "") for column in COLUMNS] for entry in self.entries()))
            file.flush()
            os.fsync(file.fileno())
