"""A benchmark's results as a table and sentences for the terminal."""

import math
from typing import Any

from rich.table import Table
from rich.text import Text

from ladder.core import terminal
from ladder.machine.peak import for_numbers
from ladder.timing.neighbours import LIMIT
from ladder.timing.ratios import CONFIDENCE, FEWEST, Ratio
from ladder.timing.results import BASE, Results

NOISE = 0.1  # an interquartile range above this fraction of the median is worth a warning


def show(results: Results, unknown: str) -> None:
    """Print the table and the meaning of its figures; `unknown`: why the peak is unknown, if it is."""
    console = terminal.output()
    console.print(tabulate(results))
    for sentence in explain(results, unknown):
        console.print(sentence, markup=False)


def tabulate(results: Results) -> Table:
    """Two lines for each version and peer: the figure, and below it its uncertainty or a second figure."""
    table = terminal.table()
    table.add_column("version\n", no_wrap=True)
    times = ("median ms\nquartiles", f"x previous\n{CONFIDENCE} % interval", f"x {BASE}\nrounds")
    for head in (*times, "GFLOP/s\nof peak", "load s\nlater", "MB\n"):
        table.add_column(head, justify="right", no_wrap=True)
    for line in [*results.versions, *results.peers]:
        if line in results.peers[:1]:
            table.add_section()
        noisy = line.spread > NOISE
        mark = "*" * line.marked
        share = "" if line.share_of_peak is None else f"{rounded(100 * line.share_of_peak, rough=True)} %{mark}"
        memory = "-" if line.peak_memory is None else f"{line.peak_memory / 1e6:.0f}"
        later = "" if line.later_load_seconds is None else rounded(line.later_load_seconds, rough=True)
        quartiles = " to ".join(rounded(1e3 * seconds, noisy) for seconds in line.quartiles)
        table.add_row(
            cell(line.name, f"  {line.threads} threads" * (line.threads > 1)),
            cell(rounded(1e3 * line.median, noisy), quartiles, "yellow" if noisy else "bold"),
            cell(*ratio(line.faster, noisy)),
            cell(ratio(line.faster_than_base, noisy)[0], str(len(line.seconds))),
            cell(rounded(line.flops / 1e9, noisy) + mark, share),
            cell(rounded(line.load_seconds, rough=True), later),
            memory,
        )
    return table


def cell(first: str, second: str, style: str = "") -> Text:
    """A cell of two lines, the second one dim."""
    return Text.assemble((first, style), "\n", (second, "dim"))


def ratio(value: Ratio | None, noisy: bool) -> tuple[str, str]:
    """A ratio and its interval, as text."""
    if value is None:
        return "-", ""
    return rounded(value.median, noisy), " to ".join(rounded(end, noisy) for end in value.interval)


def rounded(value: float, rough: bool = False) -> str:
    """A positive number with three significant digits, or two if it is `rough`; never in powers of ten."""
    digits = 2 if rough else 3
    value = float(f"{value:.{digits}g}")
    return f"{value:.{max(0, digits - 1 - math.floor(math.log10(value)))}f}"


def duration(line: dict[str, Any]) -> str:
    """The median time of a line of the results, as text: in milliseconds, or in seconds from 10 on."""
    seconds, noisy = line["median"], line["spread"] > NOISE
    return f"{rounded(seconds, noisy)} s" if seconds >= 10 else f"{rounded(1e3 * seconds, noisy)} ms"


def explain(results: Results, unknown: str) -> list[str]:
    """Sentences that say what was measured, where and how."""
    state = "interrupted after " if results.interrupted else ""
    lines = [
        f"{results.size} x {results.size} pixels, weights synthetic; {state}{plural(results.rounds, 'round')} in "
        f"{results.elapsed:.0f} s.",
        " ".join([f"{results.processor.name}:", *results.processor.sentences()]),
        *circumstances(results),
        f"x previous, x {BASE}: the other version's time over this one's, the median over their common rounds. "
        + started(len(results.starts)),
    ]
    if rivals := dict.fromkeys(line.previous for line in results.peers if line.previous):
        lines[-1] += f" For those below the line: against {' or, in 8-bit integers, '.join(rivals)}."
    lines += compared(results)
    lines += [f"{label}: {how}." for label, how in {line.name: line.idea for line in results.peers}.items()]
    lines += peaks(results)
    lines += really(results)
    for line in results.versions:
        if line.faster_than_alone:
            times = " to ".join(rounded(end) for end in line.faster_than_alone.interval)
            lines.append(
                f"{line.name}: {line.threads} threads are {rounded(line.faster_than_alone.median)} times as fast as one"
                f" ({times})."
            )
    if unknown:
        lines.append(f"{unknown[0].upper()}{unknown[1:]}.")
    seldom = ", ".join(f"{line.name} in every {ordinal(line.period)}" for line in results.versions if line.period > 1)
    if seldom:
        lines.append(f"Slow versions take part in fewer rounds: {seldom}.")
    too_few = {line.name: "" for line in [*results.versions, *results.peers] if line.previous and not line.faster}
    if too_few:
        wish = "" if results.disturbed else "; give more --seconds or --rounds"
        lines.append(f"No ratio for {', '.join(too_few)}: that takes {FEWEST} common rounds{wish}.")
    return [*lines, f"Kept as {results.id} in build/bench/runs."]


def compared(results: Results) -> list[str]:
    """A sentence for each version that is compared with another one than that in the row above."""
    names = list(dict.fromkeys(line.name for line in results.versions))
    above = dict(zip(names[1:], names))
    others = {line.name: line.previous for line in results.versions if line.previous != above.get(line.name)}
    return [f"x previous of {name}: against {previous}." for name, previous in others.items() if previous]


def peaks(results: Results) -> list[str]:
    """A sentence for each number of cores, with a second one if there is a contestant in 8-bit integers."""
    integers = [line.name for line in [*results.versions, *results.peers] if line.int8]
    lines = []
    for count, sets in results.peak.items():
        cores = "one core" if count == 1 else f"{count} cores"
        for int8, unit, share in ((False, "GFLOP/s", "the share"), (True, "GOP/s in 8-bit integers", "their share")):
            if found := for_numbers(sets, int8):
                told = " and ".join(f"{rounded(flops / 1e9)} {unit} with {name}" for name, flops in found.items())
                lines.append(f"Peak of {cores}: {told}, measured between the rounds; {share} is of the larger.")
    if integers:
        lines.append(f"In 8-bit integers, so GOP/s in place of GFLOP/s: {', '.join(dict.fromkeys(integers))}.")
    return lines


def really(results: Results) -> list[str]:
    """Sentences about the versions that do other operations than are counted; none if there is no such version."""
    lines = [
        "*: counted as if each convolution were direct, so it may pass 100 % of the peak."
        + " So are the peers', whatever they do." * bool(results.peers)
    ]
    for line in results.versions:
        if line.marked and line.done:
            threads = f", {line.threads} threads" * (line.threads > 1)
            lines.append(
                f"{line.name}{threads}: {rounded(100 * line.done)} % of these operations are really done: "
                f"{rounded(line.done * line.flops / 1e9)} GFLOP/s"
            )
            if line.share_of_peak:
                lines[-1] += f", {rounded(100 * line.done * line.share_of_peak, rough=True)} % of the peak"
            lines[-1] += "."
    return lines if len(lines) > 1 else []


def started(times: int) -> str:
    """A sentence that says how often the versions' processes were started, which the intervals depend on."""
    if times < FEWEST:
        return "The processes were started once; two of the same version can differ by half a percent."
    return f"The processes were started {times} times, except slow versions and peers."


def circumstances(results: Results) -> list[str]:
    """Sentences about the compiler, the priority, and what else ran."""
    made, taken = results.conditions, results.neighbours
    settings = "".join(f", {name}={value}" for name, value in made.variables.items())
    lines = [f"Compiler: {made.compiler or 'none'}{settings}."]
    if made.priority:
        lines.append(f"Priority: {made.priority}, the same for all.")
    if made.busy:
        lines.append(f"Beside {plural(made.busy, 'endless loop')}, started for this run.")
    if taken is None:
        return [*lines, "Neighbours could not be detected: that takes Linux's /proc/stat and a second of rounds."]
    return [
        *lines,
        f"Neighbours: other processes took {100 * taken.others:.1f} % of the processors' time, steal (the host's other "
        f"work) {100 * taken.steal:.1f} %. Dropped, since they took more than {100 * LIMIT:g} %: "
        f"{plural(results.dropped, 'round')}.",
    ]


def plural(count: int, what: str) -> str:
    """So many of them: `1 round`, `2 rounds`."""
    return f"{count} {what}{'s' * (count != 1)}"


def ordinal(power: int) -> str:
    """A power of two as an ordinal number: 2nd, 4th, 8th, 16th, 32nd, ..."""
    return f"{power}{'nd' if power % 10 == 2 and power % 100 != 12 else 'th'}"


def warn(results: Results) -> None:
    """Warn on stderr if neighbours disturbed too many rounds, and about versions whose times are noisy."""
    if results.disturbed:
        terminal.note(
            f"ladder: other processes disturbed {results.dropped} of {results.rounds} rounds, so the times are of all "
            "rounds, and there is no ratio; close other programs and measure again"
        )
    lines = [*results.versions, *results.peers]
    noisy = [f"{line.name} ({100 * line.spread:.0f} %)" for line in lines if line.spread > NOISE]
    if noisy:
        terminal.note(
            f"ladder: the machine was noisy: the middle half of the times spreads by more than {100 * NOISE:.0f} % "
            f"of the median in {', '.join(noisy)}; close other programs and measure again"
        )
