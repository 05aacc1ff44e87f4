"""How far a run is, how fast, and how long it will take: a bar on a terminal, elsewhere a line per minute."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from ladder.core import terminal

WINDOW = 60  # seconds: from the pictures of the last minute follow the rate and the time left
EVERY = 60  # seconds from one line to the next


class Rate(ProgressColumn):
    """Pictures per second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.3g} pictures/s" if task.speed else "")


class Counter:
    """Told of each picture that is done."""

    def __init__(self, bar: Progress, total: int) -> None:
        self.bar, self.total, self.done = bar, total, 0
        self.task = bar.add_task("labelling", total=total)
        self.started = self.said = time.monotonic()

    def step(self) -> None:
        """One more picture is done."""
        self.done += 1
        self.bar.advance(self.task)
        now = time.monotonic()
        if self.bar.disable and now - self.said >= EVERY:
            self.said = now
            terminal.note(self.line(now - self.started))

    def line(self, seconds: float) -> str:
        """How far it is after so many seconds."""
        rate = self.done / seconds
        left = (self.total - self.done) / rate
        return f"{self.done:,} of {self.total:,}; {rate:.3g} pictures/s; {span(left)} left"


def span(seconds: float) -> str:
    """A time in hours and minutes."""
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


@contextmanager
def progress(total: int) -> Iterator[Counter]:
    """The progress of `total` pictures, on stderr."""
    console = terminal.notes()
    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), Rate(), TimeRemainingColumn(), TextColumn("left"))
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown, speed_estimate_period=WINDOW) as bar:
        yield Counter(bar, total)
