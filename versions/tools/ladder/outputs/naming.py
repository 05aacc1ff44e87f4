"""From pictures to the likeliest labels: what a version says of each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ladder.core.errors import InferenceError, WorkerError
from ladder.core.pictures import Picture, Refused
from ladder.core.worker import Worker
from ladder.outputs.viewer import View

FEW = 20  # classes that fit into a sentence


@dataclass(frozen=True)
class Named:
    """A picture with its most likely labels, in order, their probabilities, and the time of the inference.

    `view`: what else there is to show, if the worker tells.
    """

    picture: Picture
    guesses: list[tuple[str, float]]
    seconds: float
    view: View | None = None

    @property
    def verdict(self) -> bool | None:
        """Whether the most likely label is right; None if the truth is unknown or the set has no label for it."""
        return self.guesses[0][0] in self.picture.right if self.picture.right else None


def name_all(
    worker: Worker, pictures: Iterable[Picture], labels: list[str], top: int, begin: Callable[[str], None]
) -> Iterator[Named | Refused]:
    """The worker's answer to each picture in turn; `begin` is called with the picture's name before it."""
    for picture in pictures:
        begin(picture.name)
        try:
            answer = worker.infer(picture.path)
        except InferenceError as error:
            yield Refused(picture.name, str(error))
            continue
        if answer.logits.shape != (len(labels),):
            raise WorkerError(f"{worker.name} gave logits of shape {answer.logits.shape} for {len(labels)} labels")
        if not np.isfinite(answer.logits).all():
            why = "the network's output is not finite, so there is no label to name"
            yield Refused(picture.name, f"{picture.name}: {why}")
            continue
        view = answer if isinstance(answer, View) else None
        yield Named(picture, likeliest(answer.logits, labels, top), answer.seconds, view)


def likeliest(logits: np.ndarray, labels: list[str], count: int) -> list[tuple[str, float]]:
    """The `count` labels of the largest logits (classes,), with the probabilities exp(x) / sum(exp(x))."""
    exponentials = np.exp(logits - logits.max())
    probabilities = exponentials / exponentials.sum()
    return [(labels[index], float(probabilities[index])) for index in np.argsort(-logits, kind="stable")[:count]]


def known(folder: Path, labels: list[str]) -> str:
    """A sentence: which classes a weight set knows, or how many if they are not few."""
    if len(labels) <= FEW:
        return f"The weight set {folder.name} knows {len(labels)} classes, and nothing else: {', '.join(labels)}."
    return f"The weight set {folder.name} knows {len(labels):,} classes, and nothing else: its labels.txt lists them."
