"""`rounding`: measures how far every version is from float64 on random networks, and whether its bits always agree.

One in 8-bit integers is compared with the same network in whole numbers (shared_weights/quantised.py) instead, to the
last bit.
"""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ladder.core import terminal
from ladder.core.selection import select
from ladder.core.versions import Version
from ladder.outputs import agreement
from scrutiny import networks
from scrutiny.layer_errors import layer_errors
from scrutiny.process import Process
from scrutiny.tally import Columns, Tally, complaints, tabulate
from scrutiny.trials import RANDOM, SPECIAL, Trial, all_trials

THREADS = (1, 2, 5, 7, 16)  # each trial uses one of them
OTHERWISE = {"RESNET50_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}  # the settings of a second process

# The three tables: heading -> the tally, and how it is shown.
RANDOM_COLUMNS: Columns = {
    "inputs": ("random", Tally.count),
    "largest": ("random", Tally.distance),
    "on": ("random", Tally.place),
    "top 5": ("top 5", Tally.verdict),
    "ties": ("ties", Tally.verdict),
}
OTHER_COLUMNS: Columns = {kind.column: (kind.column, Tally.distance) for kind in SPECIAL}
BITS_COLUMNS: Columns = {name: (name, Tally.verdict) for name in ("run", "process", "number of threads")}
TALLIES = dict.fromkeys(name for name, _ in (RANDOM_COLUMNS | OTHER_COLUMNS | BITS_COLUMNS).values())


@dataclass
class Contestant:
    """A version, two processes of it with different settings, and its tallies."""

    version: Version
    first: Process
    second: Process
    tallies: dict[str, Tally] = field(default_factory=lambda: {name: Tally() for name in TALLIES})


def rounding(root: Path, names: Sequence[str], seeds: int, layers: str | None = None) -> int:
    """Print the tables, or with `layers` that of this version's layers; the exit code is 1 if a promise is broken."""
    if layers:
        return layer_errors(root, layers)
    versions, trials = select(root, names, int8=True), all_trials(seeds)
    float64 = networks.reference(root)
    with ExitStack() as stack:
        begin = stack.enter_context(terminal.progress("rounding", len(trials)))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        contestants = [
            Contestant(
                version,
                stack.enter_context(Process(version)),
                stack.enter_context(Process(version, **OTHERWISE)),
            )
            for version in versions
        ]
        for trial in trials:
            begin(str(trial))
            weights, known, image = trial.weights(), trial.scales(), trial.image()
            with np.errstate(all="ignore"):  # not all trials have finite numbers
                expected = {False: float64.network(weights, image)["fc"]}
                if any(version.int8 for version in versions):
                    expected[True] = networks.in_whole_numbers(weights, image, known)
            folder = networks.write(scratch / "weights", weights, known)
            for contestant in contestants:
                if trial.listed or not contestant.version.generates:
                    attempt(contestant, trial, folder, image, expected[contestant.version.int8])
    return report(contestants)


def attempt(contestant: Contestant, trial: Trial, folder: Path, image: np.ndarray, expected: np.ndarray) -> None:
    """Run one version on one trial: measure its distance from `expected`, and check that its bits repeat."""
    tallies, version, where = contestant.tallies, contestant.version, str(trial)
    tolerance = 0.0 if version.int8 else version.tolerance
    logits, again = contestant.first.infer(folder, [image, image])
    [elsewhere] = contestant.second.infer(folder, [image])
    if version.int8:
        tallies[trial.kind.column].require(where, np.array_equal(logits, expected, equal_nan=True))
    else:
        tallies[trial.kind.column].add(where, distance(logits, expected), tolerance)
    tallies["run"].require(where, again.tobytes() == logits.tobytes())
    tallies["process"].require(where, elsewhere.tobytes() == logits.tobytes())
    if version.threads:
        [threaded] = contestant.first.infer(folder, [image], THREADS[trial.seed % len(THREADS)])
        tallies["number of threads"].require(where, threaded.tobytes() == logits.tobytes())
    if trial.kind is RANDOM:
        tallies["top 5"].require(where, agreement.same_ranking(logits, expected, tolerance))
        tallies["ties"].require(where, np.array_equal(logits, logits[networks.twins(len(logits))]))


def distance(logits: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference from the expected logits, relative to the largest of them; infinite for wrong logits.

    If the expected logits are NaN, `logits` must be NaN; if they are infinite or too large for float32, `logits` must
    not be finite. In these cases nothing else is checked.
    """
    with np.errstate(over="ignore"):
        lost = ~np.isfinite(expected.astype(np.float32))
    if not lost.any():
        return agreement.difference(logits, expected, expected)
    right = np.isnan(logits[np.isnan(expected)]).all() and not np.isfinite(logits[lost]).any()
    return 0.0 if right else np.inf


def report(contestants: list[Contestant]) -> int:
    """Print the findings; the exit code is 1 if anything was wrong."""
    found = {contestant.version.name: contestant.tallies for contestant in contestants}
    tabulate("Random networks: differences from float64, relative to the largest logit", found, RANDOM_COLUMNS)
    tabulate("Other images: the same; and whether results that cannot be finite are not", found, OTHER_COLUMNS)
    tabulate("The same bits from one ... to the next", found, BITS_COLUMNS)
    if whole := [contestant.version.name for contestant in contestants if contestant.version.int8]:
        terminal.output().print(f"{' and '.join(whole)}: compared with the same network in integers, not with float64.")
    wrong = [line for name, tallies in found.items() for line in complaints(name, tallies)]
    for line in wrong:
        terminal.note(f"scrutiny: {line}")
    return 1 if wrong else 0
