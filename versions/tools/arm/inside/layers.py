"""Runs a version's narrow network on a random image: python layers.py TESTS OUT.npz, on any processor.

TESTS is the version's folder `tests`; OUT gets every layer's output, under the layer's name.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

tests, out = sys.argv[1:]
sys.path[:0] = [tests, f"{tests}/contract"]

from conftest import narrow_tensors, random, write_weights  # noqa: E402
from resnet50 import ResNet50  # noqa: E402

told = {}
with tempfile.TemporaryDirectory() as folder:
    net = ResNet50(write_weights(Path(folder), narrow_tensors()))
    told["logits"] = net.run(random(1, 33, 47, 3))
    net.run(random(1, 33, 47, 3), lambda name, output, seconds: told.update({name: np.array(output)}))
np.savez(out, **told)
