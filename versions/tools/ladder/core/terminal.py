"""Output: results on stdout; progress, notes and errors on stderr."""

import os
import shlex
import shutil
import signal
import subprocess
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.pager import Pager
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from ladder.core.errors import BuildError, LadderError

# The consoles are created on each use, so that they follow a stdout that was redirected after the import.


def output() -> Console:
    """The console for results; 80 columns wide if stdout is not a terminal and COLUMNS is not set."""
    return Console(highlight=False)


def notes() -> Console:
    """The console for everything that is not a result, on stderr."""
    return Console(stderr=True, highlight=False)


def printable(text: str, keep: str = "") -> str:
    """`text` from outside, such as a file's name or a label, made safe to print: it can't control the terminal.

    Control characters, overrides of the writing direction and bytes that are not UTF-8 are escaped as in a Python
    literal, `\\x1b`. Letters of all scripts stay, as do spaces of any width and the joiners of Persian and emoji.
    """
    return "".join(
        letter
        if letter.isprintable() or letter in f"{keep}\u200c\u200d" or unicodedata.category(letter) == "Zs"
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def note(text: str) -> None:
    """Print sentences or lines on stderr, literally: a file name may look like rich's markup."""
    notes().print(printable(text, keep="\n\t"), markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print one line on stderr, even if a name in it contains line breaks."""
    note(printable(text))


def exit_code(program: str, command: Callable[[], int]) -> int:
    """Run a tool's command. Returns its exit code; 2 for an error, which is printed on stderr; or 130 for Ctrl-C."""
    try:
        return command()
    except LadderError as error:
        if isinstance(error, BuildError):
            note(error.output.rstrip())
        complain(f"{program}: {error}")
    except OSError as error:
        complain(f"{program}: {error.filename or 'the system'}: {error.strerror}")
    except KeyboardInterrupt:
        return 130
    return 2


def table(title: str | None = None) -> Table:
    """An empty table in the tool's one style."""
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))


class UserPager(Pager):
    """Shows text with $PAGER or less, set up as in git: with colours, and ending at once if the text fits on screen."""

    def show(self, content: str) -> None:
        """Show the content until the reader quits; without a pager, print it."""
        try:
            command = shlex.split(os.environ.get("PAGER", "less"))
        except ValueError:  # an unclosed quote
            command = []
        if not command or command == ["cat"] or shutil.which(command[0]) is None:
            print(content, end="")
            return
        settings = {"LESS": "FRX", "LV": "-c"} | os.environ
        # While the pager runs, Ctrl-C is for the pager. An empty handler ignores it here: SIG_IGN would be inherited.
        before = signal.signal(signal.SIGINT, lambda signal_number, frame: None)
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, env=settings, encoding="utf-8")
            process.communicate(content)
        finally:
            signal.signal(signal.SIGINT, before)


@contextmanager
def paged() -> Iterator[Console]:
    """The console for results, through a pager if stdout is a terminal."""
    console = output()
    if not console.is_terminal:
        yield console
        return
    with console.pager(UserPager(), styles=True, links=True):
        yield console


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on stderr that vanishes at the end; without a terminal, one line that names the task.

    Yields a function to call with the name of each step as the step begins.
    """
    console = notes()
    if not console.is_terminal:
        note(f"{what} ...")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total, step="")
        begun = 0

        def begin(step: str) -> None:
            nonlocal begun
            bar.update(task, completed=begun, step=printable(step))
            begun += 1

        yield begin


@contextmanager
def still_progress(what: str) -> Iterator[Callable[[float, str], None]]:
    """A progress bar that is drawn only when called, with the fraction that is done, 0 to 1.

    So nothing of the tool's own runs between two calls and disturbs what is timed there.
    """
    console = notes()
    if not console.is_terminal:
        note(f"{what} ...")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}", markup=False),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal, auto_refresh=False
    ) as bar:
        task = bar.add_task(what, total=1.0, step="")
        yield lambda fraction, step: bar.update(task, completed=min(fraction, 1.0), step=step, refresh=True)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on stderr during one long step; without a terminal, a line."""
    console = notes()
    if not console.is_terminal:
        note(f"{what} ...")
        yield
        return
    with console.status(what):
        yield
