"""Look at pictures, and write down what the network saw: reads and answers lines of JSON.

`python last_features.py WEIGHTS SIZE` gets ready for pictures of SIZE x SIZE pixels, if that takes time. The line
{"picture": PATH, "target": FILE.npz} is answered with the seconds of the inference and the logits; the target then
holds the picture itself in small, the network's input, and its last feature map.
"""

import json
import sys
import time
from typing import Any

import numpy as np
from PIL import Image
from resnet50 import ResNet50
from resnet50.image import load_picture
from resnet50.worker import infer

THUMBNAIL = 480, 480  # pixels, at most: on a phone as wide as the screen


def answer(picture: str, target: str) -> dict[str, Any]:
    """Carry out one line."""
    image = net.preprocess(picture)
    logits, seconds = infer(net, image, picture)
    maps: list[np.ndarray] = []

    def keep(name: str, output: Any, seconds: float) -> None:
        if len(output.shape) == 3:
            maps[:] = [np.array(output)]  # its memory is used again by later layers

    net.run(image, keep)
    small = load_picture(picture)
    small.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    np.savez(target, thumbnail=np.asarray(small), image=image, features=maps[0])
    return {"seconds": seconds, "peak_memory": None, "logits": logits.tolist()}


start = time.perf_counter()
try:
    net = ResNet50(sys.argv[1])
    if hasattr(net, "plan"):
        net.plan(int(sys.argv[2]), int(sys.argv[2]))
except (ValueError, RuntimeError) as error:
    print(error, file=sys.stderr)
    sys.exit(2)
print(json.dumps({"load_seconds": time.perf_counter() - start}), flush=True)
for line in sys.stdin:
    try:
        print(json.dumps(answer(**json.loads(line))), flush=True)
    except (ValueError, RuntimeError) as error:
        print(json.dumps({"error": str(error)}), flush=True)
