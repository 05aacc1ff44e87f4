"""A version as a process that tells how long each layer takes: line by line as `worker.py`, through `on_layer`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladder.core.worker import Answer, Worker

# The same random image as `bench` takes. What a version plans or compiles for a size (06 on) is loading.
TIME_LAYERS = """
import json, sys, time, numpy
from resnet50 import ResNet50
weights, size = sys.argv[1], int(sys.argv[2])
start = time.perf_counter()
try:
    net = ResNet50(weights)
    getattr(net, "plan", lambda height, width: None)(size, size)
except (ValueError, RuntimeError) as error:
    print(error, file=sys.stderr)
    sys.exit(2)
print(json.dumps({"load_seconds": time.perf_counter() - start}), flush=True)
image = numpy.random.RandomState(0).standard_normal((size, size, 3)).astype(numpy.float32)
for line in sys.stdin:
    layers = []
    tell = lambda name, output, seconds: layers.append((name, output.shape, seconds))
    start = time.perf_counter()
    logits = net.run(image, tell) if line == "layers\\n" else net.run(image)
    seconds = time.perf_counter() - start
    answer = {"seconds": seconds, "peak_memory": None, "logits": logits.tolist(), "layers": layers}
    print(json.dumps(answer), flush=True)
"""


@dataclass(frozen=True)
class Told:
    """What `on_layer` was told: the layer's name, the shape of its output, its seconds."""

    name: str
    shape: tuple[int, ...]
    seconds: float


class LayerWorker(Worker):
    """A version that times its layers; `size` is the height and width of the random image that it looks at."""

    def arguments(self, weights: Path, size: int) -> list[str]:
        """Python with the program above."""
        return ["-c", TIME_LAYERS, str(weights), str(size)]

    def layers(self) -> list[Told]:
        """The layers of one inference, in their order."""
        return self.ask("layers", told)


def told(answer: dict[str, Any]) -> list[Told]:
    """From the worker's JSON object; raises ValueError, TypeError or KeyError if it is none."""
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
        """One inference in each way; the one that comes second this time comes first the next time."""
        if len(self.layers) % 2:
            layers, whole = self.worker.layers(), self.worker.infer()
        else:
            whole, layers = self.worker.infer(), self.worker.layers()
        self.layers.append(layers)
        return whole
