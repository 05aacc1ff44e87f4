"""Choosing a value's scale from how often each size of it occurs."""

import numpy as np

from .scales import Scale

# What the least squared error chooses from: the whole range, and less of it in steps of a hundredth. What lies outside
# the range becomes the last byte on its side.
FRACTIONS = np.linspace(1, 0.2, 81)


def whole_range(least: float, largest: float, signed: bool) -> Scale:
    """The scale at which the bytes reach from `least` to `largest`, and 0 is exactly one of them.

    It has five digits: those that follow depend on rounding errors. The scale is 1 where float32 has no normal number
    for it: of a value that is always 0, or nearly.
    """
    low, high = min(least, 0.0) if signed else 0.0, max(largest, 0.0)
    step = (high - low) / 255
    if step < np.finfo(np.float32).tiny:
        return Scale(np.float32(1))
    scale = np.float32(f"{step:.5g}")
    return Scale(scale, int(np.clip(np.rint(-low / np.float64(scale)), 0, 255)))


def least_squares(counts: np.ndarray, least: float, largest: float, signed: bool) -> Scale:
    """The scale with the smallest sum of squared errors, if `counts` says how many lie in equal parts of the range."""
    edges = np.linspace(least, largest, len(counts) + 1)
    centres = (edges[:-1] + edges[1:]) / 2
    candidates = [whole_range(part * least, part * largest, signed) for part in FRACTIONS]
    return min(candidates, key=lambda scale: squared_error(counts, centres, scale))


def squared_error(counts: np.ndarray, values: np.ndarray, scale: Scale) -> float:
    """The sum of the squared errors that bytes of this scale make, if each of `values` occurs so often."""
    step, zero = np.float64(scale.scale), scale.zero_point
    near = (np.clip(np.rint(values / step) + zero, 0, 255) - zero) * step
    return float(counts @ np.square(values - near))
