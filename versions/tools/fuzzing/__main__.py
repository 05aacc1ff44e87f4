"""Try hostile inputs on every version: pictures, weights, texts, arrays, command lines and calls to C.

Hypothesis generates them; each target runs in its own process, whose C is built with AddressSanitizer. Each input must
be accepted, or rejected with a named exception. Inputs that break this promise are kept in build/fuzz.
"""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("fuzzing")

import argparse
from pathlib import Path

from fuzzing.targets import TARGETS
from ladder.core import terminal
from ladder.core.arguments import Parser, add_versions, path
from ladder.core.versions import ROOT


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    epilog = "Exit code 0; 1 if a promise was broken; 2 for bad input, with a one-line message."
    top = Parser(prog="fuzzing", description=__doc__, epilog=epilog)
    top.add_argument("--minutes", type=minutes, metavar="N", help="in total (default: 2 s for each target and version)")
    top.add_argument("--targets", nargs="+", choices=TARGETS, default=[], metavar="NAME", help=", ".join(TARGETS))
    add_versions(top)
    top.add_argument("--seed", type=int, default=0, metavar="N", help="another seed gives other inputs (default: 0)")
    top.add_argument("--again", type=path, metavar="FILE", help="only try this input from build/fuzz again")
    return top


def minutes(text: str) -> float:
    """A time above 0, for argparse."""
    number = float(text)
    if not 0 < number < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is not a number of minutes")
    return number


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line `argv` on the project in `root`; returns the exit code."""
    arguments = parser().parse_args(argv)

    def run() -> int:
        from fuzzing.fuzz import again, fuzz

        if arguments.again:
            return again(root, arguments.again)
        return fuzz(root, arguments.minutes, arguments.targets, arguments.names, arguments.seed)

    return terminal.exit_code("fuzzing", run)


if __name__ == "__main__":
    command_line.run(main)
