"""The weight folder's text files: preprocess.json, labels.txt, and quantisation.json for 8-bit integers."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from fuzzing.mutation import damaged, json_bytes, texts
from fuzzing.weights import CLASSES
from shared_weights import scales
from shared_weights.scales import Scale

NORMAL = {"filter": "bilinear", "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
PREPROCESSINGS = [
    {"steps": [["center_square"], ["resize", 32]], **NORMAL},
    {"steps": [["resize_shorter", 40], ["center_crop", 33]], **NORMAL},
    {"steps": [], **NORMAL},
]

SCALES = {name: Scale(np.float32(0.05), 128 if scales.is_signed(name) else 0) for name in scales.names()}


def preprocessings() -> SearchStrategy[bytes]:
    """Contents of preprocess.json, most of them wrong."""
    return json_bytes(PREPROCESSINGS)


def labels() -> SearchStrategy[bytes]:
    """Contents of labels.txt: often as many lines as there are classes, with any characters and line ends."""
    ends = st.sampled_from(["\n", "\r\n", "\r", "\u2028", "\0", ""])
    lines = st.lists(st.tuples(texts(), ends).map("".join), min_size=CLASSES - 1, max_size=CLASSES + 1)
    written = lines.map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))
    return written | damaged(lambda: [b"cat\ndog\nhorse\n", "Kätzchen\nHündchen\nPferd".encode("utf-16")])


def quantisations() -> SearchStrategy[bytes]:
    """Contents of quantisation.json, most of them wrong."""
    right = {name: {"scale": 0.05, "zero_point": scale.zero_point} for name, scale in SCALES.items()}
    return json_bytes([right])
