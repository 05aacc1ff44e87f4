"""What the commands' arguments can be: the parser, and the types of values."""

import argparse

from . import console
from .network import LARGEST, SMALLEST


class Parser(argparse.ArgumentParser):
    """Reports a mistake in the command line as one line, without a page of usage above it."""

    def error(self, message):
        console.complain(f"{message} (try {self.prog} --help)", self.prog)
        self.exit(2)

    def print_help(self, file=None):
        console.write(self.format_help())


def path(text: str) -> str:
    """A file or folder name that is not empty, for argparse: Path("") would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def positive(text: str) -> int:
    """A whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def pixels(text: str) -> int:
    """A picture size that the network accepts, for argparse."""
    if not SMALLEST <= positive(text) <= LARGEST:
        raise argparse.ArgumentTypeError(f"{text} is not between {SMALLEST} and {LARGEST} pixels")
    return int(text)
