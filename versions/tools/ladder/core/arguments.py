"""Shared by all tools' command lines: the parser, common options, and argument types."""

import argparse
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn

VERSION_HELP = "a version's folder name or its number: 03_naive_c or 03"
NAMES = Path("-")  # this object, not its equals such as ./-, stands for the names on standard input


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above 0")
    return int(text)


def thread_count(text: str) -> int:
    """A number of threads, 1 to 1024."""
    if positive(text) > 1024:
        raise argparse.ArgumentTypeError(f"{text} is more than 1024 threads")
    return int(text)


def channels(text: str) -> int:
    """A number of feature maps that fit side by side, 1 to 32."""
    if positive(text) > 32:
        raise argparse.ArgumentTypeError(f"{text} is more than 32 channels")
    return int(text)


def path(text: str) -> Path:
    """A file or folder. An empty name, such as an unset variable gives, does not mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name is neither a file nor a folder")
    return Path(text)


def pictures(text: str) -> Path:
    """A file or folder, or `-` for `NAMES`."""
    return NAMES if text == "-" else path(text)


def png(text: str) -> Path:
    """The name of a PNG file to write."""
    if Path(text).suffix != ".png":
        raise argparse.ArgumentTypeError(f"{text} does not end with .png")
    return Path(text)


def pixels(text: str) -> int:
    """The height and width of a picture that every version accepts, 32 to 1024."""
    if not 32 <= positive(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text} is not between 32 and 1024")
    return int(text)


def version(text: str) -> str:
    """A version's name or number; whether there is such a version is checked later."""
    if not text:
        raise argparse.ArgumentTypeError("an empty name is not a version")
    return text


class Several(argparse.Action):
    """Takes values that are separated by spaces, by commas, or by both: `1 2`, `1,2`. `type` converts each of them."""

    def __init__(self, *, type: Callable[[str], Any], **settings: Any):
        super().__init__(nargs="+", type=lambda text: [type(part) for part in text.split(",")], **settings)

    def __call__(self, parser: Any, namespace: Any, values: Any, option: str | None = None) -> None:
        setattr(namespace, self.dest, [value for group in values for value in group])


class Parser(argparse.ArgumentParser):
    """An argument parser that reports an error in one line, without a page of usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see --help\n")


def add_commands(top: argparse.ArgumentParser, functions: Iterable[Callable[[argparse.ArgumentParser], None]]) -> None:
    """Add a command for each function: the function's name is the command's, and the function adds its arguments.

    The function's docstring is the command's help: the summary, and below it the details.
    """
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add_arguments in functions:
        summary, _, details = str(inspect.getdoc(add_arguments)).partition("\n\n")
        text = f"{summary[0].upper()}{summary[1:]}. {details}"
        add_arguments(commands.add_parser(add_arguments.__name__, help=summary, description=text))


def add_viewer(command: argparse.ArgumentParser) -> None:
    """Add the options that choose the version and the weight set that look at a picture."""
    command.add_argument(
        "--version", metavar="NAME", help=f"{VERSION_HELP} (default: the newest in float32 that runs here)"
    )
    command.add_argument(
        "--weights",
        dest="weight_set",
        metavar="SET",
        help="cifar10, imagenet, synthetic, an imported set, a folder (default: imagenet if it is there, else cifar10)",
    )


def add_versions(command: argparse.ArgumentParser) -> None:
    """Add the option that names the versions, for commands whose default is all."""
    command.add_argument(
        "--versions",
        dest="names",
        action=Several,
        type=version,
        default=(),
        metavar="NAME",
        help=f"{VERSION_HELP} (default: all)",
    )


def add_limits(command: argparse.ArgumentParser, seconds: int) -> None:
    """Add the options that limit a measurement, by default to this many `seconds`."""
    command.add_argument("--rounds", type=positive, metavar="N", help="at most N (default: as many as the time allows)")
    command.add_argument(
        "--seconds", type=positive, default=seconds, metavar="N", help=f"at most N seconds (default: {seconds})"
    )
