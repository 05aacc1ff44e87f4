"""A version as a process that reports how long each layer takes: like `worker.py`, line by line, through `on_layer`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladder.core.worker import Answer, Worker
from ladder.inside import program


@dataclass(frozen=True)
class Told:
    """What `on_layer` was told: the layer's name, the shape of its output, its seconds."""

    name: str
    shape: tuple[int, ...]
    seconds: float


class LayerWorker(Worker):
    """A version that times its layers; `size` is the height and width of the random image that it looks at."""

    def arguments(self, weights: Path, size: int) -> list[str]:
        """The program that times layers."""
        return [program("time_layers"), str(weights), str(size)]

    def layers(self) -> list[Told]:
        """The layers of one inference, in their order."""
        return self.ask("layers", told)


def told(answer: dict[str, Any]) -> list[Told]:
    """The layers in the worker's JSON object; raises ValueError, TypeError or KeyError if it is invalid."""
    return [Told(str(name), tuple(shape), float(seconds)) for name, shape, seconds in answer["layers"]]


class Clock:
    """Times a version as a whole and layer by layer, in turn: what `rounds.run` calls for each round.

    `layers`: of each call, the first one for the warm-up.
    """

    def __init__(self, worker: LayerWorker):
        self.name = worker.name
        self.worker = worker
        self.layers: list[list[Told]] = []

    def infer(self) -> Answer:
        """One inference with the layers' times and one without, in alternating order."""
        if len(self.layers) % 2:
            layers, whole = self.worker.layers(), self.worker.infer()
        else:
            whole, layers = self.worker.infer(), self.worker.layers()
        self.layers.append(layers)
        return whole
