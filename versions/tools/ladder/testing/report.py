"""Reports on a test run: a line for each unit, pytest's full output where it failed, and a table."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import PurePosixPath

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from ladder.core import terminal
from ladder.testing.outcome import Counts
from ladder.testing.units import NOTHING_SELECTED, Build, Stage, Unit


class Report:
    """Follows the units of a run.

    `whole`: the output of passing units is printed in full too; `shown`: pytest has already printed it.
    """

    def __init__(self, units: list[Unit], whole: bool, shown: bool):
        self.units, self.whole, self.shown = units, whole, shown
        self.console: Console = terminal.output()
        self.running: list[Unit] = []
        self.ready: set[str] = set()  # parts whose units have all ended
        self.bar: Progress | None = None

    @contextmanager
    def progress(self) -> Iterator[None]:
        """On a terminal, show how far the run is and which units are running."""
        step = TextColumn("{task.fields[step]}", markup=False)
        columns = TextColumn("testing"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), step
        silent = self.shown or not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=silent) as bar:
            self.bar, self.task = bar, bar.add_task("", total=len(self.units), step="")
            yield
            self.bar = None

    def began(self, unit: Unit) -> None:
        self.running.append(unit)
        self.refresh()

    def ended(self, unit: Unit) -> None:
        if unit in self.running:
            self.running.remove(unit)
            self.result(unit)
        self.refresh()
        own = [other for other in self.units if other.part == unit.part]
        if unit.part not in self.ready and all(other.ended for other in own) and not self.shown:
            self.ready.add(unit.part)
            self.say(f"{unit.part}: {closing(own)}", bold=True)

    def refresh(self) -> None:
        """Update the progress bar."""
        if self.bar:
            step = ", ".join(title(unit) for unit in self.running)
            self.bar.update(self.task, completed=sum(unit.ended for unit in self.units), step=terminal.printable(step))

    def result(self, unit: Unit) -> None:
        """Print the result of a unit that has run."""
        failed = unit.stage is Stage.FAILED
        if (failed or self.whole) and unit.result.output:
            self.console.print(Text.from_ansi(unit.result.output.rstrip("\n")), soft_wrap=True)
        if (isinstance(unit, Build) and not failed) or self.shown:
            return
        state = f"FAILED, exit code {unit.result.code}" if failed else "passed"
        numbers = str(unit.counts) if any(vars(unit.counts).values()) else ""
        if unit.result.code == NOTHING_SELECTED:
            state = "no test is selected here"
        found = ", ".join(filter(None, (numbers, "" if numbers and not failed else state)))
        self.say(f"{title(unit)}: {found} in {unit.result.seconds:.1f}s", failed=failed)

    def say(self, text: str, failed: bool = False, bold: bool = False) -> None:
        """Print a line."""
        style = "red" if failed else "bold" if bold else ""
        self.console.print(Text(terminal.printable(text), style), soft_wrap=True)
        self.console.file.flush()  # so that a log shows it at once

    def table(self, absent: list[str]) -> None:
        """Print the numbers of tests of each part; `absent`: the parts that this machine cannot run."""
        table = terminal.table()
        table.add_column("part")
        for head in ("run", "remembered", "skipped", "failed", "seconds"):
            table.add_column(head, justify="right")
        for part, units in grouped(self.units):
            run = total(unit for unit in units if unit.stage in (Stage.PASSED, Stage.FAILED))
            before = total(unit for unit in units if unit.stage is Stage.REMEMBERED)
            failed = run.failed + run.errors or sum(unit.stage is Stage.FAILED for unit in units)
            seconds = sum(unit.result.seconds for unit in units)
            numbers = [run.passed + run.failed + run.xfailed, before.passed + before.xfailed]
            cells = [*numbers, (run + before).skipped, Text(str(failed or ""), "red"), f"{seconds:.1f}"]
            table.add_row(part, *(cell if isinstance(cell, Text) else str(cell) for cell in cells))
        for part in absent:
            table.add_row(part, "-", "-", "-", "", "-")
        self.console.print(table)


def title(unit: Unit) -> str:
    """A unit's name in the report: 03_naive_c/tests/contract/test_ops.py."""
    return f"{unit.part}/{unit.name}" if unit.name.endswith(".py") else f"{unit.part} ({unit.name})"


def total(units: Iterator[Unit]) -> Counts:
    """The sum of the units' numbers of tests."""
    return sum((unit.counts for unit in units), Counts())


def grouped(units: list[Unit]) -> Iterator[tuple[str, list[Unit]]]:
    """Each part with its units except builds, in the order in which the parts were given."""
    order = list(dict.fromkeys(unit.part for unit in units))
    tests = [unit for unit in units if not isinstance(unit, Build)]
    for part, own in groupby(sorted(tests, key=lambda unit: order.index(unit.part)), lambda unit: unit.part):
        yield part, list(own)


def closing(units: list[Unit]) -> str:
    """The closing line of a part: pytest's, for all its units together, and why some units did not run."""
    tests = [unit for unit in units if not isinstance(unit, Build)]
    failed = [unit for unit in units if unit.stage is Stage.FAILED]
    seconds = sum(unit.result.seconds for unit in tests)
    ran = [unit for unit in tests if unit.stage in (Stage.PASSED, Stage.FAILED)]
    numbers = total(iter(ran))
    sentences = [f"{numbers if any(vars(numbers).values()) else 'run'} in {seconds:.1f}s"] if ran else []
    for place, group in remembered(tests):
        names = ", ".join(PurePosixPath(unit.name).stem for unit in group)
        if place == units[0].part:
            sentences.append(f"{len(group)} of {len(tests)} unchanged since they passed ({total(iter(group))})")
        else:
            sentences.append(f"the same bytes as in {place}, run there: {names} ({total(iter(group))})")
    if pointless := [PurePosixPath(unit.name).stem for unit in tests if unit.stage is Stage.POINTLESS]:
        sentences.append(f"no C is loaded by {', '.join(pointless)}, which are not run")
    if failed:
        sentences.append(f"FAILED: {', '.join(unit.name for unit in failed)}")
    return "; ".join(sentences) or "nothing to run"


def remembered(units: list[Unit]) -> Iterator[tuple[str, list[Unit]]]:
    """The units that did not run, by the part whose pass counts for them."""
    found = [(unit.record.part, unit) for unit in units if unit.stage is Stage.REMEMBERED and unit.record]
    for place, group in groupby(sorted(found, key=lambda pair: pair[0]), lambda pair: pair[0]):
        yield place, [unit for _, unit in group]
