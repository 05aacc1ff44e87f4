"""Look at the values between a network's layers; reads and answers lines of JSON.

`python activations.py WEIGHTS NAME...`, with the layers to look at, or `image` for the prepared picture. The line
{"picture": PATH} is answered with {"ranges": {NAME: [least, largest]}}. With "ranges": {...} beside it, the values in
each of BINS equal parts of these ranges are counted, and {"counts": PATH} writes what was counted, int64 (BINS,) for
each name, to an .npz file. {"noise": SEED} stands for an image of random numbers, as `bench` uses them.
"""

import json
import sys
import time
from typing import Any

import numpy as np
from resnet50 import ResNet50

BINS = 1 << 13  # 32 for each of 256 bytes
SIDE = 64  # pixels, of an image of noise

weights, *names = sys.argv[1:]
counts = {name: np.zeros(BINS, np.int64) for name in names}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Carry out one line."""
    if "counts" in request:
        np.savez(request["counts"], **counts)  # type: ignore[arg-type]  # no layer is an option of savez
        return {}
    ranges = request.get("ranges")
    found: dict[str, list[float]] = {}

    def look(name: str, output: Any, seconds: float = 0.0) -> None:
        if name not in counts:
            return
        values = np.asarray(output)
        if ranges:
            counts[name] += np.histogram(values, BINS, ranges[name])[0]
        else:
            found[name] = [float(values.min()), float(values.max())]

    if "noise" in request:
        image = np.random.RandomState(request["noise"]).standard_normal((SIDE, SIDE, 3)).astype(np.float32)
    else:
        image = net.preprocess(request["picture"])
    look("image", image)
    net.run(image, look)
    return {"ranges": found}


start = time.perf_counter()
try:
    net = ResNet50(weights)
except (ValueError, RuntimeError) as error:
    print(error, file=sys.stderr)
    sys.exit(2)
print(json.dumps({"load_seconds": time.perf_counter() - start}), flush=True)
for line in sys.stdin:
    try:
        print(json.dumps(answer(json.loads(line))), flush=True)
    except (ValueError, RuntimeError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
