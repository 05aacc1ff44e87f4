"""The `synthetic` set: ResNet-50 at full size with seeded random weights, the same bytes on every machine.

For tests and benchmarks, since speed does not depend on the values; not for classifying. The values
are made from the raw stream of `numpy.random.RandomState`, which NumPy has frozen, by arithmetic that IEEE 754
rounds alike everywhere. A normal distribution would not do: its logarithm comes from the machine's C library.
"""

from math import prod, sqrt
from pathlib import Path

import numpy as np

from . import tensor_file
from .architecture import Shape, tensors

SEED = 50
SHA256 = "9a75cfef375cb58a1d932626e60d219460eb7e796b9bbe6e68b8ec36704e2609"
UNIFORM_STD = sqrt((65536**2 - 1) / 12)  # of an integer from 0 to 65535, each equally likely

# Batch norm's vectors are uniform in these ranges, so that no part of its formula can be left out unnoticed. A
# block's last one, whose output is added to the block's input, is weaker and slightly negative: with the other
# ranges the sums would grow from block to block, up to between 7 and 18, and rounding errors would be eight times
# as large as in a trained network, since a block's output would be mostly new instead of mostly its input.
VECTORS = {"weight": (0.8, 1.2), "bias": (-0.3, 0.3), "running_mean": (-0.3, 0.3), "running_var": (0.5, 1.5)}
LAST_OF_BLOCK = VECTORS | {"weight": (0.3, 0.4), "bias": (-0.2, 0.05)}


def make(folder: Path) -> Path:
    """Write weights.safetensors (102 MB, about a second) into `folder` unless it is already there, intact.

    Returns the file. Raises `OSError` if it can't be written, `RuntimeError` if its bytes are not those
    that the golden answers beside it were computed from.
    """
    path = folder / "weights.safetensors"
    if not path.is_file() or tensor_file.sha256(path) != SHA256:
        tensor_file.write(path, values(), {"seed": str(SEED)})
        if (made := tensor_file.sha256(path)) != SHA256:
            raise RuntimeError(f"{path} came out with the SHA-256 {made}, not {SHA256}")
    return path


def values() -> dict[str, np.ndarray]:
    """Every tensor of the set, float32, under torchvision's names."""
    stream = np.random.RandomState(SEED)
    return {
        name: _kernel(stream, shape) if len(shape) > 1 else _vector(stream, shape, *_range(name))
        for name, shape in tensors().items()
    }


def _kernel(stream: np.random.RandomState, shape: Shape) -> np.ndarray:
    """Uniform weights of variance 2 / fan-in, which preserves the mean square of the activations in a
    network of ReLUs (He et al., "Delving deep into rectifiers", 2015, section 2.2).

    Each output channel's weights sum to zero. After a ReLU nothing is negative, so there is a large mean,
    much the same for every picture; this removes it, as a trained batch norm does, and leaves the
    differences. Without it the logits of any two pictures correlate by 0.99, and activations grow to a hundred.
    """
    drawn = _integers(stream, shape).reshape(shape[0], -1)
    fan_in = drawn.shape[1]
    mean = (drawn.sum(axis=1, dtype=np.int64) / fan_in).astype(np.float32)
    scale = np.float32(sqrt(2 / fan_in) / UNIFORM_STD)
    return ((drawn.astype(np.float32) - mean[:, None]) * scale).reshape(shape)


def _vector(stream: np.random.RandomState, shape: Shape, low: float, high: float) -> np.ndarray:
    """Values uniform from `low` to `high`."""
    return _integers(stream, shape).astype(np.float32) * np.float32((high - low) / 65535) + np.float32(low)


def _range(name: str) -> tuple[float, float]:
    """The lowest and the highest value of the vector `name`."""
    layer, vector = name.rsplit(".", 1)
    return (LAST_OF_BLOCK if layer.endswith("bn3") else VECTORS)[vector]


def _integers(stream: np.random.RandomState, shape: Shape) -> np.ndarray:
    """Integers from 0 to 65535, each equally likely, as uint16."""
    return np.frombuffer(stream.bytes(2 * prod(shape)), "<u2").reshape(shape)
