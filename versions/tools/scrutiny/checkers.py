"""`checkers`: runs memcheck, gcc -fanalyzer and clang-tidy on every version that has C."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.text import Text

from ladder.core import environment, terminal
from ladder.core.errors import LadderError
from ladder.core.selection import select
from ladder.core.versions import Version
from scrutiny.analyzers import clang_tidy, databases, fanalyzer
from scrutiny.memcheck import memcheck

CHECKERS = ("memcheck", "gcc -fanalyzer", "clang-tidy")
Findings = dict[str, list[str]]  # one of CHECKERS -> a line for each finding


def checkers(root: Path, names: Sequence[str]) -> int:
    """Print a table and all findings; the exit code is 1 if there are any."""
    versions = [version for version in select(root, names, int8=True) if version.has_c()]
    if not versions:
        raise LadderError("none of these versions has C")
    found: dict[str, Findings] = {}
    with terminal.progress("checkers", len(versions) * len(CHECKERS)) as begin:
        for version in versions:
            with tempfile.TemporaryDirectory() as scratch:
                found[version.name] = check(version, root, Path(scratch), begin)
    return report(found)


def check(version: Version, root: Path, scratch: Path, begin: Callable[[str], None]) -> Findings:
    """The checkers' findings in one version; `scratch`: an empty folder."""
    inference, code = scratch / "inference", scratch / "code"
    inference.mkdir()
    code.mkdir()
    environment.python(version)  # now there is a compile_commands.json
    places = databases(version, code)
    work: dict[str, Callable[[], list[str]]] = {
        "memcheck": lambda: memcheck(version, inference),
        "gcc -fanalyzer": lambda: [line for place in places for line in fanalyzer(place)],
        "clang-tidy": lambda: [line for place in places for line in clang_tidy(place, root)],
    }
    found = {}
    for name in CHECKERS:
        begin(f"{version.name}: {name}")
        found[name] = work[name]()
    return found


def report(found: dict[str, Findings]) -> int:
    """Print the table, and the findings below it."""
    table = terminal.table("Findings")
    for head in ("version", *CHECKERS):
        table.add_column(head)
    for version, findings in found.items():
        table.add_row(version, *(verdict(findings[name]) for name in CHECKERS))
    terminal.output().print(table)
    lines = [f"{version}: {line}" for version, all in found.items() for name in CHECKERS for line in all[name]]
    for line in lines:
        terminal.note(line)
    return 1 if lines else 0


def verdict(lines: list[str]) -> Text:
    """The number of findings, in red if there are any."""
    return Text(str(len(lines)), style="red") if lines else Text("none", style="green")
