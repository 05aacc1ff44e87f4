"""Writing CSV that every program reads back as it was."""

import csv
from collections.abc import Iterable
from typing import TextIO


def write(file: TextIO, rows: Iterable[Iterable[object]]) -> None:
    """Write rows, each ended by a line feed; `file` must not translate those.

    Where a row holds a carriage return, all of its cells are quoted: Python before 3.13 quotes none for it, and readers
    begin a new row there.
    """
    plain = csv.writer(file, lineterminator="\n")
    quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = list(row)
        (quoting if any("\r" in str(cell) for cell in cells) else plain).writerow(cells)
