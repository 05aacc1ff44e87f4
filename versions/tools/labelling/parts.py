"""Part files: what the workers of a cluster have found and no manifest holds yet."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from labelling.entries import BEGINNING, Entry, from_line, may_begin


def named(folder: Path, shard: str = "*") -> list[Path]:
    """The part files of a shard, or of all; none if there is no such folder. Files of others are none."""
    return sorted(part for part in folder.glob(f"{shard}.*.jsonl") if part.is_file() and is_one(part))


def is_one(file: Path) -> bool:
    """Whether a file can be a part: it is removed when it has been used, so nobody else's may be taken for one."""
    with open(file, "rb") as opened:
        return may_begin(opened.read(len(BEGINNING)))


def taken(parts: Iterable[Path]) -> Iterator[Entry]:
    """The entries of part files; a file is removed when all of its entries have been used."""
    for part in parts:
        yield from entries(part)
        part.unlink()


def entries(part: Path) -> Iterator[Entry]:
    """The entries of a part file; the last line may have been cut by the end of its worker."""
    with open(part, "rb") as file:
        for line in file:
            if line.endswith(b"\n") and (entry := from_line(line)):
                yield entry
