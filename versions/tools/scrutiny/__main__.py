"""The command line: python -m scrutiny COMMAND."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("scrutiny")

import argparse
import pkgutil
from pathlib import Path

from ladder.core import terminal
from ladder.core.arguments import Parser, add_versions, positive
from ladder.core.versions import ROOT

# Each command and the function that does it, which is imported only when it is wanted.
COMMANDS = {
    "rounding": "scrutiny.rounding:rounding",
    "soak": "scrutiny.soak:soak",
    "checkers": "scrutiny.checkers:checkers",
}


def parser() -> argparse.ArgumentParser:
    """The whole command line; the name of an argument is that of the parameter which takes it."""
    top = Parser(
        prog="scrutiny",
        description="Checks whether the versions keep their promises.",
        epilog="Exit code 0; 1 if a promise is broken; 2 if something given is wrong, with a line that says what.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, details: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {details}")
        add_versions(made)
        return made

    rounding = command(
        "rounding",
        "compare the versions with float64 on random networks",
        "Each seed makes two narrow networks with an image each: one of four listed sizes, and one of any size, which "
        "versions that compile C for each size do not see. Then zeros, black, white, denormal numbers, NaN, infinity; "
        "and whether the bits are the same from run to run, in another process, and with other numbers of threads.",
    )
    rounding.add_argument("--seeds", type=positive, default=4, metavar="N", help="how many (default: 4)")

    soak = command(
        "soak",
        "look for what is left behind after many inferences and loads",
        "Each version runs a narrow network again and again, then loads one again and again; versions without C do a "
        "hundredth. Memory, file descriptors and threads must be in the end what they were after the first hundred. "
        "Then the newest version runs the full network at 224 x 224 pixels. All outputs must stay the same.",
    )
    soak.add_argument("--inferences", type=positive, default=10_000, metavar="N", help="default: 10000")
    soak.add_argument("--loads", type=positive, default=300, metavar="N", help="default: 300")
    soak.add_argument("--minutes", type=positive, default=5, metavar="N", help="with 224 x 224 pixels (default: 5)")

    command(
        "checkers",
        "look for faults in the C with valgrind, gcc -fanalyzer and clang-tidy",
        "Memcheck watches a narrow network that is loaded, infers and is let go, twice; the analyzers read all C, also "
        "what is generated for that network. .clang-tidy says which checks clang-tidy makes. Any finding fails.",
    )
    return top


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line `argv` on the project in `root`; returns the exit code."""
    arguments = vars(parser().parse_args(argv))
    command = arguments.pop("command")
    return terminal.exit_code("scrutiny", lambda: pkgutil.resolve_name(COMMANDS[command])(root, **arguments))


if __name__ == "__main__":
    command_line.run(main)
