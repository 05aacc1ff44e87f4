"""Part files: what the workers of a cluster have found and no manifest holds yet."""

from collections.abc import Iterator
from pathlib import Path

from labelling.entries import Entry, from_line


def taken(parts: Path, pattern: str = "*") -> Iterator[Entry]:
    """The entries of the part files of this name; a file is removed when all of its entries have been used."""
    for part in sorted(parts.glob(f"{pattern}.jsonl")):
        yield from entries(part)
        part.unlink()


def entries(part: Path) -> Iterator[Entry]:
    """The entries of a part file; the last line may have been cut by the end of its worker."""
    with open(part, "rb") as file:
        for line in file:
            if line.endswith(b"\n") and (entry := from_line(line)):
                yield entry
