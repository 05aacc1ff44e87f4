"""Where the time goes in a version, as measured by `nox -s profile`, as Markdown."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

MARKED = (
    "\\*: counted as if each convolution were direct, so it may pass 100 % of the peak; done: the operations that are "
    "really done, of the peak; MB and limit are theirs, with what one step leaves in memory for the next."
)
Row = dict[str, Any]  # a layer, as in build/profile/NAME.json
SUMS = ("seconds", "operations", "done", "bytes", "limit")


def profile(root: Path, name: str) -> str:
    """The times of a version's layers and the roofline plot, from `nox -s profile`; or how to make them."""
    file = root / "build" / "profile" / f"{name}.json"
    command = f"`nox -s profile -- {name[:2]}`"
    title = "\n\n## Where the time goes\n\n"
    if not file.exists():
        return f"{title}Not measured on this machine yet: {command} does it.\n"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        measured = found["versions"][0]
        rows, peak = measured["rows"], measured["peak"]
        by_kind, by_stage = (table(key, sums(rows, key), rows, peak) for key in ("kind", "stage"))
        layers = table("layer", rows, rows, peak)
        numbers = " Operations, peak and MB are of 8-bit integers." if measured.get("int8") else ""
        threads = f", {measured['threads']} threads" if measured["threads"] > 1 else ""
        where = f"{found['size']} x {found['size']} pixels{threads}, on {found['processor']}"
    except (ValueError, LookupError, TypeError):
        return f"{title}build/profile/{file.name} can't be read: {command} writes it again.\n"
    note = f" {MARKED}" if marked(rows) else ""
    drawn = "![roofline: the speed of each layer over its operations for each byte](/build/profile/{}.png)\n\n"
    plot = drawn.format(name) if file.with_suffix(".png").exists() else ""
    return (
        f"{title}{command}, {where}.{numbers} MB: input, output and weights, each once; limit: the time that these "
        f"bytes take from memory, or the operations at the peak, whichever is longer.{note}\n\n"
        f"{plot}### By kind of layer\n\n{by_kind}\n### By stage\n\n{by_stage}\n"
        f"<details><summary>All {len(rows)} layers</summary>\n\n{layers}\n</details>\n"
    )


def sums(rows: Iterable[Row], key: str) -> list[Row]:
    """A row for each kind or stage, with the sums of its layers' figures, in the order in which they first appear."""
    found: dict[str, Row] = {}
    for row in rows:
        total = found.setdefault(row[key], {"name": row[key], "shape": [], **dict.fromkeys(SUMS, 0)})
        for figure in SUMS:
            total[figure] += row[figure]
    return list(found.values())


def marked(rows: Iterable[Row]) -> bool:
    """Whether other operations are done than are counted."""
    return any(row["done"] != row["operations"] for row in rows)


def table(first: str, rows: Sequence[Row], layers: Sequence[Row], peak: float | None) -> str:
    """The rows as a table; `layers`: of the whole network, `peak`: operations per second, None if unknown."""
    other, outputs = marked(layers), ["output"] * (first == "layer")
    heads = [first, *outputs, "ms", "share", "GFLOP/s", "of peak", *["done"] * other, "MB", "limit, ms"]
    whole = sum(layer["seconds"] for layer in layers)
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for row in rows:
        speed, mark = row["operations"] / row["seconds"], "\\*" * marked([row])
        really = row["done"] / row["seconds"] / peak if mark and peak else None
        name = [f"`{row['name']}`", "x".join(map(str, row["shape"]))] if first == "layer" else [row["name"]]
        figures = (
            f"{1e3 * row['seconds']:.3f}",
            f"{row['seconds'] / whole:.1%}",
            f"{speed / 1e9:.3g}{mark}",
            f"{speed / peak:.1%}{mark}" if peak else "-",
            *[f"{really:.1%}" if really else ""] * other,
            f"{row['bytes'] / 1e6:.2f}",
            f"{1e3 * row['limit']:.3f}",
        )
        lines.append([*name, *figures])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
