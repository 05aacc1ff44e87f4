"""Draws the figures of the lesson, versions/README.md, as SVG files that read on light and on dark pages."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("figures")

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib

from figures import numbers, processor, roof, shares, team, tensors
from figures.sketch import Sketch
from ladder.core import terminal
from ladder.core.arguments import Parser, path
from ladder.core.errors import LadderError
from ladder.core.versions import ROOT
from shared_weights.sets import WeightSetError
from shared_weights.themes import STYLE, write_svg

FIGURES: dict[str, Callable[[], Sketch]] = {
    "kernel": tensors.kernel,
    "layout": tensors.layout,
    "chain": processor.chain,
    "caches": processor.caches,
    "tile": processor.tile,
    "roofline": roof.roofline,
    "shares": shares.shares,
    "barrier": team.barrier,
    "winograd": numbers.winograd,
    "scale": numbers.scale,
    "channels": numbers.channels,
}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = Parser(
        prog="figures",
        description=f"{__doc__} Takes some seconds.",
        epilog="Exit code 0; 2 for bad input, with a one-line message.",
    )
    top.add_argument("names", nargs="*", metavar="NAME", help=f"draw only these of {', '.join(FIGURES)}")
    top.add_argument("--out", type=path, metavar="FOLDER", help="the folder for the files, by default versions/figures")
    top.add_argument(
        "--measure",
        action="store_true",
        help=f"first time the versions for `shares`, which takes {shares.SECONDS} s and their builds, and keep that in "
        f"{shares.FILE.as_posix()}; leave the machine alone meanwhile",
    )
    return top


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Draw the figures that the command line `argv` names; returns the exit code."""
    top = parser()
    chosen = top.parse_args(argv)
    for name in chosen.names:
        if name not in FIGURES:
            top.error(f"there is no figure {terminal.printable(name)}: there are {', '.join(FIGURES)}")
    folder = chosen.out or root / "versions" / "figures"
    return terminal.exit_code("figures", lambda: draw(chosen.names or list(FIGURES), folder, chosen.measure))


def sketch(name: str) -> Sketch:
    """The figure of this name. Raises LadderError if it needs weights that cannot be read."""
    try:
        with matplotlib.rc_context(STYLE):
            return FIGURES[name]()
    except WeightSetError as error:
        raise LadderError(str(error)) from None


def draw(names: list[str], folder: Path, measure: bool) -> int:
    """Write these figures to `folder`, which is made if it is not there; if asked, measure first. Returns 0.

    Raises LadderError, OSError.
    """
    if measure:
        shares.measure()
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        drawn, file = sketch(name), folder / f"{name}.svg"
        write_svg(drawn.figure, file, drawn.title)
        print(terminal.printable(str(file)))
    return 0


if __name__ == "__main__":
    command_line.run(main)
