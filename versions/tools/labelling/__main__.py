"""Label every picture in a folder, however many there are; run again, it resumes where it stopped.

For each picture a line is appended to a manifest, FILE.jsonl: its path, size and time of change, the network, and its
label and score, or the reason why there is none. The last line about a picture counts. FILE.csv is written from the
manifest at the end. A picture is labelled again if it has changed, or if the network has.
"""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("labelling")

import argparse
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from ladder.core import terminal
from ladder.core.arguments import Parser, add_viewer, path, positive
from ladder.core.errors import LadderError
from ladder.core.versions import ROOT

MILLION = 1_000_000


def table(text: str) -> Path:
    """The file for the results."""
    if Path(text).suffix not in (".csv", ".jsonl"):
        raise argparse.ArgumentTypeError(f"{text} ends neither with .csv nor with .jsonl")
    return Path(text)


def up_to(most: int) -> Callable[[str], int]:
    """The type of a whole number from 1 to `most`; the system can't be asked for just any number of seconds or MB."""

    def number(text: str) -> int:
        if positive(text) > most:
            raise argparse.ArgumentTypeError(f"{text} is more than {most:,}")
        return int(text)

    return number


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    epilog = "Exit code 0, even if pictures failed; 2 for bad input or a folder that cannot be read; 130 for Ctrl-C."
    top = Parser(prog="labelling", description=__doc__, epilog=epilog)
    top.add_argument("folder", type=path, metavar="FOLDER", help="searched recursively, as `classify` does")
    top.add_argument(
        "--out", type=table, required=True, metavar="FILE", help="FILE.csv, or FILE.jsonl for the manifest alone"
    )
    add_viewer(top)
    top.add_argument("--retry-failed", action="store_true", help="retry the pictures that failed")
    top.add_argument("--processes", type=up_to(1024), metavar="N", help="how many (default: one for each processor)")
    top.add_argument(
        "--time-limit", type=up_to(MILLION), default=60, metavar="SECONDS", help="for each picture (default: 60)"
    )
    top.add_argument(
        "--memory-limit",
        type=up_to(MILLION),
        default=2500,
        metavar="MB",
        help="for each picture; the largest that a version accepts takes 2200 MB (default: 2500)",
    )
    top.add_argument(
        "--scheduler", metavar="ADDRESS", help="share the work among the workers of this Dask scheduler (see README.md)"
    )
    return top


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line `argv` on the project in `root`; returns the exit code."""
    arguments = vars(parser().parse_args(argv))

    def run() -> int:
        if not hasattr(os, "fork"):
            raise LadderError("it needs a system whose processes can fork, such as Linux")
        from labelling.label import label  # with the libraries that it needs

        try:
            return label(root, **arguments)
        except sqlite3.Error as error:  # of the manifest's index
            raise LadderError(f"a temporary file in $SQLITE_TMPDIR or /var/tmp can't be used: {error}") from error

    return terminal.exit_code("labelling", run)


if __name__ == "__main__":
    command_line.run(main)
