"""`bench --write`: makes the tables of README.md from the results of one run, at both sizes."""

from pathlib import Path
from typing import Any

from ladder.core import terminal
from ladder.core.errors import LadderError
from ladder.timing import chart
from ladder.timing.bench_text import NOISE, rounded
from ladder.timing.ratios import CONFIDENCE
from shared_weights.tensor_file import appearing_whole

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
SIZES = (64, 224)  # 01 is timed only at the first
CHART = Path("versions/bench.svg")

Found = dict[int, dict[str, Any]]  # size -> its results, `Results.as_json`
Measured = dict[int, dict[str, Any]]  # size -> a version's or peer's line in them


def write(root: Path, found: Found) -> None:
    """Put the tables and the chart into README.md, between its markers, and draw the chart."""
    readme = root / "README.md"
    before, begin, end, after = parts(readme)
    chart.draw(found[max(found)], root / CHART)
    with appearing_whole(readme) as partial:
        partial.write_text(f"{before}{begin}\n\n{section(found)}\n\n{end}{after}", encoding="utf-8")
    terminal.note(f"written: {readme.name} and {CHART.as_posix()}")


def parts(readme: Path) -> tuple[str, str, str, str]:
    """What is before the markers, the first, the second, what is after them; raises LadderError if there are none."""
    before, begin, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise LadderError(f"{readme} has no lines {BEGIN} and {END} to write between")
    return before, begin, end, after


def command(size: int, peers: bool) -> str:
    """The command that measures this size."""
    options = ["--peers"] * peers + [f"--size {size}"] * (size != 224)
    return " ".join(["nox -s bench", *["--"] * bool(options), *options])


def section(found: Found) -> str:
    """The chart, the tables, and how they were measured, in Markdown."""
    times = [f"{size} x {size}" for size in SIZES]
    versions = lines(found, "versions")
    texts = [f"![The ladder as a chart]({CHART.as_posix()})"]
    heads = ["version", "the idea", *times, "against the one before", "of peak"]
    texts.append(table(heads, [row(f"[`{one}`](versions/{one})", threads, of) for (one, threads), of in versions]))
    if peers := lines(found, "peers"):
        heads = ["peer", "how it is run", *times, f"against `{versions[-1][0][0]}`", "of peak"]
        texts.append(table(heads, [row(one, threads, of) for (one, threads), of in peers]))
    return "\n\n".join([*texts, how(found)])


def lines(found: Found, kind: str) -> list[tuple[tuple[str, int], Measured]]:
    """The name, number of threads and measurements of each version or peer, in the order of the results."""
    merged: dict[tuple[str, int], Measured] = {}
    for size, results in found.items():
        for line in results[kind]:
            merged.setdefault((line["name"], line["threads"]), {})[size] = line
    return sorted(merged.items()) if kind == "versions" else list(merged.items())


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table with two columns of text, then numbers."""
    rules = ["---", "---", *["---:"] * (len(heads) - 2)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [heads, rules, *rows])


def row(name: str, threads: int, measured: Measured) -> list[str]:
    """The cells of one row; everything but the times is from the largest measured size."""
    times = [duration(measured[size]) if size in measured else "" for size in SIZES]
    line = measured[max(measured)]
    name, idea = (f"{name}, {threads} threads", "") if threads > 1 else (name, line["idea"])
    return [name, idea, *times, ratio(measured), share(line)]


def share(line: dict[str, Any]) -> str:
    """The share of the peak as text; in brackets that of the operations that are really done, if these are others."""
    if line["share_of_peak"] is None:
        return ""
    counted, done = (rounded(100 * line["share_of_peak"] * part, rough=True) for part in (1, line["done"] or 1))
    return f"{counted} %" if line["done"] in (None, 1) else f"{counted} % ({done} %)"


def duration(line: dict[str, Any]) -> str:
    """The median time in milliseconds, as text."""
    seconds, noisy = line["median"], line["spread"] > NOISE
    return f"{rounded(seconds, noisy)} s" if seconds >= 10 else f"{rounded(1e3 * seconds, noisy)} ms"


def ratio(measured: Measured) -> str:
    """The speed-up over the row that it is compared with, and its interval."""
    size = max((size for size, line in measured.items() if line["faster"]), default=None)
    if size is None:
        return ""
    faster, noisy = measured[size]["faster"], measured[size]["spread"] > NOISE
    interval = " to ".join(rounded(end, noisy) for end in faster["interval"])
    where = f" at {size} x {size}" if size != max(SIZES) else ""
    return f"{rounded(faster['median'], noisy)} ({interval}){where}"


def how(found: Found) -> str:
    """The sentences that say what the figures mean, and where, when and with which commands they were measured."""
    commands = " and ".join(f"`{command(size, bool(results['peers']))}`" for size, results in found.items())
    machines = {
        f"{results['processor']['name']} ({results['processor']['threads']} processors), {results['began'][:10]}"
        for results in found.values()
    }
    others = any(line["done"] not in (None, 1) for results in found.values() for line in results["versions"])
    really = (
        ", where every convolution counts as if it were direct, so that it may pass 100 % (in brackets, the operations "
        "that are really done)"
    )
    return (
        f"Median of one inference; how many times as fast as the other, in the rounds of one run, with the "
        f"{CONFIDENCE} % interval of the median; and the share of what as many cores do with FMA alone"
        f"{really * others}. Measured on "
        f"{' and '.join(sorted(machines))}; {commands} {'print' if len(found) > 1 else 'prints'} it for your machine."
    )
