"""Hypothesis strategies that damage correct bytes, whole numbers, texts and JSON."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Seeds = Callable[[], Sequence[bytes]]

EDITS = ["number"] * 4 + ["bit"] * 4 + ["bytes"] * 2 + ["insert", "repeat", "remove", "end"]
MOST_EDITS = 3
MOST_BYTES = 1 << 20  # longer inputs are truncated

# Numbers at which programs miscount: around zero, and around the limits of the types that hold sizes.
EDGES = sorted({sign * (2**bits + near) for bits in (0, 7, 8, 15, 16, 31, 32, 53, 63, 64) for near in (-1, 0, 1)
                for sign in (1, -1)})  # fmt: skip


@cache
def whole_numbers() -> SearchStrategy[int]:
    """Whole numbers, half of them at the edges of a type."""
    return st.sampled_from(EDGES) | st.integers(-300, 5000)


def edited(draw: DrawFn, data: bytes) -> bytes:
    """`data` with a part overwritten, or more rarely removed, repeated or inserted, or with the end cut off."""
    start = draw(st.integers(0, len(data)))
    end = start + draw(st.integers(0, 8) | st.integers(0, len(data)))
    match draw(st.sampled_from(EDITS)):
        case "number":
            size, start = draw(st.sampled_from([1, 2, 4, 8])), start & draw(st.sampled_from([-1, -2]))
            number = (draw(whole_numbers()) % (1 << 8 * size)).to_bytes(size, "little")
            return data[:start] + (number if draw(st.booleans()) else number[::-1]) + data[start + size :]
        case "bit":
            bit = 1 << draw(st.integers(0, 7))
            return data[:start] + bytes(byte ^ bit for byte in data[start : start + 1]) + data[start + 1 :]
        case "bytes":
            other = draw(st.binary(max_size=20))
            return data[:start] + other + data[start + len(other) :]
        case "insert":
            return data[:start] + draw(st.binary(max_size=20)) + data[start:]
        case "repeat":
            return (data[:start] + data[start:end] * draw(st.integers(2, 50)) + data[end:])[:MOST_BYTES]
        case "remove":
            return data[:start] + data[end:]
        case _:
            return data[:start]


def damage(draw: DrawFn, data: bytes) -> bytes:
    """`data` with a few edits, or none."""
    for _ in range(draw(st.integers(0, MOST_EDITS))):
        data = edited(draw, data)
    return data


@st.composite
def damaged(draw: DrawFn, seeds: Seeds, repair: Callable[[bytes], bytes] | None = None) -> bytes:
    """One of the seeds with a few edits; half of the results go through `repair`, which corrects checksums."""
    right = seeds()
    data = damage(draw, right[draw(st.integers(0, len(right) - 1))])
    return repair(data) if repair is not None and draw(st.booleans()) else data


@cache
def texts() -> SearchStrategy[str]:
    """Short texts of any characters, including lone surrogates, which no file encoding can represent."""
    return st.text(st.characters(exclude_categories=()), max_size=12)


@cache
def json_values() -> SearchStrategy[Any]:
    """Anything that JSON, as Python writes it, can represent."""
    leaves = st.none() | st.booleans() | whole_numbers() | st.floats() | texts() | st.just(10**400)
    return st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts(), inner), max_leaves=8)


def changed(draw: DrawFn, document: Any) -> Any:
    """A copy of `document` in which something, at any depth, was replaced, removed or added."""
    if isinstance(document, dict) and document and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(document)))
        return document | {key: changed(draw, document[key])}
    if isinstance(document, list) and document and draw(st.integers(0, 5)):
        index = draw(st.integers(0, len(document) - 1))
        return [*document[:index], changed(draw, document[index]), *document[index + 1 :]]
    if isinstance(document, dict):
        left = dict(list(document.items())[draw(st.integers(0, 1)) :])
        return left | draw(st.dictionaries(texts(), json_values(), max_size=2))
    if isinstance(document, list) and draw(st.booleans()):
        return document * draw(st.integers(0, 40))
    return draw(json_values())


def name_twice(draw: DrawFn, document: dict[str, Any]) -> str:
    """`document` as JSON in which a name occurs twice, first with the entry of any name."""
    name, other = draw(st.sampled_from(sorted(document))), draw(st.sampled_from(sorted(document)))
    return f"{{{json.dumps(name)}: {json.dumps(document[other])}, {json.dumps(document)[1:]}"


@st.composite
def json_bytes(draw: DrawFn, documents: Sequence[Any]) -> bytes:
    """One of `documents` with changed values, as JSON in some encoding, an eighth of them with a name twice.

    A third of them are also damaged as bytes.
    """
    document = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(0, 3))):
        document = changed(draw, document)
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32-be", "latin-1"]))
    errors = "replace" if encoding == "latin-1" else "surrogatepass"
    text = json.dumps(document, ensure_ascii=draw(st.booleans()))
    if isinstance(document, dict) and document and not draw(st.integers(0, 7)):
        text = name_twice(draw, document)
    data = text.encode(encoding, errors)
    if draw(st.integers(0, 2)):
        return data
    return damage(draw, draw(st.sampled_from([data, b"[" * 10_000, b'{"steps":' * 3000])))
