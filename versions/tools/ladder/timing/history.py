"""The runs of the benchmark, kept in build/bench/runs, a file each: a new run does not replace what others measured.

The runs that the READMEs show are committed, in a file of their own, so that there are some in a fresh clone.

Only figures of one run are compared with each other. They are current if the run was made of the versions as they are
now, on this processor, with this compiler; otherwise they are stale, which is said where they are shown.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladder.core import processor
from ladder.core.versions import discover
from ladder.timing import conditions
from ladder.timing.ratios import FEWEST
from shared_weights.tensor_file import appearing_whole

Run = dict[str, Any]  # the content of a run's file: `Results.as_json`
Line = dict[str, Any]  # a version or a peer in it
FOLDER = Path("build/bench/runs")
PUBLISHED = Path("versions/bench.json")


def keep(root: Path, run: Run) -> Path:
    """Write a run to its file, and remove older ones that have measured nothing that it has not. Returns the file."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{run['id']}.json"
    with appearing_whole(file) as partial:
        partial.write_text(json.dumps(run, indent=1) + "\n", encoding="utf-8")
    for other in kept(root):
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


def publish(root: Path, found: Iterable[Run]) -> None:
    """Write the runs that the READMEs show to their file, a line each."""
    with appearing_whole(root / PUBLISHED) as partial:
        partial.write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n", encoding="utf-8")


def published(root: Path) -> list[Run]:
    """The runs that the READMEs show; none if there is no such file, or it is damaged."""
    return read([root / PUBLISHED])


def kept(root: Path) -> list[Run]:
    """The runs that were made here."""
    return read((root / FOLDER).glob("*.json"))


def runs(root: Path) -> list[Run]:
    """All runs, the newest first."""
    found = {run["id"]: run for run in published(root) + kept(root)}
    return [found[name] for name in sorted(found, reverse=True)]


def read(files: Iterable[Path]) -> list[Run]:
    """The runs in these files, the newest first. Files that are damaged or of another form are left out."""
    found: list[Run] = []
    for file in files:
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            inside = content if isinstance(content, list) else [content]
            if all(usable(run) for run in inside):
                found += inside
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            continue
    return sorted(found, key=lambda run: run["id"], reverse=True)


def usable(run: Run) -> bool:
    """Whether a run can be used; raises LookupError, TypeError or AttributeError if a figure is missing or wrong."""
    return all(map(complete, run["versions"])) and bool({*measured(run), where(run), run["id"]})


def complete(line: Line) -> bool:
    """Whether a version's times can be used; raises LookupError or TypeError if something is missing or wrong."""
    return all(value > 0 for value in [line["threads"], *line["seconds"]]) and line["spread"] >= 0


def changed(root: Path, found: Iterable[Run]) -> set[str]:
    """The versions that are no longer what these runs timed: a file that is built is another, or they are gone."""
    digests = {version.name: conditions.sources(version) for version in discover(root)}
    return {line["name"] for run in found for line in run["versions"] if line["sources"] != digests.get(line["name"])}


def where(run: Run) -> str:
    """What was measured, where, and in which run, whose name tells when."""
    return f"{run['size']} x {run['size']} pixels on {run['processor']['name']}, run {run['id']}"


@dataclass(frozen=True)
class Today:
    """What the figures of a run must have been measured with, to be current.

    `vectors`: the processor's instruction sets, since several generations have the same name.
    """

    processor: str
    vectors: tuple[str, ...]
    compiler: str | None
    variables: dict[str, str]

    def stale(self, run: Run, sources: Mapping[str, str]) -> str:
        """Why a run's figures for these versions, name -> digest, are not current; empty if they are."""
        then, made = {line["name"]: line["sources"] for line in run["versions"]}, run["conditions"]
        then_on = run["processor"]["name"], tuple(run["processor"]["vectors"])
        changed = [name for name, digest in sources.items() if then.get(name) != digest]
        reasons = {
            f"{' and '.join(changed)} changed since": bool(changed),
            "another processor": then_on != (self.processor, self.vectors),
            "another compiler": made["compiler"] != self.compiler,
            "other settings": made["variables"] != self.variables,
        }
        return ", ".join(reason for reason, holds in reasons.items() if holds)


def of_all(root: Path) -> Run | None:
    """The newest run of all versions, which has drawn build/bench/chart.svg; None if there is none."""
    return next((run for run in kept(root) if not run["options"]["names"] and not run["conditions"]["busy"]), None)


def today() -> Today:
    """This machine and its settings."""
    here = processor.describe()
    return Today(here.name, here.vectors, conditions.compiler(), conditions.variables())
