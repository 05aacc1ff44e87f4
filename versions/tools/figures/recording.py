"""What a command printed in a terminal, and when: a file in asciicast's format 2, which `asciinema play` shows too."""

import codecs
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ladder.core import processor
from ladder.core.errors import LadderError
from shared_weights.tensor_file import appearing_whole

COMMAND = "nox -s classify -- pics/chelsea.png pics/eagle.jpg --top 3"
COLUMNS, ROWS = 62, 24  # so few columns that letters have 9 pixels on a phone
UNSET = ("COLORTERM", "COLUMNS", "FORCE_COLOR", "LINES", "NO_COLOR", "RESNET50_NOX")  # they change what is printed


@dataclass(frozen=True)
class Recording:
    """A command's output on a terminal of `columns` x `rows`: pairs of the seconds since its start, and text.

    `timestamp`: when it was recorded, in seconds since 1970; `title`: on which processor.
    """

    command: str
    title: str
    timestamp: int
    columns: int
    rows: int
    events: list[tuple[float, str]]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a file. Raises OSError, or LadderError if it is no recording."""
        try:
            header, *lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
            events = [(float(seconds), str(text)) for seconds, kind, text in lines if kind == "o"]
            common = (header["command"], header["title"], header["timestamp"], header["width"], header["height"])
        except (ValueError, LookupError, TypeError):
            raise LadderError(f"{file}: it is no recording in asciicast's format 2") from None
        return cls(*common, events)

    def write(self, file: Path) -> None:
        """Write a file, which appears when it is complete. Raises OSError."""
        size = {"version": 2, "width": self.columns, "height": self.rows}
        header = size | {"timestamp": self.timestamp, "command": self.command, "title": self.title}
        lines = [header, *([round(seconds, 3), "o", text] for seconds, text in self.events)]
        with appearing_whole(file) as partial:
            partial.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def first_run(root: Path) -> Recording:
    """COMMAND as one sees it the first time: nothing is compiled yet. Raises LadderError if it fails."""
    with tempfile.TemporaryDirectory() as cache:
        return record(root, COMMAND, RESNET50_CACHE=cache)


def record(root: Path, command: str, **variables: str) -> Recording:
    """Run a nox command of this repository on a terminal of its own, with these environment variables.

    Raises LadderError if it fails.
    """
    arguments = [sys.executable, "-m", "nox", *shlex.split(command)[1:]]
    began = time.time()
    code, events = run(arguments, root, variables)
    if code:
        printed = "".join(text for _, text in events)
        raise LadderError(f"{command} ended with exit code {code}: {printed.strip().splitlines()[-1:]}")
    return Recording(command, processor.name(), int(began), COLUMNS, ROWS, events)


def run(arguments: list[str], folder: Path, more: dict[str, str]) -> tuple[int, list[tuple[float, str]]]:
    """A program's exit code and the events on its terminal; `more`: environment variables that it gets, too."""
    import pty  # here, since Windows has neither: it can still draw what is recorded
    import termios

    controller, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (ROWS, COLUMNS))
    kept = {name: value for name, value in os.environ.items() if name not in UNSET}
    variables = kept | {"TERM": "xterm-256color"} | more
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    events, began = [], time.monotonic()
    process = subprocess.Popen(arguments, cwd=folder, env=variables, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    while data := read(controller):
        events.append((time.monotonic() - began, decoder.decode(data)))
    os.close(controller)
    return process.wait(), events


def read(controller: int) -> bytes:
    """What comes next from a terminal; nothing once no program has it any more."""
    try:
        return os.read(controller, 1 << 16)
    except OSError:  # Linux calls that an input/output error
        return b""
