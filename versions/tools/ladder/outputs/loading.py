"""Starting a version while somebody watches: the first time, it compiles C for the processor."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from ladder.core import terminal
from ladder.core.worker import Parsed, Worker
from ladder.inside import program

COMPILING = "compiling C for this processor, once"
Told = Callable[[int, int], None]  # how many files are compiled, and of how many


class TellingWorker(Worker):
    """A version that calls `told` while it compiles C."""

    def __init__(self, *arguments: Any, told: Told = lambda done, total: None, **settings: Any):
        self.told = told
        super().__init__(*arguments, **settings)

    def arguments(self, weights: Path, size: int) -> list[str]:
        """The program that tells, with what it is to run."""
        return [program("telling"), *super().arguments(weights, size)]

    def receive(self, parse: Callable[[dict[str, Any]], Parsed]) -> Parsed:
        """Wait for the answer, and pass on what is told before it."""

        def told_or_parsed(answer: dict[str, Any]) -> list[Parsed]:
            if "compiled" not in answer:
                return [parse(answer)]
            self.told(int(answer["compiled"]), int(answer["of"]))
            return []

        while not (found := super().receive(told_or_parsed)):
            pass
        return found[0]


@contextmanager
def loading(name: str) -> Iterator[Told]:
    """Show on stderr that a version is being loaded; yields a function to call while it compiles C.

    A spinner, and with the first call a bar; without a terminal, a line for each of the two.
    """
    console, said = terminal.notes(), False
    if not console.is_terminal:
        terminal.note(f"loading {name} ...")
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"loading {name}", total=None)

        def told(done: int, total: int) -> None:
            nonlocal said
            if not said and not console.is_terminal:
                terminal.note(f"{COMPILING}: {total} files ...")
            said = True
            bar.columns = (*columns, BarColumn(bar_width=12), TextColumn(f"{done} of {total}"))
            bar.update(task, description=COMPILING, completed=done, total=total)

        yield told


def size_for(weights: Path) -> int:
    """Height and width that a weight set's preprocess.json gives to every picture; 224 if these depend on the picture.

    If a network is loaded for this size, it need not be prepared for another one when the first picture comes.
    """
    try:
        name, size = json.loads((weights / "preprocess.json").read_text(encoding="utf-8-sig"))["steps"][-1]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):  # the version says what is wrong
        return 224
    return size if name in ("resize", "center_crop") and type(size) is int and 32 <= size <= 1024 else 224
