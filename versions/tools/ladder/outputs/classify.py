"""`classify`: names what pictures show, and judges the answers if the truth is known."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table
from rich.text import Text

from ladder.core import environment, terminal, weights
from ladder.core.errors import InferenceError, WorkerError
from ladder.core.pictures import Picture, collect, own_pictures
from ladder.core.selection import one_or_newest
from ladder.core.terminal import printable
from ladder.core.versions import Version
from ladder.core.worker import Worker


@dataclass(frozen=True)
class Named:
    """A picture with its most likely labels, in order, their probabilities, and the time of the inference."""

    picture: Picture
    guesses: list[tuple[str, float]]
    seconds: float

    @property
    def verdict(self) -> bool | None:
        """Whether the most likely label is right; None if the truth is unknown or the set has no label for it."""
        return self.guesses[0][0] in self.picture.right if self.picture.right else None


def classify(root: Path, given: list[Path], version: str | None, weight_set: str | None, top: int) -> int:
    """Name the given pictures and folders, or all in pics/, and print the table. Returns the exit code."""
    chosen = one_or_newest(root, version)
    folder = weights.find(weight_set)
    pics = root / "pics"
    pictures, complaints, others = (
        collect(given, pics, folder.name) if given else (own_pictures(pics, folder.name), [], 0)
    )
    if pictures:
        python = environment.python(chosen)
        terminal.note(f"version {chosen.name}, weights {weights.describe(folder, weight_set)}")
        started = time.perf_counter()
        with ExitStack() as stack:
            with terminal.working(f"loading {chosen.name}"):  # may compile for seconds
                worker = stack.enter_context(Worker(chosen.name, python, folder))
            begin = stack.enter_context(terminal.progress("looking at the pictures", len(pictures)))
            named, refused = name_all(worker, pictures, weights.read_labels(folder), top, begin)
        complaints += refused
        show(named, time.perf_counter() - started, chosen, folder)
    if others:
        files = "1 other file was" if others == 1 else f"{others} other files were"
        why = "it is no picture" if others == 1 else "they are not pictures"
        terminal.note(f"{files} left out: by name and content {why}")
    for complaint in complaints:
        terminal.complain(f"ladder: {complaint}")
    return 2 if complaints else 0


def name_all(
    worker: Worker, pictures: list[Picture], labels: list[str], top: int, begin: Callable[[str], None]
) -> tuple[list[Named], list[str]]:
    """All pictures, classified by the worker, and a complaint for each that it rejected."""
    named, complaints = [], []
    for picture in pictures:
        begin(picture.name)
        try:
            answer = worker.infer(picture.path)
        except InferenceError as error:
            complaints.append(str(error))
            continue
        if answer.logits.shape != (len(labels),):
            raise WorkerError(f"{worker.name} gave logits of shape {answer.logits.shape} for {len(labels)} labels")
        if not np.isfinite(answer.logits).all():
            complaints.append(f"{picture.name}: the network's output is not finite, so there is no label to name")
            continue
        named.append(Named(picture, likeliest(answer.logits, labels, top), answer.seconds))
    return named, complaints


def likeliest(logits: np.ndarray, labels: list[str], count: int) -> list[tuple[str, float]]:
    """The `count` labels of the largest logits (classes,), with the probabilities exp(x) / sum(exp(x))."""
    exponentials = np.exp(logits - logits.max())
    probabilities = exponentials / exponentials.sum()
    return [(labels[index], float(probabilities[index])) for index in np.argsort(-logits, kind="stable")[:count]]


def show(named: list[Named], elapsed: float, version: Version, folder: Path) -> None:
    """Print the table and, below it, the summary; `elapsed`: seconds since the worker started."""
    console = terminal.output()
    if folder.name == "synthetic":
        console.print(weights.MEANINGLESS)
    if named:
        console.print(tabulate(named), *summary(named, elapsed), sep="\n")
    console.print(f"Version {version.name} ({version.idea}), weight set {printable(folder.name)}.", markup=False)


def tabulate(named: list[Named]) -> Table:
    """A row for each picture: file and truth, most likely labels, verdict if there is any, time."""
    judged = any(entry.verdict is not None for entry in named)
    table = terminal.table()
    table.add_column(Text("picture\n  what it shows"), overflow="fold")
    table.add_column(f"top {max(len(entry.guesses) for entry in named)}")
    if judged:
        table.add_column("", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for entry in named:
        judgement = [verdict(entry)] if judged else []
        table.add_row(subject(entry.picture), guesses(entry), *judgement, duration(entry.seconds))
    return table


def subject(picture: Picture) -> Text:
    """The file, and on a second line the right labels; if there are none or too many to read, the subject in words."""
    truth = " or ".join(sorted(picture.right)) if 0 < len(picture.right) <= 3 else picture.shows
    return Text.assemble(printable(picture.name), (f"\n  {truth}" if truth else "", "dim"))


def guesses(entry: Named) -> Text:
    """The labels with their probabilities, the most likely on its own line."""
    first, *rest = (f"{printable(label)} {100 * probability:.1f}%" for label, probability in entry.guesses)
    return Text.assemble((first, "bold"), ("\n" + ", ".join(rest) if rest else "", "dim"))


def verdict(entry: Named) -> Text:
    """The verdict as a coloured word."""
    words = {True: Text("right", style="green"), False: Text("wrong", style="red"), None: Text("-", style="dim")}
    return words[entry.verdict]


def duration(seconds: float) -> str:
    """A time in milliseconds or seconds, with three digits."""
    if seconds < 0.9995:
        return f"{1e3 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def summary(named: list[Named], elapsed: float) -> list[str]:
    """Sentences: the share that was right, the latency, and the throughput in `elapsed` seconds."""
    verdicts = [entry.verdict for entry in named if entry.verdict is not None]
    lines = []
    if verdicts:
        others = len(named) - len(verdicts)
        more = f"; no verdict on {others}, for which no label is known to be right" if others else ""
        lines.append(f"{sum(verdicts)} of {len(verdicts)} right ({100 * sum(verdicts) / len(verdicts):.1f}%){more}.")
    latency = sum(entry.seconds for entry in named) / len(named)
    lines.append(
        f"Average latency {duration(latency)}, the inference alone; "
        f"throughput {len(named) / elapsed:.3g} pictures/s, with all reading and preparing."
    )
    return lines
