"""The command line: python -m scrutiny COMMAND."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("scrutiny")

import argparse
import pkgutil
from pathlib import Path

from ladder.core import terminal
from ladder.core.arguments import Parser, add_commands
from ladder.core.versions import ROOT
from scrutiny import options

# Each command and its function, which is imported only when it is needed; the arguments are in options.py.
COMMANDS = {
    "rounding": "scrutiny.rounding:rounding",
    "soak": "scrutiny.soak:soak",
    "checkers": "scrutiny.checkers:checkers",
    "mutants": "scrutiny.mutation:mutants",
    "sensitivity": "scrutiny.sensitivity:sensitivity",
}


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="scrutiny",
        description="Checks whether the versions keep their promises.",
        epilog="Exit code 0; 1 if a promise is broken; 2 for bad input, with a one-line message.",
    )
    add_commands(top, (getattr(options, name) for name in COMMANDS))
    return top


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line `argv` on the project in `root`; returns the exit code."""
    arguments = vars(parser().parse_args(argv))
    command = arguments.pop("command")
    return terminal.exit_code("scrutiny", lambda: pkgutil.resolve_name(COMMANDS[command])(root, **arguments))


if __name__ == "__main__":
    command_line.run(main)
