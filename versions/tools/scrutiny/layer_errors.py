"""`rounding --layers`: each convolution of the full network by itself, against float64 and the bound derived for it."""

import json
import subprocess
from pathlib import Path

from rich.text import Text

from ladder.core import environment, terminal, weights
from ladder.core.errors import LadderError, WorkerError
from ladder.core.selection import select
from ladder.core.versions import Version

PROGRAM = Path(__file__).parent / "inside" / "layer_errors.py"
SIZE = 224  # pixels

Row = tuple[str, str, float, float]  # as layer_errors.py says


def layer_errors(root: Path, name: str) -> int:
    """Print the table for the version with this name; the exit code is 1 if a layer is past its bound.

    Raises LadderError if the version's tests derive no bound.
    """
    [version] = select(root, [name], must_run=True)
    if not (version.folder / "tests" / "bound.py").exists():
        raise LadderError(f"{version.name} has no tests/bound.py, which derives the bound of a layer")
    with terminal.working(f"measuring {version.name}"):
        rows = measure(version, weights.find("synthetic"), SIZE)
    return report(version.name, rows)


def measure(version: Version, folder: Path, size: int) -> list[Row]:
    """The errors of each layer, with the weights in `folder`, for a random image of `size` x `size` pixels.

    Raises WorkerError with the last line of stderr if the version fails.
    """
    tests = version.folder / "tests"
    command = [str(environment.python(version)), str(PROGRAM), str(tests), str(folder), str(size)]
    done = subprocess.run(command, env=environment.variables(), capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["(no word on stderr)"]
        raise WorkerError(f"{version.name} can't be measured layer by layer: {words[-1]}")
    return [(name, form, error, share) for name, form, error, share in json.loads(done.stdout)]


def report(name: str, rows: list[Row]) -> int:
    """Print the table; the exit code is 1 if a layer is past its bound."""
    table = terminal.table(f"{name}: each layer alone, {SIZE} x {SIZE} pixels, weights synthetic")
    table.add_column("layer", no_wrap=True)
    table.add_column("form", no_wrap=True)
    table.add_column("largest error\nof the largest number", justify="right")
    table.add_column("largest share\nof the bound", justify="right")
    for layer, form, error, share in rows:
        table.add_row(layer, form, f"{error:.1e}", Text(f"{share:.2%}", style="green" if share <= 1 else "red"))
    terminal.output().print(table)
    wrong = [layer for layer, _, _, share in rows if not share <= 1]
    for layer in wrong:
        terminal.note(f"scrutiny: {name}: {layer} exceeds its bound")
    return 1 if wrong else 0
