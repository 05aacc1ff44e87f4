"""The whole ladder as a table: what `diff` shows without versions."""

from pathlib import Path

from rich.table import Table
from rich.text import Text

from ladder.chain.lineage import Size, Step, check
from ladder.core import highlight, terminal
from ladder.core.files import working_tree
from ladder.core.versions import OWN, Version, discover, predecessor
from ladder.timing import gains as measurements
from ladder.timing.gains import Gain, Measured

# The headings of the table -> the parts of a step whose size is below it.
HEADS = {
    "src\nboth": [("src", True)],
    "src\nnew": [("src", False)],
    "tests": [("tests", True), ("tests", False)],
}


def show(root: Path) -> None:
    """Print the ladder: each version's idea, how much it changed, how large it is, and how much faster it was."""
    steps = check(discover(root))
    measured = measurements.read(root)
    console = terminal.output()
    console.print(tabulate(steps, measured))
    console.print(
        "Lines changed against the predecessor: in source, in the files that both have and in those that are new or "
        f"gone; and in tests. Files: without {' and '.join(OWN)}. Python, C: lines of code in src, without blank "
        "lines, comments and docstrings. `nox -s diff -- 06` shows one step.",
        markup=False,
    )
    versions = [step.version for step in steps]
    pairs = [(before, one) for one in versions if (before := predecessor(versions, one))]
    found = {one.name: measured.gains(before, one) for before, one in pairs}
    console.print(
        "Gain: how many times as fast as the predecessor, @2: with 2 threads, *: stale; `nox -s bench` measures it.",
        markup=False,
    )
    for source in dict.fromkeys(gain.source for gains in found.values() for gain in gains):
        names = ", ".join(name for name, gains in found.items() if source in {gain.source for gain in gains})
        console.print(f"{names}: {source}.", markup=False)


def tabulate(steps: list[Step], measured: Measured) -> Table:
    """The ladder's table: a row for each version."""
    table = terminal.table()
    table.add_column("version\nidea")
    for head in ("files", *HEADS, "Python", "C", "gain"):
        table.add_column(head, justify="right", no_wrap=True)
    versions = [step.version for step in steps]
    for step in steps:
        version, counted = step.version, code(step.version)
        before = predecessor(versions, version)
        table.add_row(
            Text.assemble((version.name, "bold"), "\n", (version.idea, "dim")),
            str(step.files) if before else "",
            *(lines([step.parts[part] for part in parts]) if before else Text() for parts in HEADS.values()),
            str(counted.get("Python", "")),
            str(counted.get("C", "")),
            figures(measured.gains(before, version) if before else []),
        )
    return table


def lines(sizes: list[Size]) -> Text:
    """The sum of sizes as text: the lines added and, below them, removed."""
    added, removed = sum(size.added for size in sizes), sum(size.removed for size in sizes)
    return Text.assemble((f"+{added}", "green"), "\n", (f"-{removed}", "red"))


def figures(gains: list[Gain]) -> Text:
    """The gains as text, one per line; a stale one with an asterisk."""
    shown = [gain.figure + f" @{gain.threads}" * (gain.threads > 1) + "*" * bool(gain.stale) for gain in gains]
    return Text("\n".join(shown) or "-")


def code(version: Version) -> dict[str, int]:
    """Lines of code in the version's source, for each language."""
    counted: dict[str, int] = {}
    for path, content in working_tree(version.folder).items():
        language = highlight.language(path)
        if language and path.startswith("src/"):
            lines = highlight.lines_of_code(path, content.decode(errors="replace"))
            counted[language] = counted.get(language, 0) + lines
    return counted
