"""Time a version's layers; reads and answers lines as the version's own worker does.

`python time_layers.py WEIGHTS SIZE`. The line `layers` asks for an inference that reports each layer, any other line
for one that does not. The image is the random one that `bench` uses. Planning and compiling for a size (06 on) count
as loading.
"""

import json
import sys
import time

import numpy as np
from resnet50 import ResNet50

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
image = np.random.RandomState(0).standard_normal((size, size, 3)).astype(np.float32)
layers: list[tuple[str, tuple[int, ...], float]] = []
for line in sys.stdin:
    layers.clear()
    start = time.perf_counter()
    if line == "layers\n":
        logits = net.run(image, lambda name, output, seconds: layers.append((name, output.shape, seconds)))
    else:
        logits = net.run(image)
    seconds = time.perf_counter() - start
    answer = {"seconds": seconds, "peak_memory": None, "logits": logits.tolist(), "layers": layers}
    print(json.dumps(answer), flush=True)
