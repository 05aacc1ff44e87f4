"""The command line: python -m arm."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("arm")

import argparse
import pkgutil
from pathlib import Path

from ladder.core import terminal
from ladder.core.arguments import Parser, Several, add_versions
from ladder.core.versions import ROOT

CPUS = ("cortex-a72", "neoverse-n1", "max")  # of 2015 and 2019, and all that qemu can do


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="arm",
        description="Builds each version in float32 for 64-bit ARM Linux and tests it on emulated processors: the "
        "operators' tests, a whole narrow network, whose layers must have the same bits as on x86-64, and the machine "
        "code of the innermost loops, which must not touch the stack. Needs Debian's gcc-aarch64-linux-gnu and "
        "qemu-user; an ARM Python with its libraries is downloaded into build/arm. Gives no times: those of an "
        "emulated processor mean nothing.",
        epilog="Exit code 0; 1 if something differs or fails; 2 if something is missing, with a one-line message.",
    )
    add_versions(top)
    top.add_argument("--cpus", action=Several, type=str, default=CPUS, metavar="NAME",
                     help=f"processors as qemu calls them (default: {', '.join(CPUS)})")  # fmt: skip
    top.add_argument("--short", action="store_true",
                     help="one processor, without macOS; by default only 04 and the newest version")  # fmt: skip
    return top


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line `argv` on the project in `root`; returns the exit code."""
    arguments = vars(parser().parse_args(argv))
    check = "arm.check:arm"  # imported only when it is needed
    return terminal.exit_code("arm", lambda: pkgutil.resolve_name(check)(root, **arguments))


if __name__ == "__main__":
    command_line.run(main)
