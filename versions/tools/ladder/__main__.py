"""The ladder's command line: shows, compares and maintains the versions of this ResNet-50."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("ladder")

import argparse
import pkgutil
from pathlib import Path

from ladder import options
from ladder.chain import options as chain_options
from ladder.core import terminal
from ladder.core.arguments import Parser, add_commands
from ladder.core.versions import ROOT

# Each command and its function, which is imported only when it is needed, so that no command pays for another's
# libraries. The function receives the project's root and the command's arguments, which ARGUMENTS declares.
COMMANDS = {
    "classify": "ladder.outputs.classify:classify",
    "accuracy": "ladder.outputs.accuracy:accuracy",
    "compare": "ladder.outputs.compare:compare",
    "lineage": "ladder.chain.lineage:lineage",
    "bench": "ladder.timing.bench:bench",
    "diff": "ladder.chain.diff:diff",
    "profile": "ladder.layers.profile:profile",
    "peaks": "ladder.layers.peaks:peaks",
    "features": "ladder.outputs.features:features",
    "carry": "ladder.chain.carry:carry",
    "new": "ladder.chain.new:new",
    "asm": "ladder.assembly.asm:asm",
    "test": "ladder.testing.command:test",
    "build": "ladder.testing.command:build_alone",
    "supply": "ladder.shipping.supply:supply",
    "reference": "ladder.outputs.reference:reference",
}
ARGUMENTS = vars(options) | vars(chain_options)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="ladder",
        description=__doc__,
        epilog="Exit code 0; 1 if a comparison failed; 2 for bad input, with a one-line message.",
    )
    add_commands(top, (ARGUMENTS[name] for name in COMMANDS))
    return top


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Run the command line `argv` on the project in `root`; returns the exit code."""
    top = parser()
    found, rest = top.parse_known_args(argv)
    arguments = vars(found)
    command = arguments.pop("command")
    if command == "test":
        arguments["arguments"] = rest  # for pytest
    elif rest:
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    return terminal.exit_code("ladder", lambda: pkgutil.resolve_name(COMMANDS[command])(root, **arguments))


if __name__ == "__main__":
    command_line.run(main)
