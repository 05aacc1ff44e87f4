"""Residual sum: a block's output plus its input."""

from .checks import require
from .tensor import tensor


def add(x, y):
    """Two tensors (height, width, channels) -> their sum. Raises `ValueError` if the shapes differ."""
    require(x.shape == y.shape, f"cannot add {x.shape} and {y.shape}")
    height, width, channels = x.shape
    sums = []
    for x_row, y_row in zip(x.tolist(), y.tolist()):
        for x_pixel, y_pixel in zip(x_row, y_row):
            for a, b in zip(x_pixel, y_pixel):
                sums.append(a + b)
    return tensor(sums, height, width, channels)
