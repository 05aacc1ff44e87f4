"""`fuzz`: tries hostile inputs on everything that reads files or command lines, and tallies the outcomes."""

import hashlib
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from fuzzing.process import Child, Verdict
from fuzzing.targets import TARGETS, Trial, trials
from fuzzing.workplace import furnish
from ladder.core import terminal
from ladder.core.errors import LadderError

SECONDS = 2.0  # for each trial, by default
BATCH = 500  # inputs that Hypothesis generates from one seed, all different


@dataclass
class Tally:
    """The outcomes of a target's inputs.

    `refused`: how often each error occurred, without the names and numbers in it. `failures`: for each kind of broken
    promise, the file of the first input and its verdict.
    """

    inputs: int = 0
    answered: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failures: dict[str, tuple[Path, Verdict]] = field(default_factory=dict)

    def count(self, verdict: Verdict, keep: Callable[[], Path]) -> None:
        """Count a verdict; `keep` is called to save the input if it is the first to fail in this way."""
        self.inputs += 1
        if verdict.kind == "answered":
            self.answered += 1
        elif verdict.kind == "refused":
            self.refused[gist(verdict.text)] += 1
        elif (kind := f"{verdict.kind}: {gist(verdict.text)}") not in self.failures:
            self.failures[kind] = keep(), verdict


def gist(text: str) -> str:
    """An error message without quotations, paths, tensor names and numbers, which differ from input to input."""
    text = re.sub(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\S*[/.]\S+", "_", text)
    return re.sub(r"\w*\d\w*|[^\x20-\x7e]+", "N", text)[:120]


def fuzz(root: Path, minutes: float | None, targets: Sequence[str], names: Sequence[str], first_seed: int) -> int:
    """Try inputs on every trial in turn and print a table. Returns 1 if a promise was broken, else 0.

    `minutes`: for all trials together, in equal parts; by default each gets SECONDS. The same seed gives the same
    inputs, as many as the time allows. After Ctrl-C, the results so far are shown, and the exit code is 130.
    """
    chosen = trials(root, targets or list(TARGETS), names)
    seconds = minutes * 60 / len(chosen) if minutes else SECONDS
    tallies = {trial.target: Tally() for trial in chosen}
    interrupted = False
    with terminal.still_progress(f"fuzzing for {seconds * len(chosen) / 60:.1f} min") as report:
        try:
            for index, trial in enumerate(chosen):

                def progress(part: float, index: int = index, trial: Trial = trial) -> None:
                    report((index + part) / len(chosen), f"{trial.target}, {trial.place}")

                progress(0)
                attempt(trial, seconds, first_seed, tallies[trial.target], root / "build" / "fuzz", progress)
        except KeyboardInterrupt:
            interrupted = True
    show(tallies, chosen)
    return 130 if interrupted else int(any(tally.failures for tally in tallies.values()))


def attempt(
    trial: Trial, seconds: float, first_seed: int, tally: Tally, kept: Path, report: Callable[[float], None]
) -> None:
    """Try inputs on one trial for this time, and count them in `tally`; `report` gets the fraction of the time used."""
    with tempfile.TemporaryDirectory() as folder:
        furnish(Path(folder))
        child = start(trial, Path(folder))
        begin = time.monotonic()

        tried = set[int]()

        def try_one(data: bytes) -> None:
            nonlocal child
            part = (time.monotonic() - begin) / seconds
            if part >= 1 or hash(data) in tried:
                return
            tried.add(hash(data))
            report(part)
            verdict = child.ask(data)
            tally.count(verdict, lambda: keep(trial, data, verdict, kept))
            if verdict.failed:  # its state is unknown now
                child.close()
                child = start(trial, Path(folder))

        try:
            while time.monotonic() - begin < seconds:
                batch(trial.target, first_seed, try_one)
                first_seed += 1
        finally:
            child.close()


def batch(target: str, number: int, try_one: Callable[[bytes], None]) -> None:
    """Call `try_one` with the BATCH inputs of a target that Hypothesis generates from the seed `number`."""
    made = settings(
        max_examples=BATCH,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )(given(TARGETS[target].inputs())(lambda data: try_one(data)))
    seed(number)(made)()


def start(trial: Trial, folder: Path) -> Child:
    """Start the trial's process."""
    return Child(trial.python, TARGETS[trial.target].call, folder, trial.variables)


def keep(trial: Trial, data: bytes, verdict: Verdict, kept: Path) -> Path:
    """Save an input that broke a promise, and beside it the verdict; returns the input's file."""
    kept.mkdir(parents=True, exist_ok=True)
    file = kept / f"{trial.target}.{trial.place}.{hashlib.sha256(data).hexdigest()[:8]}"
    file.write_bytes(data)
    file.with_name(file.name + ".txt").write_text(f"{verdict.kind}: {verdict.text}\n\n{verdict.details}\n")
    return file


def again(root: Path, file: Path) -> int:
    """Try a kept input again. Returns 1 if it still breaks its promise, else 0. Raises LadderError for other files."""
    target, _, rest = file.name.partition(".")
    place = rest.partition(".")[0]
    if target not in TARGETS or not file.is_file():
        raise LadderError(f"{file} is not an input that `fuzz` kept, such as build/fuzz/pictures.08_threads.1a2b3c4d")
    (trial,) = trials(root, [target], [place] if TARGETS[target].takes else [])
    with tempfile.TemporaryDirectory() as folder:
        furnish(Path(folder))
        with start(trial, Path(folder)) as child:
            verdict = child.ask(file.read_bytes())
    terminal.output().print(f"{verdict.kind}: {verdict.text}\n{verdict.details}".rstrip(), markup=False)
    return int(verdict.failed)


def show(tallies: dict[str, Tally], chosen: list[Trial]) -> None:
    """Print the table of outcomes, and each broken promise with the command that reproduces it."""
    table = terminal.table()
    for name in ("target", "in"):
        table.add_column(name, no_wrap=True)
    for name in ("inputs", "accepted", "refused", "errors", "failed"):
        table.add_column(name, justify="right")
    for target, tally in tallies.items():
        places = [trial.place.partition("_")[0] for trial in chosen if trial.target == target]
        shown = f"{places[0]} to {places[-1]}" if len(places) > 1 else places[0]
        numbers = (tally.inputs, tally.answered, tally.refused.total(), len(tally.refused), len(tally.failures))
        table.add_row(target, shown, *(f"{number:,}" for number in numbers))
    console = terminal.output()
    console.print(table)
    total, failures = sum(tally.inputs for tally in tallies.values()), 0
    for tally in tallies.values():
        for file, verdict in tally.failures.values():
            failures += 1
            console.print(f"{verdict.kind}: {verdict.text[:300]}", markup=False, soft_wrap=True)
            console.print(f"    nox -s fuzz -- --again {file}\n", markup=False, soft_wrap=True)
    console.print(f"{total:,} inputs; {failures} ways in which a promise was broken.", markup=False)
