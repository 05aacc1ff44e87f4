"""The folder in which inputs are tried: valid files to accompany an invalid one, and some invalid ones."""

import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from fuzzing.texts import PREPROCESSINGS, SCALES
from fuzzing.weights import narrow
from shared_weights import scales


def furnish(folder: Path) -> None:
    """Write the files that child/ and commands.py expect."""
    for name in ("weights", "other", "damaged"):
        (folder / name).mkdir()
        (folder / name / "weights.safetensors").write_bytes(narrow()[: -8 if name == "damaged" else None])
        (folder / name / "preprocess.json").write_text(json.dumps(PREPROCESSINGS[0]))
        (folder / name / "labels.txt").write_text("cat\ndog\nhorse\n")
        scales.write(folder / name, SCALES)
    picture = Image.effect_mandelbrot((24, 16), (-2, -1, 1, 1), 50)
    picture.save(folder / "picture.png")
    picture.save(folder / "half.jpg")
    (folder / "half.jpg").write_bytes((folder / "half.jpg").read_bytes()[:200])
    (folder / "empty.png").touch()
    np.save(folder / "image.npy", np.zeros((32, 32, 3), np.float32))
    np.save(folder / "small.npy", np.zeros((5, 5, 3), np.float32))
    (folder / "mnist").mkdir()
    (folder / "mnist" / "t10k-images-idx3-ubyte").write_bytes(struct.pack(">4I", 0x803, 2, 28, 28) + bytes(2 * 784))
    (folder / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, 2) + b"\1\2")
