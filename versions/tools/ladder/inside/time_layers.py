"""Time a version's layers; reads and answers lines as the version's own worker does.

`python time_layers.py WEIGHTS SIZE`. The line `layers` asks for an inference that reports each layer, any other line
for one that does not. The image is the random one that `bench` uses. Planning and compiling for a size (06 on) count
as loading. A layer's time includes reading its weights, where a version rereads them for each picture; how long that
took is reported, too.
"""

import json
import sys
import time

import numpy as np
from resnet50 import ResNet50


class Watched:
    """Stands in for a network's weights; `seconds`: how long it has taken to hand them out."""

    def __init__(self, weights):
        self.weights, self.seconds = weights, 0.0

    def __getitem__(self, name):
        start = time.perf_counter()
        tensor = self.weights[name]
        self.seconds += time.perf_counter() - start
        return tensor


def tell(name, output, seconds):
    """Called after each layer."""
    layers.append((name, output.shape, seconds, watched.seconds))
    watched.seconds = 0.0


weights, size = sys.argv[1], int(sys.argv[2])
start = time.perf_counter()
try:
    net = ResNet50(weights)
    if hasattr(net, "plan"):
        net.plan(size, size)
except (ValueError, RuntimeError) as error:
    print(error, file=sys.stderr)
    sys.exit(2)
print(json.dumps({"load_seconds": time.perf_counter() - start}), flush=True)
net.weights = watched = Watched(getattr(net, "weights", None))  # a plan has all its weights, and asks for none
image = np.random.RandomState(0).standard_normal((size, size, 3)).astype(np.float32)
layers: list[tuple[str, tuple[int, ...], float, float]] = []
for line in sys.stdin:
    layers.clear()
    watched.seconds = 0.0
    start = time.perf_counter()
    logits = net.run(image, tell) if line == "layers\n" else net.run(image)
    seconds = time.perf_counter() - start
    answer = {"seconds": seconds, "peak_memory": None, "logits": logits.tolist(), "layers": layers}
    print(json.dumps(answer), flush=True)
