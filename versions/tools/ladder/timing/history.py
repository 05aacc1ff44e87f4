"""The runs of the benchmark, kept in build/bench/runs, a file each: a new run does not replace what others measured.

Only figures of one run are compared with each other. They are current if the run was made of the versions as they are
now, on this processor, with this compiler; otherwise they are stale, which is said where they are shown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladder.core import processor
from ladder.timing import conditions
from ladder.timing.ratios import FEWEST
from shared_weights.tensor_file import appearing_whole

Run = dict[str, Any]  # the content of a run's file: `Results.as_json`
Line = dict[str, Any]  # a version or a peer in it
FOLDER = Path("build/bench/runs")


def keep(root: Path, run: Run) -> Path:
    """Write a run to its file, and remove older ones that have measured nothing that it has not. Returns the file."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{run['id']}.json"
    with appearing_whole(file) as partial:
        partial.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    for other in runs(root):
        if other["id"] < run["id"] and measured(other) <= measured(run):
            for old in folder.glob(f"{other['id']}.*"):
                old.unlink(missing_ok=True)
    return file


def measured(run: Run) -> set[tuple[Any, ...]]:
    """What the run measured well enough for a ratio: versions and peers, each with all that its time depends on."""
    made = run["conditions"]
    common = run["size"], run["processor"]["name"], made["compiler"], *sorted(made["variables"].items()), made["busy"]
    return {
        (*common, line["name"], line["threads"], line["sources"])
        for line in run["versions"] + run["peers"]
        if len(seconds(line)) >= FEWEST and not run["disturbed"]
    }


def seconds(line: Line) -> dict[int, float]:
    """The seconds of each round that counts."""
    return dict(zip(line["rounds"], line["seconds"]))


def runs(root: Path) -> list[Run]:
    """All runs, the newest first. Files that are damaged or of another form are left out."""
    found = []
    for file in sorted((root / FOLDER).glob("*.json"), reverse=True):
        try:
            run = json.loads(file.read_text(encoding="utf-8"))
            if all(complete(line) for line in run["versions"]) and {*measured(run), where(run), run["id"]}:
                found.append(run)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return found


def complete(line: Line) -> bool:
    """Whether a version's times can be used; raises LookupError or TypeError if something is missing or wrong."""
    return all(value > 0 for value in [line["threads"], *line["seconds"]]) and line["spread"] >= 0


def where(run: Run) -> str:
    """What was measured, where, and in which run, whose name tells when."""
    return f"{run['size']} x {run['size']} pixels on {run['processor']['name']}, run {run['id']}"


@dataclass(frozen=True)
class Today:
    """What the figures of a run must have been measured with, to be current."""

    processor: str
    compiler: str | None
    variables: dict[str, str]

    def stale(self, run: Run, sources: Mapping[str, str]) -> str:
        """Why a run's figures for these versions, name -> digest, are not current; empty if they are."""
        then, made = {line["name"]: line["sources"] for line in run["versions"]}, run["conditions"]
        changed = [name for name, digest in sources.items() if then.get(name) != digest]
        reasons = {
            f"{' and '.join(changed)} changed since": bool(changed),
            "another processor": run["processor"]["name"] != self.processor,
            "another compiler": made["compiler"] != self.compiler,
            "other settings": made["variables"] != self.variables,
        }
        return ", ".join(reason for reason, holds in reasons.items() if holds)


def of_all(root: Path) -> Run | None:
    """The newest run of all versions, which has drawn build/bench/chart.svg; None if there is none."""
    return next((run for run in runs(root) if not run["options"]["names"] and not run["conditions"]["busy"]), None)


def today() -> Today:
    """This machine and its settings."""
    return Today(processor.name(), conditions.compiler(), conditions.variables())
