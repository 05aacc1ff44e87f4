"""The command line: python -m scrutiny COMMAND."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("scrutiny")

import argparse
from pathlib import Path

from ladder.__main__ import VERSION_HELP, Parser, positive
from ladder.core import terminal
from ladder.core.errors import BuildError, LadderError
from ladder.core.versions import ROOT


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="scrutiny",
        description="Tries whether the versions keep their promises.",
        epilog="Exit code 0; 1 if a promise is broken; 2 if something given is wrong, with a line that says what.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, summary: str, details: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {details}")
        made.add_argument("--versions", nargs="+", default=(), metavar="NAME", help=f"{VERSION_HELP} (default: all)")
        return made

    numbers = command(
        "numbers",
        "compare the versions with float64 on random networks",
        "Each seed makes two narrow networks with an image each: one of four listed sizes, and one of any size, which "
        "those versions do not see that compile C for each. Then zeros, black, white, denormal numbers, NaN, infinity; "
        "and whether the bits are the same from run to run, in another process, and with other numbers of threads.",
    )
    numbers.add_argument("--seeds", type=positive, default=4, metavar="N", help="how many (default: 4)")

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
        "Memcheck watches a narrow network that is loaded, infers and is let go, twice; the analyzers read all C, that "
        "which is generated for that network too. What clang-tidy is asked stands in .clang-tidy. Any finding fails.",
    )

    hardening = command(
        "hardening",
        "measure what the stack protector costs",
        "Each version that has C is built with it and without; both are timed in alternating rounds, and beside them a "
        "second process of the same build, since two of those differ too. All are begun anew again and again. Takes "
        "ten minutes. Leave the machine alone meanwhile.",
    )
    hardening.add_argument("--starts", type=positive, default=12, metavar="N", help="of the processes (default: 12)")
    hardening.add_argument("--rounds", type=positive, default=20, metavar="N", help="in each (default: 20)")
    return top


def run(arguments: argparse.Namespace, root: Path) -> int:
    """Run a command; each is imported only when it is wanted, so that none pays for another's libraries."""
    match arguments.command:
        case "numbers":
            from scrutiny.numbers import numbers

            return numbers(root, arguments.versions, arguments.seeds)
        case "soak":
            from scrutiny.soak import soak

            return soak(root, arguments.versions, arguments.inferences, arguments.loads, arguments.minutes)
        case "checkers":
            from scrutiny.checkers import checkers

            return checkers(root, arguments.versions)
        case "hardening":
            from scrutiny.hardening import hardening

            return hardening(root, arguments.versions, arguments.starts, arguments.rounds)
    raise AssertionError(f"no such command: {arguments.command}")


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line `argv` on the project in `root`; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return run(arguments, root)
    except LadderError as error:
        if isinstance(error, BuildError):
            terminal.note(error.output.rstrip())
        terminal.complain(f"scrutiny: {error}")
    except OSError as error:
        terminal.complain(f"scrutiny: {error.filename or 'the system'}: {error.strerror}")
    except KeyboardInterrupt:
        return 130
    return 2


if __name__ == "__main__":
    command_line.run(main)
