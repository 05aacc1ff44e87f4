"""Draws the READMEs' figures as SVG files that read on light and on dark pages: the lesson's, rooflines, a terminal."""

if __name__ == "__main__":
    from ladder.core import command_line

    command_line.begin("figures")

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib

from figures import numbers, processor, recording, roof, rungs, screen, shares, team, tensors
from figures.sketch import Sketch
from ladder.core import terminal
from ladder.core.arguments import Parser, path
from ladder.core.errors import LadderError
from ladder.core.versions import ROOT
from shared_weights.sets import WeightSetError
from shared_weights.themes import STYLE, write_svg

ROOFLINES = {f"roofline_{name}": partial(rungs.rung, name) for name in rungs.RUNGS[1:]}
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
    **ROOFLINES,
}
MEASURED = {"shares": shares.measure, **dict.fromkeys(ROOFLINES, rungs.measure)}
TERMINAL = "terminal"  # the figure that is drawn from a recording, which lies beside it


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = Parser(
        prog="figures",
        description=f"{__doc__} Takes some seconds.",
        epilog="Exit code 0; 2 for bad input, with a one-line message.",
    )
    names = ", ".join([*FIGURES, TERMINAL])
    top.add_argument("names", nargs="*", metavar="NAME", help=f"draw only these of {names}")
    top.add_argument("--out", type=path, metavar="FOLDER", help="the folder for the files, by default versions/figures")
    top.add_argument(
        "--measure",
        action="store_true",
        help=f"first time the versions for {', '.join(MEASURED)}, or for those of them that are named, and keep that "
        f"in {shares.FILE.as_posix()} and {rungs.FILE.as_posix()}: some five minutes; leave the machine alone",
    )
    top.add_argument("--record", action="store_true", help=f"first record the terminal again: {recording.COMMAND}")
    return top


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    """Draw the figures that the command line `argv` names; returns the exit code."""
    top = parser()
    chosen = top.parse_args(argv)
    for name in chosen.names:
        if name not in (*FIGURES, TERMINAL):
            top.error(f"there is no figure {terminal.printable(name)}: there are {', '.join(FIGURES)}, {TERMINAL}")
    if chosen.measure and chosen.names and not MEASURED.keys() & chosen.names:
        top.error(f"nothing is measured for {', '.join(chosen.names)}: --measure is for {', '.join(MEASURED)}")
    names, folder = chosen.names or [*FIGURES, TERMINAL], chosen.out or root / "versions" / "figures"
    return terminal.exit_code("figures", lambda: draw(names, folder, root, chosen.measure, chosen.record))


def sketch(name: str) -> Sketch:
    """The figure of this name. Raises LadderError if it needs weights that cannot be read."""
    try:
        with matplotlib.rc_context(STYLE):
            return FIGURES[name]()
    except WeightSetError as error:
        raise LadderError(str(error)) from None


def draw(names: list[str], folder: Path, root: Path, measure: bool, record: bool) -> int:
    """Write these figures to `folder`, which is made if it is not there. Returns 0. Raises LadderError, OSError.

    `measure`: whether the versions are timed first; `record`: whether the terminal is recorded first.
    """
    recorded = root / "versions" / "figures" / f"{TERMINAL}.cast"
    if measure:
        for timing in dict.fromkeys(MEASURED[name] for name in names if name in MEASURED):
            timing()
    if record:
        recording.first_run(root).write(recorded)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        file = folder / f"{name}.svg"
        if name == TERMINAL:
            screen.write(recording.Recording.read(recorded), file)
        else:
            drawn = sketch(name)
            write_svg(drawn.figure, file, drawn.title)
        print(terminal.printable(str(file)))
    return 0


if __name__ == "__main__":
    command_line.run(main)
