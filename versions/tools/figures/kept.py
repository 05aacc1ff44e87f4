"""Measurements that figures are drawn from, kept as JSON files in versions/."""

import json
from pathlib import Path
from typing import Any

from ladder.core import terminal
from ladder.core.errors import LadderError
from shared_weights.tensor_file import appearing_whole


def write(root: Path, file: Path, found: dict[str, Any]) -> None:
    """Write a measurement to `file` below `root`, with a line for each of its versions, so that a diff can be read."""
    head = json.dumps(found | {"versions": []}).removesuffix("]}")
    lines = ",\n".join(map(json.dumps, found["versions"]))
    with appearing_whole(root / file) as partial:
        partial.write_text(f"{head}\n{lines}\n]}}\n", encoding="utf-8")
    terminal.note(f"written: {file.as_posix()}")


def read(root: Path, file: Path) -> dict[str, Any]:
    """The measurement in `file` below `root`. Raises LadderError if there is none."""
    try:
        found: dict[str, Any] = json.loads((root / file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise LadderError(f"{file.as_posix()} can't be read: `nox -s figures -- --measure` writes it") from None
    return found
