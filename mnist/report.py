"""How good a set of weights is: a table of its accuracy, and the figures that explain it."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from mnist import plots
from mnist.data import Parts
from mnist.evaluate import evaluate
from mnist.network import Parameters
from mnist.shards import sharded


def report(parameters: Parameters, parts: Parts, folder: Path, threads: int | None, console: Console) -> None:
    """Print loss and accuracy on each part, without dropout; draw the results on the test digits into `folder`."""
    table = Table("digits", "number", "loss", "correct", "wrong")
    for column in table.columns[1:]:
        column.justify = "right"
    with sharded(parameters, threads) as network:
        for name, digits in (("training", parts.train), ("validation", parts.validation), ("test", parts.test)):
            result = evaluate(network, digits)
            right = f"{result.accuracy:.2%}"
            table.add_row(name, f"{len(digits)}", f"{result.loss:.4f}", right, f"{len(result.mistakes)}")
    console.print(table)
    plots.draw_confusion(result, folder / "confusion.png")
    plots.draw_mistakes(result, parts.test, folder / "mistakes.png")
    plots.draw_filters(parameters, folder / "filters.png")
    plots.draw_feature_maps(parameters, parts.test.images[0], folder / "feature_maps.png")
    console.print(f"pictures: {folder}")
