"""The answers of `classify` for other programs: as lines of JSON, or as CSV."""

import json
import sys
from collections.abc import Iterable
from typing import Any

from ladder.core import csv_file, terminal, weights
from ladder.core.pictures import Refused
from ladder.core.terminal import printable
from ladder.outputs.naming import Named


def write(form: str, answers: Iterable[Named | Refused], version: str, weight_set: str) -> None:
    """Print a line for each picture on stdout; `form`: "json" or "csv"."""
    if weight_set == "synthetic":
        terminal.note(weights.MEANINGLESS)
    found = [as_object(answer) | {"version": version, "weights": weight_set} for answer in answers]
    if form == "csv":
        write_csv(found)
    else:
        for one in found:
            print(json.dumps(one))


def as_object(answer: Named | Refused) -> dict[str, Any]:
    """What is known of a picture: `top` and the rest, or `error`, a sentence."""
    if isinstance(answer, Refused):
        return {"picture": answer.name, "error": answer.error}
    return {
        "picture": answer.picture.name,
        "top": [{"label": label, "probability": probability} for label, probability in answer.guesses],
        "right": sorted(answer.picture.right),
        "verdict": answer.verdict,
        "seconds": answer.seconds,
    }


def write_csv(found: list[dict[str, Any]]) -> None:
    """A line with the names of the columns, and one for each picture, with empty cells for what is not known.

    On a terminal what could control it is escaped, as `ls` does; --json has the names as they are.
    """
    shown = printable if sys.stdout.isatty() else str
    places = range(1, max((len(one.get("top", ())) for one in found), default=0) + 1)
    guesses = [column for place in places for column in (f"label_{place}", f"probability_{place}")]
    table: list[list[object]] = [["picture", *guesses, "verdict", "seconds", "error", "version", "weights"]]
    for one in found:
        cells = [cell for guess in one.get("top", ()) for cell in (shown(guess["label"]), guess["probability"])]
        cells += [""] * (len(guesses) - len(cells))
        verdict = {True: "right", False: "wrong"}.get(one.get("verdict"), "")  # type: ignore[arg-type]
        rest = [verdict, one.get("seconds", ""), shown(one.get("error", "")), one["version"], shown(one["weights"])]
        table.append([shown(one["picture"]), *cells, *rest])
    csv_file.write(sys.stdout, table)
