"""`diff`: shows how two versions differ, for a reader."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ladder.chain import diff_html, diff_text, overview, passages
from ladder.chain.diff_text import Difference
from ladder.chain.difference import Change, compare
from ladder.chain.passages import REST, Passage
from ladder.core import terminal
from ladder.core.errors import LadderError
from ladder.core.files import Tree, working_tree
from ladder.core.versions import Version, discover, find, predecessor
from ladder.timing import gains as measurements
from shared_weights.tensor_file import appearing_whole

LONGEST, SHORTEST = 24, 8  # characters for the file with the most changed lines, ...
REST_OF_ROW = 68  # ... of which a table with the longest names leaves these


@dataclass(frozen=True)
class Comparison:
    """Two versions, `before` on the left, their differences, and the measured gain.

    `steps`: the versions whose ideas make the difference, from the one after the earlier to the later one. `read`: of a
    version and its predecessor, the lines that hold the idea.
    """

    before: Version
    after: Version
    steps: list[Version]
    measured: str
    changes: list[Change]
    read: list[Passage]


def diff(
    root: Path,
    names: Sequence[str],
    full: bool = False,
    stat: bool = False,
    html: Path | None = None,
    pager: bool = True,
) -> int:
    """Print the difference of two versions, or of one and its predecessor; without names the ladder. Returns 0.

    `names`: also of a file, at the end, of which alone the difference is shown. `full`: all lines of all files; `stat`:
    only the table of files; `html`: write a page there instead; `pager`: use one on a terminal.
    Raises LadderError if a version does not exist, has no predecessor or is compared with itself, if no file or several
    could be meant, and for options that exclude each other.
    """
    if html and (stat or not names):
        raise LadderError("--html needs one or two versions, and is not for --stat: the page has both")
    if not names:
        if full or stat:
            raise LadderError("--full and --stat need one or two versions")
        overview.show(root)
        return 0
    versions, file = split(names)
    if len(names) == 1 and not (html or full or stat) and show_first(root, names[0], pager):
        return 0
    comparison = prepare(root, versions)
    if file is not None:
        comparison = replace(comparison, changes=[only(comparison, file)], read=[])
    if html:
        write(html, page(comparison, full))
        return 0
    with opened(pager) as console:
        if stat:
            show_head(console, comparison)
            show_files(console, comparison.changes)
        elif file is not None:
            diff_text.show_file(console, comparison.changes[0], full)
        else:
            show(console, comparison, full)
    return 0


def write(file: Path, page: str) -> None:
    """Write a page, and say so."""
    with appearing_whole(file) as partial:
        partial.write_text(page, encoding="utf-8")
    terminal.note(f"written to {file}")


def show(console: Console, comparison: Comparison, full: bool) -> None:
    """Print the idea, the gain, the lines to read, and then everything else."""
    show_head(console, comparison)
    text = Difference(console, comparison.changes)
    text.show_passages(comparison.read)
    if comparison.read:
        text.announce(REST)
    show_files(console, comparison.changes)
    text.show_files(full)


def opened(pager: bool) -> AbstractContextManager[Console]:
    """The console for the results, on a terminal through a pager unless that is not wanted."""
    return terminal.paged() if pager else nullcontext(terminal.output())


def show_first(root: Path, name: str, pager: bool) -> bool:
    """Print the lines that hold the first version's idea; False if this is another one, or declares none."""
    versions = discover(root)
    version = find(versions, name)
    tree = working_tree(version.folder)
    read = [] if predecessor(versions, version) else to_read(version, tree)
    if read:
        with opened(pager) as console:
            console.print(Text.assemble((version.name, "bold"), f", the first version: {version.idea}"))
            Difference(console, compare({}, tree)).show_passages(read)
    return bool(read)


def split(names: Sequence[str]) -> tuple[Sequence[str], str | None]:
    """The names of versions, and that of a file if there is one: the third, or one that can't be a version's."""
    if len(names) > 3:
        raise LadderError(f"two versions and a file can be compared, not {len(names)} names")
    is_file = len(names) == 3 or (len(names) == 2 and re.search(r"[./]", names[1]))
    return (names[:-1], names[-1]) if is_file else (names, None)


def only(comparison: Comparison, name: str) -> Change:
    """The change of the file with this path, or with this end of a path; a version's folder in front does no harm."""
    wanted = re.sub(r"^(.*/)?\d\d_[a-z0-9_]+/", "", name)
    found = [change for change in comparison.changes if wanted in (change.old, change.new)]
    found = found or [
        change
        for change in comparison.changes
        if any(path and path.endswith(f"/{wanted}") for path in (change.old, change.new))
    ]
    if len(found) == 1:
        return found[0]
    pair = f"{comparison.before.name} and {comparison.after.name}"
    if found:
        paths = ", ".join(change.path for change in found)
        raise LadderError(f"{name} could be {paths}, which all differ between {pair}: give more of the path")
    raise LadderError(f"no file that differs between {pair} is called {name}; --stat lists those that do")


def prepare(root: Path, names: Sequence[str]) -> Comparison:
    """Find the versions and compare them; raises LadderError as `diff` does."""
    versions = discover(root)
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
    tree = working_tree(after.folder)
    return Comparison(
        before,
        after,
        ideas(versions, versions[first], versions[last]),
        measurements.read(root).sentence(versions[first], versions[last]),
        compare(working_tree(before.folder), tree),
        to_read(after, tree) if before == predecessor(versions, after) else [],
    )


def to_read(version: Version, tree: Tree) -> list[Passage]:
    """The lines that hold the version's idea; if a name is not there, a note in their place: it may be being edited."""
    try:
        return list(passages.declared(version, tree))
    except LadderError as error:
        terminal.note(f"ladder: {error}")
        return []


def ideas(versions: list[Version], first: Version, last: Version) -> list[Version]:
    """The versions whose ideas make `last` of `first`; where it does not descend from it, those that made it since."""
    found: list[Version] = []
    one: Version | None = last
    while one and versions.index(one) > versions.index(first):
        found.insert(0, one)
        one = predecessor(versions, one)
    return found


def show_head(console: Console, comparison: Comparison) -> None:
    """Print which versions are compared, the idea and the gain."""
    console.print(Text.assemble((comparison.after.name, "bold"), " against ", (comparison.before.name, "bold")))
    console.print()
    for version in comparison.steps:
        console.print(Text.assemble((version.number, "bold"), f"  {version.idea}"))
    console.print()
    console.print(comparison.measured, markup=False)


def show_files(console: Console, changes: list[Change]) -> None:
    """Print the table of files and the size of the difference."""
    console.print(tabulate(changes, max(SHORTEST, min(LONGEST, console.width - REST_OF_ROW))))
    console.print(total(changes), markup=False)


def tabulate(changes: list[Change], width: int) -> Table:
    """The files with their numbers of lines added and removed, also as a bar of at most this width."""
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
            bar(change, min(1.0, width / most)),
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
    difference = diff_html.fragment(comparison.changes, comparison.read, full)
    return diff_html.page(title, ideas, comparison.measured, total(comparison.changes), difference)
