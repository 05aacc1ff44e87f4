"""A version in its own process that reports each layer's time, through `on_layer`; line by line, as in worker.py."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladder.core.worker import Answer, Worker
from ladder.inside import program


@dataclass(frozen=True)
class LayerTime:
    """A call of `on_layer`: the layer's name, the shape of its output, its seconds.

    `reading`: how many of these seconds it took to read its weights.
    """

    name: str
    shape: tuple[int, ...]
    seconds: float
    reading: float = 0.0


class LayerWorker(Worker):
    """A version that times its layers; `size`: the height and width of its random image."""

    def arguments(self, weights: Path, size: int) -> list[str]:
        """The program that times layers."""
        return [program("time_layers"), str(weights), str(size)]

    def layers(self) -> list[LayerTime]:
        """The layers of one inference, in order."""
        return self.ask("layers", parsed)


def parsed(answer: dict[str, Any]) -> list[LayerTime]:
    """The layers in the worker's JSON object; raises ValueError, TypeError or KeyError if it is invalid."""
    return [
        LayerTime(str(name), tuple(shape), float(seconds), float(reading))
        for name, shape, seconds, reading in answer["layers"]
    ]


class Clock:
    """Times a version as a whole and layer by layer, in turn; `rounds.run` calls it in each round.

    `layers`: the layers of each call, of which the first is the warm-up.
    """

    def __init__(self, worker: LayerWorker):
        self.name = worker.name
        self.worker = worker
        self.layers: list[list[LayerTime]] = []

    def infer(self) -> Answer:
        """One inference with the layers' times and one without, in alternating order."""
        if len(self.layers) % 2:
            layers, whole = self.worker.layers(), self.worker.infer()
        else:
            whole, layers = self.worker.infer(), self.worker.layers()
        self.layers.append(layers)
        return whole
