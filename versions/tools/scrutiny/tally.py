"""A version's results on many trials of one kind, and tables of them."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from rich.text import Text

from ladder.core import terminal


@dataclass
class Tally:
    """How many trials there were, the largest distance and where it was, and which trials were wrong."""

    tried: int = 0
    worst: float = 0.0
    where: str = ""
    wrong: list[str] = field(default_factory=list)

    def add(self, where: str, distance: float, limit: float) -> None:
        """Add a trial, which is wrong if the distance exceeds the limit."""
        self.tried += 1
        if distance > self.worst or not self.where:
            self.worst, self.where = distance, where
        if distance > limit:
            self.wrong.append(where)

    def require(self, where: str, condition: bool) -> None:
        """Add a trial, which is wrong if the condition does not hold."""
        self.add(where, 0.0 if condition else math.inf, 0.0)

    def count(self) -> Text:
        """The number of trials, as text."""
        return Text(str(self.tried))

    def place(self) -> Text:
        """The trial with the largest distance, as text."""
        return Text(self.where)

    def distance(self) -> Text:
        """The largest distance, as text."""
        return self.coloured(f"{self.worst:.1e}" if 0 < self.worst < math.inf else "wrong" if self.worst else "right")

    def verdict(self) -> Text:
        """How many trials were right, or how many were wrong."""
        if not self.tried:
            return Text("-", style="dim")
        return self.coloured(f"{len(self.wrong)} of {self.tried} differ" if self.wrong else f"{self.tried} same")

    def coloured(self, words: str) -> Text:
        """Words in red if any trial was wrong, else in green."""
        return Text(words, style="red" if self.wrong else "green")


Columns = dict[str, tuple[str, Callable[[Tally], Text]]]  # heading -> the tally's name, and how it is shown


def tabulate(title: str, tallies: Mapping[str, Mapping[str, Tally]], columns: Columns) -> None:
    """Print a table; `tallies`: version -> name -> tally."""
    table = terminal.table(title)
    for head in ("version", *columns):
        table.add_column(head, overflow="fold")
    for version, found in tallies.items():
        table.add_row(version, *(show(found[name]) for name, show in columns.values()))
    terminal.output().print(table)


def complaints(version: str, tallies: Mapping[str, Tally]) -> Iterator[str]:
    """A sentence for each tally with wrong trials."""
    for name, tally in tallies.items():
        if tally.wrong:
            yield f"{version}: {name}: {len(tally.wrong)} of {tally.tried} are wrong, first {tally.wrong[0]}"
