"""Rectified linear unit: negative numbers become zero."""

from .tensor import tensor


def relu(x):
    """(height, width, channels) -> the same shape; output = max(x, 0), and NaN stays NaN."""
    height, width, channels = x.shape
    rectified = []
    for row in x.tolist():
        for pixel in row:
            for value in pixel:
                rectified.append(0.0 if value < 0.0 else value)
    return tensor(rectified, height, width, channels)
