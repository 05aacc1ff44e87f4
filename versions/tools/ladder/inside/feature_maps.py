"""Write a network's feature maps for a picture: `python feature_maps.py WEIGHTS PICTURE TARGET.npz`.

The target holds the prepared image, the logits, and the last output of the stem and of each stage. All layers before
layer1 are the stem; those after layer4 have no maps.
"""

import sys
from typing import Any

import numpy as np
from resnet50 import ResNet50

weights, picture, target = sys.argv[1:]
maps: dict[str, np.ndarray] = {}


def keep(name: str, output: Any, seconds: float) -> None:
    """Keep a layer's output, replacing that of the layer before it in its stage."""
    if len(output.shape) == 3:
        maps[name.split(".")[0] if "." in name else "stem"] = np.array(output)


try:
    net = ResNet50(weights)
    image = net.preprocess(picture)
    logits = net.run(image, keep)
except (ValueError, RuntimeError) as error:
    print(error, file=sys.stderr)
    sys.exit(2)
np.savez(target, image=image, logits=logits, **maps)  # type: ignore[arg-type]  # no name is an option of savez
