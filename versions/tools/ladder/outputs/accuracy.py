"""`accuracy`: how often versions classify pictures correctly, and how far one beats another on the same pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from ladder.core import environment, terminal, weights
from ladder.core.errors import InferenceError, LadderError, WorkerError
from ladder.core.pictures import collect
from ladder.core.selection import one_or_newest, select
from ladder.core.versions import Version
from ladder.core.worker import Worker
from ladder.outputs import intervals
from ladder.outputs.naming import likeliest

Pictures = list[tuple[Path, str]]  # a picture file, and its label


@dataclass(frozen=True)
class Score:
    """A version's ranks: a picture -> the place of its label among the likeliest, 0 for the first."""

    version: Version
    ranks: dict[Path, int]

    def hits(self, top: int) -> set[Path]:
        """The pictures whose label is among the `top` likeliest."""
        return {picture for picture, rank in self.ranks.items() if rank < top}


def accuracy(root: Path, folder: Path, names: Sequence[str], weight_set: str | None) -> int:
    """Print the share that each version gets right, and the differences to the first; returns the exit code.

    `folder` holds a folder of pictures for each class, named as its label. The code is 2 if a picture was refused.
    Raises LadderError if the folder holds anything else than classes of the weight set.
    """
    versions = select(root, names, must_run=True) if names else [one_or_newest(root, None)]
    chosen = weights.find(weight_set)
    labels = weights.read_labels(chosen)
    pictures = labelled(root, folder, labels)
    terminal.note(f"weights {weights.describe(chosen, weight_set)}, {len(pictures)} pictures")
    pythons = {version.name: environment.python(version) for version in versions}
    scores, complaints = [], []
    with terminal.progress(f"{chosen.name}: running", len(versions) * len(pictures)) as begin:
        for version in versions:
            with Worker(version.name, pythons[version.name], chosen) as worker:
                ranks, refused = ranked(worker, pictures, labels, begin)
            scores.append(Score(version, ranks))
            complaints += refused
    if kept := set.intersection(*(set(score.ranks) for score in scores)):
        show([Score(score.version, {path: score.ranks[path] for path in kept}) for score in scores], len(labels))
    for complaint in complaints:
        terminal.complain(f"ladder: {complaint}")
    return 2 if complaints else 0


def labelled(root: Path, folder: Path, labels: Sequence[str]) -> Pictures:
    """Every picture in the folder's folders, which are each named as a label."""
    try:
        classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise LadderError(f"{folder}: {error.strerror}") from None
    if not classes:
        raise LadderError(f"{folder}: there is no folder in it; it needs one for each class, named like its label")
    pictures: Pictures = []
    for place in classes:
        if place.name not in labels:
            raise LadderError(f"{place}: the weight set has no such label; its first is {labels[0]}")
        found, complaints, _ = collect([place], root / "pics", "")
        if complaints:
            raise LadderError(complaints[0].error)
        pictures += [(picture.path, place.name) for picture in found]
    return pictures


def ranked(
    worker: Worker, pictures: Pictures, labels: list[str], begin: Callable[[str], None]
) -> tuple[dict[Path, int], list[str]]:
    """Each picture's rank, and a complaint for each that the version refuses."""
    ranks, complaints = {}, []
    for picture, label in pictures:
        begin(f"{worker.name}: {picture.name}")
        try:
            logits = worker.infer(picture).logits
        except InferenceError as error:
            complaints.append(f"{worker.name}: {error}")
            continue
        if logits.shape != (len(labels),):
            raise WorkerError(f"{worker.name} gave logits of shape {logits.shape} for {len(labels)} labels")
        ranks[picture] = rank(logits, label, labels)
    return ranks, complaints


def rank(logits: np.ndarray, label: str, labels: list[str]) -> int:
    """The label's place among the likeliest; the number of labels if the logits are not finite: then none is named."""
    if not np.isfinite(logits).all():
        return len(labels)
    return [name for name, _ in likeliest(logits, labels, len(labels))].index(label)


def show(scores: list[Score], classes: int) -> None:
    """Print the table, and what the later versions gain and lose against the first."""
    console = terminal.output()
    console.print(tabulate(scores, [1, 5] if classes > 5 else [1]))
    first, *others = scores
    for score in others:
        console.print(difference(first, score), highlight=False, soft_wrap=True)


def tabulate(scores: list[Score], tops: list[int]) -> Table:
    """A row for each version: its shares, with their intervals."""
    table = terminal.table(f"{len(scores[0].ranks)} pictures")
    table.add_column("version")
    for top in tops:
        table.add_column(f"top {top}", justify="right")
        table.add_column("95 %", justify="right")
    for score in scores:
        cells = []
        for top in tops:
            hits, count = len(score.hits(top)), len(score.ranks)
            low, high = intervals.of_share(hits, count)
            cells += [f"{100 * hits / count:.2f} %", f"{100 * low:.2f} to {100 * high:.2f}"]
        table.add_row(score.version.name, *cells)
    return table


def difference(first: Score, second: Score) -> str:
    """A sentence: the paired difference in top 1, its interval, and the pictures that it comes from."""
    gained, lost = len(second.hits(1) - first.hits(1)), len(first.hits(1) - second.hits(1))
    count = len(first.ranks)
    low, high = intervals.of_difference(gained, lost, count)
    points = f"{100 * (gained - lost) / count:+.2f} points (95 %: {100 * low:+.2f} to {100 * high:+.2f})"
    return (
        f"{second.version.name} against {first.version.name}, picture by picture: {points}; "
        f"{gained} correct only by the former, {lost} only by the latter"
    )
