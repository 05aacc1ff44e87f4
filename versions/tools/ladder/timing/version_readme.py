"""The table of a version's README: its times beside its predecessor's, from the results that README.md shows."""

from collections.abc import Collection

from ladder.timing.bench_readme import CHANGED, SIZES, Found, Measured, command, lines, provenance, speed_up, table
from ladder.timing.bench_text import duration
from ladder.timing.ratios import CONFIDENCE, FEWEST

Entries = dict[int, Measured]  # number of threads -> a version's measurements


def section(found: Found, name: str, changed: Collection[str]) -> str:
    """The table and how it was measured, in Markdown; `changed`: the versions that are no longer what was timed.

    For each number of threads that the version was timed with: the predecessor's times with as many, or else with one;
    its own; and how many times as fast it is, where that is known.
    """
    own = entries(found, name)
    previous = predecessor(own)
    others, rows = entries(found, previous), list[list[str]]()
    for threads, measured in own.items():
        count = threads if threads in others else 1
        before = row(label(previous, count, others, changed), others.get(count, {}))
        if others and before not in rows:
            rows.append(before)
        rows.append(row(label(name, threads, own, changed), measured))
        ratios = [speed_up(measured[size]) if size in measured else "" for size in SIZES]
        if any(ratios):
            rows.append([f"times as fast as {previous[:2]}", *ratios])
    heads = ["one inference", *(f"{size} x {size}" for size in SIZES)]
    return f"{table(heads, rows, texts=1)}\n\n{how(found, [*filter(None, (previous, name))], changed)}"


def entries(found: Found, name: str) -> Entries:
    """A version's measurements by its number of threads; none if it was not timed."""
    return {threads: measured for (one, threads), measured in lines(found, "versions") if one == name}


def predecessor(own: Entries) -> str:
    """The version that these measurements are compared with; empty if there is none."""
    names = [line["previous"] for measured in own.values() for line in measured.values()]
    return next(filter(None, names), "")


def label(name: str, threads: int, timed: Entries, changed: Collection[str]) -> str:
    """A version's number, marked if it has changed since, and of how many threads if it was timed with several."""
    count = f", {threads} thread{'s' * (threads > 1)}" if len(timed) > 1 else ""
    return name[:2] + CHANGED * (name in changed) + count


def row(head: str, measured: Measured) -> list[str]:
    """The times at both sizes."""
    return [head, *(duration(measured[size]) if size in measured else "" for size in SIZES)]


def how(found: Found, names: list[str], changed: Collection[str]) -> str:
    """The sentences that say what the figures mean, and how they were measured."""
    versions = f"--versions {' '.join(name[:2] for name in names)}"
    timed = {size: {line["name"] for line in results["versions"]} for size, results in found.items()}
    commands = [command(size, versions) for size in found if timed[size].issuperset(names)]
    ratios = f"; ratios over the rounds that timed both, at least {FEWEST}, with their {CONFIDENCE} % intervals"
    marked = any(name in changed for name in names)
    return f"Medians over the rounds of one run{ratios * (len(names) > 1)}. {provenance(found, commands, marked)}"
