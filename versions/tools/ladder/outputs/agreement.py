"""Running several versions on the same inputs and measuring how far their logits are from a float64 reference."""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.text import Text

from ladder.core import environment, terminal
from ladder.core.errors import InferenceError
from ladder.core.versions import Version
from ladder.core.worker import Worker

Logits = dict[str, np.ndarray]  # trial -> (classes,)
Outputs = dict[str, Logits]  # version -> its logits


@dataclass(frozen=True)
class Trial:
    """An input (a picture or an `.npy` file) and the float64 logits (classes,) that a network should give for it.

    Versions that declare `slow` see only the trials marked `small`.
    """

    name: str
    path: Path
    expected: np.ndarray
    small: bool = False


@dataclass(frozen=True)
class Distance:
    """The largest difference between two networks' logits, relative to the largest expected one, and its trial."""

    names: tuple[str, str]
    value: float  # infinite for NaN and logits of another shape
    trial: str
    limit: float  # infinite between float32 and 8-bit integers, where any distance may be
    beyond: int  # the number of inputs on which the limit is exceeded, or on which there is no distance
    of: int  # the number of inputs on which both were run

    def partner(self, name: str) -> str:
        """The other name of the pair."""
        first, second = self.names
        return second if name == first else first

    def complaint(self) -> str | None:
        """A sentence if the limit is exceeded, or if the two have no input in common; else None."""
        first, second = self.names
        if not self.of:
            return f"{first} and {second} have no input in common"
        if not self.beyond:
            return None
        how = "not comparable with" if math.isinf(self.value) else f"{shown(self.value)} away from"
        where = f"beyond {self.limit:g} on {self.beyond} of {self.of} inputs"
        return f"{first} is {how} {second} on {self.trial}; {where}"


def run(versions: list[Version], weights: Path, trials: list[Trial]) -> tuple[Outputs, list[str]]:
    """Every version's logits for its trials, and a complaint for each input that it rejected."""
    pythons = {version.name: environment.python(version) for version in versions}
    work = {version.name: [trial for trial in trials if trial.small or not version.slow] for version in versions}
    outputs: Outputs = {}
    complaints: list[str] = []
    with terminal.progress(f"{weights.name}: running", sum(map(len, work.values()))) as begin:
        for name, seen in work.items():
            with Worker(name, pythons[name], weights) as worker:
                outputs[name] = run_one(worker, seen, complaints, begin)
    return outputs, complaints


def run_one(worker: Worker, trials: list[Trial], complaints: list[str], begin: Callable[[str], None]) -> Logits:
    """One version's logits; an input that it rejects is added to the complaints and left out."""
    logits = {}
    for trial in trials:
        begin(f"{worker.name}: {trial.name}")
        try:
            logits[trial.name] = worker.infer(trial.path).logits
        except InferenceError as error:
            complaints.append(f"{worker.name} refuses {trial.name}: {error}")
    return logits


def difference(logits: np.ndarray, other: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference between logits, relative to the largest expected one; infinite for NaN or other shapes."""
    if logits.shape != expected.shape or other.shape != expected.shape:
        return math.inf
    with np.errstate(invalid="ignore"):  # infinity minus infinity is NaN, which is judged below
        distance = float(np.abs(logits - other).max() / np.abs(expected).max())
    return math.inf if math.isnan(distance) else distance


def measure(names: tuple[str, str], first: Logits, second: Logits, trials: list[Trial], limit: float) -> Distance:
    """How far apart two networks are on the trials that both have run."""
    distances = {
        trial.name: difference(first[trial.name], second[trial.name], trial.expected)
        for trial in trials
        if trial.name in first and trial.name in second
    }
    worst = max(distances, key=distances.__getitem__, default="")
    beyond = sum(distance > limit or math.isinf(distance) for distance in distances.values())
    return Distance(names, distances.get(worst, 0.0), worst, limit, beyond, len(distances))


def to_reference(versions: list[Version], outputs: Outputs, trials: list[Trial]) -> list[Distance]:
    """Every version's distance from torchvision; of one in float32 it is limited by its tolerance."""
    expected = {trial.name: trial.expected for trial in trials}
    limits = {version.name: math.inf if version.int8 else version.tolerance for version in versions}
    return [measure((name, "torchvision"), outputs[name], expected, trials, limit) for name, limit in limits.items()]


def between(versions: list[Version], outputs: Outputs, trials: list[Trial]) -> list[Distance]:
    """The distance between every two versions, limited as `limit_between` says."""
    return [
        measure((one.name, two.name), outputs[one.name], outputs[two.name], trials, limit_between(one, two))
        for one, two in itertools.combinations(versions, 2)
    ]


def limit_between(one: Version, two: Version) -> float:
    """How far apart two versions may be: as far as the larger of their tolerances.

    This is stricter than their promises, which allow the sum: such a difference is worth a look. Two in 8-bit integers
    promise the same bits; one in 8-bit integers and one in float32 promise nothing to each other.
    """
    if one.int8 or two.int8:
        return 0.0 if one.int8 and two.int8 else math.inf
    return max(one.tolerance, two.tolerance)


def same_ranking(logits: np.ndarray, expected: np.ndarray, tolerance: float, count: int = 5) -> bool:
    """Whether the first `count` ranks are as expected; labels whose expected logits are closer than the bound may swap.

    The bound is `tolerance` times the largest expected logit. So each label must have the largest expected logit of
    those not yet placed, or one within the bound of it.
    """
    if logits.shape != expected.shape or np.isnan(logits).any():
        return False
    bound = tolerance * np.abs(expected).max()
    rest = expected.copy()
    for label in np.argsort(-logits, kind="stable")[:count]:
        if rest[label] < rest.max() - bound:
            return False
        rest[label] = -np.inf
    return True


def reordered(version: Version, logits: Logits, trials: list[Trial]) -> list[str]:
    """The trials on which the version's top 5 differs from torchvision's."""
    return [
        trial.name
        for trial in trials
        if trial.name in logits and not same_ranking(logits[trial.name], trial.expected, version.tolerance)
    ]


def report(title: str, versions: list[Version], outputs: Outputs, trials: list[Trial]) -> list[str]:
    """Print the table of the largest differences; returns a sentence for each that exceeds its tolerance.

    How far versions in 8-bit integers are from float32 is shown, and judged elsewhere: see distance.py.
    """
    table = terminal.table(f"{title}: differences relative to the largest logit")
    for head in ("version", "inputs", "torchvision", "on", "another", "top 5"):
        table.add_column(head, overflow="fold", justify="right" if head == "inputs" else "left")
    distances, pairs = to_reference(versions, outputs, trials), between(versions, outputs, trials)
    complaints = [line for distance in (*distances, *pairs) if (line := distance.complaint())]
    for version, distance in zip(versions, distances, strict=True):
        swapped = reordered(version, outputs[version.name], trials)
        if swapped and not version.int8:
            complaints.append(f"{version.name}'s top 5 differ from torchvision's on {', '.join(swapped)}")
        furthest = max(
            (pair for pair in pairs if version.name in pair.names), key=lambda pair: pair.value, default=None
        )
        table.add_row(
            version.name,
            str(distance.of),
            coloured(distance),
            distance.trial,
            coloured(furthest).append(f" {furthest.partner(version.name)[:2]}") if furthest else "-",
            in_colour(f"{len(swapped)} differ" if swapped else "same", bool(swapped), not version.int8),
        )
    terminal.output().print(table)
    if whole := [version.name for version in versions if version.int8]:
        text = "8-bit integers, to which that tolerance does not apply"
        judge = "`nox -s reference` compares their logits with ONNX Runtime's, to the last bit"
        terminal.output().print(f"{' and '.join(whole)}: {text}; {judge}.")
    return complaints


def report_alone(title: str, versions: list[Version], outputs: Outputs, trials: list[Trial]) -> list[str]:
    """As `report`, but where torchvision's logits are not known: the versions are held against one another only.

    Differences are relative to the largest logit of the first version that has seen the input.
    """
    seen = {trial.name: [outputs[version.name].get(trial.name) for version in versions] for trial in trials}
    first = {name: next((logits for logits in found if logits is not None), None) for name, found in seen.items()}
    trials = [replace(trial, expected=known) for trial in trials if (known := first[trial.name]) is not None]
    table = terminal.table(f"{title}: differences relative to the largest logit")
    for head in ("version", "inputs", "another", "on"):
        table.add_column(head, overflow="fold", justify="right" if head == "inputs" else "left")
    pairs = between(versions, outputs, trials)
    for version in versions:
        own = [pair for pair in pairs if version.name in pair.names]
        furthest = max(own, key=lambda pair: pair.value, default=None)
        distance = coloured(furthest).append(f" {furthest.partner(version.name)[:2]}") if furthest else "-"
        table.add_row(version.name, str(len(outputs[version.name])), distance, furthest.trial if furthest else "-")
    terminal.output().print(table)
    terminal.output().print("torchvision's own answers are not here yet: `nox -s reference -- --write`.")
    return [line for pair in pairs if (line := pair.complaint())]


def coloured(distance: Distance) -> Text:
    """The distance as text, in the colour of the verdict."""
    return in_colour(shown(distance.value), bool(distance.beyond), math.isfinite(distance.limit))


def in_colour(words: str, wrong: bool, judged: bool) -> Text:
    """Words in red if `wrong`, else in green; as they are if that is not `judged`."""
    return Text.assemble((words, "" if not judged else "red" if wrong else "green"))


def shown(distance: float) -> str:
    """A relative difference as text, with two digits."""
    return "no number" if math.isinf(distance) else f"{distance:.1e}"
