"""Residual sum: a block's output plus its input."""

from .checks import require


def add(x, y):
    """Two tensors (height, width, channels) -> their sum. Raises `ValueError` if the shapes differ."""
    require(x.shape == y.shape, f"cannot add {x.shape} and {y.shape}")
    return x + y
