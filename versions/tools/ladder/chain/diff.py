"""`diff`: shows how two versions differ, for a reader; or the whole ladder as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ladder.chain import diff_html, diff_text
from ladder.chain.difference import Change, compare
from ladder.chain.lineage import Size, Step, check
from ladder.core import highlight, terminal
from ladder.core.errors import LadderError
from ladder.core.files import working_tree
from ladder.core.versions import OWN, Version, discover, find, predecessor
from ladder.timing import gains as measurements
from ladder.timing.gains import HOW, Gain, Measured
from shared_weights.tensor_file import appearing_whole

BAR = 24  # characters for the file with the most changed lines
# The headings of the ladder's table -> the part of a step whose size is below it.
HEADS = {
    "src\nboth": ("src", True),
    "src\nnew": ("src", False),
    "tests\nboth": ("tests", True),
    "tests\nnew": ("tests", False),
}


@dataclass(frozen=True)
class Comparison:
    """Two versions, `before` on the left, their differences, and the measured gain.

    `steps`: the versions whose ideas make the difference, from the one after the earlier to the later one.
    """

    before: Version
    after: Version
    steps: list[Version]
    measured: str
    changes: list[Change]


def diff(root: Path, names: Sequence[str], full: bool = False, stat: bool = False, html: Path | None = None) -> int:
    """Print the difference of two versions, or of one and its predecessor; without names the ladder. Returns 0.

    `full`: unchanged parts too; `stat`: only the table of files; `html`: write a page there instead.
    Raises LadderError if a version does not exist, has no predecessor or is compared with itself, and for options that
    exclude each other.
    """
    if html and (stat or not names):
        raise LadderError("--html needs one or two versions, and is not for --stat: the page has both")
    if not names:
        if full or stat:
            raise LadderError("--full and --stat need one or two versions")
        show_ladder(root)
        return 0
    comparison = prepare(root, names)
    if html:
        with appearing_whole(html) as partial:
            partial.write_text(page(comparison, full), encoding="utf-8")
        terminal.note(f"written to {html}")
        return 0
    with terminal.paged() as console:
        show_head(console, comparison)
        if not stat:
            diff_text.show(console, comparison.changes, full)
    return 0


def prepare(root: Path, names: Sequence[str]) -> Comparison:
    """Find the versions and compare them; raises LadderError as `diff` does."""
    versions = discover(root)
    if len(names) > 2:
        raise LadderError(f"two versions can be compared, not {len(names)}")
    chosen = [find(versions, name) for name in names]
    if len(chosen) == 1:
        earlier = predecessor(versions, chosen[0])
        if earlier is None:
            raise LadderError(f"{chosen[0].name} is the first version: name another to compare it with")
        chosen.insert(0, earlier)
    before, after = chosen
    if before == after:
        raise LadderError(f"{before.name} has no difference from itself: name two versions")
    first, last = sorted(versions.index(version) for version in chosen)
    return Comparison(
        before,
        after,
        ideas(versions, versions[first], versions[last]),
        measurements.read(root).sentence(versions[first], versions[last]),
        compare(working_tree(before.folder), working_tree(after.folder)),
    )


def ideas(versions: list[Version], first: Version, last: Version) -> list[Version]:
    """The versions whose ideas make `last` of `first`; where it does not descend from it, those that made it since."""
    found: list[Version] = []
    one: Version | None = last
    while one and versions.index(one) > versions.index(first):
        found.insert(0, one)
        one = predecessor(versions, one)
    return found


def show_head(console: Console, comparison: Comparison) -> None:
    """Print the idea, the gain and the table of files."""
    console.print(Text.assemble((comparison.after.name, "bold"), " against ", (comparison.before.name, "bold")))
    console.print()
    for version in comparison.steps:
        console.print(Text.assemble((version.number, "bold"), f"  {version.idea}"))
    console.print()
    console.print(comparison.measured, markup=False)
    console.print(tabulate(comparison.changes))
    console.print(total(comparison.changes), markup=False)


def tabulate(changes: list[Change]) -> Table:
    """The files with their numbers of lines added and removed, also as a bar."""
    table = terminal.table()
    table.add_column("file", overflow="fold")
    table.add_column("")
    for head in ("added", "removed"):
        table.add_column(head, justify="right")
    table.add_column("", no_wrap=True)
    most = max((change.added + change.removed for change in changes), default=1)
    for change in changes:
        table.add_row(
            Text(change.title),
            Text(change.state, style="dim"),
            Text(str(change.added or ""), style="green"),
            Text(str(change.removed or ""), style="red"),
            bar(change, min(1.0, BAR / most)),
        )
    return table


def bar(change: Change, scale: float) -> Text:
    """A plus for each line added and a minus for each removed, times `scale`; at least one of a kind that exists."""
    plus, minus = (-int(-count * scale // 1) for count in (change.added, change.removed))
    return Text.assemble(("+" * plus, "green"), ("-" * minus, "red"))


def total(changes: list[Change]) -> str:
    """The total size of the changes, and the size of those in src."""
    source = [change for change in changes if change.path.startswith("src/")]
    return f"{size(changes)}; of these {size(source)} in src."


def size(changes: list[Change]) -> str:
    """The numbers of files and lines that change."""
    added, removed = sum(change.added for change in changes), sum(change.removed for change in changes)
    return f"{len(changes)} file{'s' * (len(changes) != 1)} (+{added} -{removed})"


def page(comparison: Comparison, full: bool) -> str:
    """The comparison as one HTML page."""
    ideas = [(version.name, version.idea) for version in comparison.steps]
    title = f"{comparison.after.name} against {comparison.before.name}"
    return diff_html.page(title, ideas, comparison.measured, total(comparison.changes), comparison.changes, full)


def show_ladder(root: Path) -> None:
    """Print the ladder: each version's idea, how much it changed, how large it is, and how much faster it was."""
    steps = check(discover(root))
    measured = measurements.read(root)
    console = terminal.output()
    console.print(tabulate_ladder(steps, measured))
    console.print(
        "Lines changed against the version before: in source and tests, each in the files that both have, and in those "
        f"that are new or gone. Files: without {' and '.join(OWN)}. Python, C: lines of code in src, without blank "
        "lines, comments and docstrings. `nox -s diff -- 06` shows one step.",
        markup=False,
    )
    versions = [step.version for step in steps]
    pairs = [(before, one) for one in versions if (before := predecessor(versions, one))]
    found = {one.name: measured.gains(before, one) for before, one in pairs}
    console.print(f"Gain: how many times as fast as the version before; {HOW}.", markup=False)
    for source in dict.fromkeys(gain.source for gains in found.values() for gain in gains):
        names = ", ".join(name for name, gains in found.items() if source in {gain.source for gain in gains})
        console.print(f"{names}: {source}.", markup=False)


def tabulate_ladder(steps: list[Step], measured: Measured) -> Table:
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
            *(lines(step.parts[part]) if before else Text() for part in HEADS.values()),
            str(counted.get("Python", "")),
            str(counted.get("C", "")),
            figures(measured.gains(before, version) if before else []),
        )
    return table


def lines(size: Size) -> Text:
    """A size as text: the lines added and, below them, removed."""
    return Text.assemble((f"+{size.added}", "green"), "\n", (f"-{size.removed}", "red"))


def figures(gains: list[Gain]) -> Text:
    """The gains as text, one per line."""
    shown = [gain.figure + f" @{gain.threads}" * (gain.threads > 1) + " stale" * bool(gain.stale) for gain in gains]
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
