"""`bench`: every version timed against the one before it, in alternating rounds of one run."""

import json
import math
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ladder import environment, peak, rounds, terminal, weights
from ladder.contestants import contestants
from ladder.errors import LadderError
from ladder.peak import Peak
from ladder.ratios import CONFIDENCE, Ratio
from ladder.results import BASE, Line, Results, summarise
from ladder.rounds import Limits, Timings
from ladder.versions import Version, discover, find, obstacle
from ladder.worker import Worker, load_twice

SLOW_LIMIT = 64  # pixels; a version that declares itself slow takes 12 times as long for 224
NOISE = 0.1  # an interquartile range above this part of the median is worth a warning


def bench(
    root: Path,
    names: Iterable[str],
    size: int,
    most: int | None,
    budget: float,
    as_json: bool = False,
    threads: Iterable[int] = (1,),
) -> int:
    """Time the versions, print the table (or JSON) and write build/bench/results.json. Returns the exit code.

    `most`: of rounds; `budget`: seconds for loading, warming up and timing, the building of versions not counted.
    `threads`: versions that have threads are timed with each of these numbers.
    Raises LadderError if a version can't be built or run. After Ctrl-C, what was measured so far is shown, and the
    exit code is 130.
    """
    versions = choose(root, names, size)
    entries = contestants(versions, threads)
    folder = weights.find("synthetic")
    pythons = {version.name: environment.python(version) for version in versions}
    home = root / "build" / "bench"
    loops, unknown = find_peak(home)
    loops.threads = tuple(sorted({entry.threads for entry in entries}))
    timings, load = Timings(), dict[str, tuple[float, float]]()
    limits = Limits(most, time.monotonic() + budget)
    interrupted = False
    with ExitStack() as stack:
        tell = stack.enter_context(terminal.still_progress(f"timing {len(versions)} versions"))
        try:
            workers = []
            for entry in entries:
                tell(0, f"loading {entry.name}")
                python = pythons[entry.version.name]
                worker = Worker(entry.name, python, folder, size=size, threads=entry.threads)
                workers.append(stack.enter_context(worker))
                # After the worker, which may have compiled code that later processes find.
                load[entry.name] = load_twice(entry.name, python, folder, size, entry.threads)
            rounds.run(workers, limits, timings, loops.measure, tell)
        except KeyboardInterrupt:
            if not any(timings.seconds.values()):
                raise
            interrupted = True
    results = summarise(entries, size, load, timings, loops.medians(), loops.flops, interrupted)
    text = json.dumps(results.as_json(), indent=1)
    home.mkdir(parents=True, exist_ok=True)
    (home / "results.json").write_text(text + "\n")
    if as_json:
        print(text)
    else:
        show(results, unknown)
    warn(results)
    return 130 if interrupted else 0


def choose(root: Path, names: Iterable[str], size: int) -> list[Version]:
    """The named versions, or all that run here and are not too slow for the size; the others get a sentence.

    Raises LadderError if a named one can't run here, or if none is left.
    """
    versions = discover(root)
    named = [find(versions, name) for name in names]
    for version in named:
        if reason := obstacle(version):
            raise LadderError(reason)
    if named:
        return sorted(set(named), key=versions.index)
    chosen = []
    for version in versions:
        if reason := obstacle(version):
            terminal.note(reason)
        elif version.slow and size > SLOW_LIMIT:
            terminal.note(f"{version.name} is left out: it is timed at up to {SLOW_LIMIT} pixels, or when it is named")
        else:
            chosen.append(version)
    if not chosen:
        raise LadderError("there is no version to time")
    return chosen


def find_peak(home: Path) -> tuple[Peak, str]:
    """The loops that measure the processor's peak; or none, and a sentence that says why."""
    try:
        return peak.build(home), ""
    except LadderError as error:
        return Peak({}), str(error)


def show(results: Results, unknown: str) -> None:
    """Print the table and what its figures mean; `unknown`: why there is no peak, if there is none."""
    console = terminal.output()
    console.print(tabulate(results.versions))
    for sentence in explain(results, unknown):
        console.print(sentence, markup=False)


def tabulate(lines: list[Line]) -> Table:
    """Two lines for each version: the figure, and below it how sure it is or what it comes to."""
    table = terminal.table()
    table.add_column("version\n", no_wrap=True)
    times = ("median ms\nquartiles", f"x previous\n{CONFIDENCE} % interval", f"x {BASE}\nrounds")
    for head in (*times, "GFLOP/s\nof peak", "load s\nlater", "MB\n"):
        table.add_column(head, justify="right", no_wrap=True)
    for line in lines:
        noisy = line.spread > NOISE
        share = "" if line.share_of_peak is None else f"{rounded(100 * line.share_of_peak, rough=True)} %"
        memory = "-" if line.peak_memory is None else f"{line.peak_memory / 1e6:.0f}"
        quartiles = " to ".join(rounded(1e3 * seconds, noisy) for seconds in line.quartiles)
        table.add_row(
            cell(line.name, f"  {line.threads} threads" * (line.threads > 1)),
            cell(rounded(1e3 * line.median, noisy), quartiles, "yellow" if noisy else "bold"),
            cell(*ratio(line.faster, noisy)),
            cell(ratio(line.faster_than_base, noisy)[0], str(len(line.seconds))),
            cell(rounded(line.flops / 1e9, noisy), share),
            cell(rounded(line.load_seconds, rough=True), rounded(line.later_load_seconds, rough=True)),
            memory,
        )
    return table


def cell(first: str, second: str, style: str = "") -> Text:
    """Two lines, the second one dim."""
    return Text.assemble((first, style), "\n", (second, "dim"))


def ratio(value: Ratio | None, noisy: bool) -> tuple[str, str]:
    """The ratio and its interval."""
    if value is None:
        return "-", ""
    return rounded(value.median, noisy), " to ".join(rounded(end, noisy) for end in value.interval or ())


def rounded(value: float, rough: bool = False) -> str:
    """A positive number with three digits that count, or two where it is not that sure; never in powers of ten."""
    digits = 2 if rough else 3
    value = float(f"{value:.{digits}g}")
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(value)))}f}"


def explain(results: Results, unknown: str) -> list[str]:
    """What was measured, where, and how, each as a sentence."""
    state = "interrupted after " if results.interrupted else ""
    lines = [
        f"{results.size} x {results.size} pixels, weights synthetic; {state}{results.rounds} rounds in "
        f"{results.elapsed:.0f} s.",
        " ".join([f"{results.processor.name}:", *results.processor.sentences()]),
        f"x previous, x {BASE}: the other version's time over this one's, the median of all rounds that both were in.",
    ]
    for count, sets in results.peak.items():
        peaks = " and ".join(f"{rounded(flops / 1e9)} GFLOP/s with {name}" for name, flops in sets.items())
        cores = "one core" if count == 1 else f"{count} cores"
        lines.append(f"Peak of {cores}: {peaks}, measured between the rounds; the share is of the larger.")
    for line in results.versions:
        if line.faster_than_alone:
            times = " to ".join(rounded(end) for end in line.faster_than_alone.interval or ())
            lines.append(
                f"{line.name}: {line.threads} threads are {rounded(line.faster_than_alone.median)} times as fast as one"
                f"{f' ({times})' * bool(times)}."
            )
    if unknown:
        lines.append(f"{unknown[0].upper()}{unknown[1:]}.")
    seldom = ", ".join(f"{line.name} in every {ordinal(line.period)}" for line in results.versions if line.period > 1)
    if seldom:
        lines.append(f"Slow versions take part in fewer rounds: {seldom}.")
    return lines


def ordinal(power: int) -> str:
    """A power of two as an ordinal number: 2nd, 4th, 8th, 16th, 32nd, ..."""
    return f"{power}{'nd' if power % 10 == 2 and power % 100 != 12 else 'th'}"


def warn(results: Results) -> None:
    """Say on stderr which versions' times are unsure."""
    noisy = [f"{line.name} ({100 * line.spread:.0f} %)" for line in results.versions if line.spread > NOISE]
    if noisy:
        terminal.note(
            f"ladder: the machine was noisy: the middle half of the times spreads by more than {100 * NOISE:.0f} % "
            f"of the median in {', '.join(noisy)}; end other programs and measure again"
        )
