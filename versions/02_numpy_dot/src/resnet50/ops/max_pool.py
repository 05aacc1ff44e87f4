"""Max pooling: the largest value of each window, channel by channel."""

import numpy as np

from .checks import output_size, require


def max_pool(x, kernel, stride, padding):
    """(height, width, channels) -> (rows, columns, channels).

    Outside x, the input is minus infinity, so that padding never beats a negative number; NaN beats everything.
    Raises `ValueError` if no window fits, or if one could lie entirely in the padding.
    """
    height, width, channels = x.shape
    require(padding < kernel, f"padding {padding} leaves windows of {kernel} without a pixel")
    out_height = output_size(height, kernel, stride, padding)
    out_width = output_size(width, kernel, stride, padding)
    padded = np.pad(x, ((padding, padding), (padding, padding), (0, 0)), constant_values=-np.inf)
    largest = np.full((out_height, out_width, channels), -np.inf, np.float32)
    for i in range(kernel):
        for j in range(kernel):
            corner = padded[i : i + (out_height - 1) * stride + 1, j : j + (out_width - 1) * stride + 1]
            np.maximum(largest, corner[::stride, ::stride], out=largest)
    return largest
