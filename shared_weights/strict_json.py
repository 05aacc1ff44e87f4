"""JSON in which no name occurs twice: of two entries Python's reader would take the last, another program the first."""

import json
from typing import Any

LARGEST_HEADER = 10_000_000  # bytes of a safetensors file's, as a version reads it; Python's objects take 25 times that


def loads(text: str | bytes) -> Any:
    """What `text` says; raises `ValueError` or `RecursionError` if it is not JSON, or if it has a name twice."""
    return json.loads(text, object_pairs_hook=_without_repetition)


def check_header(content: bytes) -> None:
    """Raises `ValueError` if a name occurs twice in the header of this safetensors file, which the library accepts.

    The file must be valid otherwise.
    """
    length = int.from_bytes(content[:8], "little")
    if length > LARGEST_HEADER:
        raise ValueError(f"its header has {length:,} bytes, more than {LARGEST_HEADER:,}")
    loads(content[8 : 8 + length])


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object."""
    entries: dict[str, Any] = {}
    for name, value in pairs:
        if name in entries:
            raise ValueError(f"the name {name!r} occurs twice")
        entries[name] = value
    return entries
