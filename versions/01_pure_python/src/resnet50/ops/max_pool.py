"""Max pooling: the largest value of each window, channel by channel."""

from math import inf, isnan

from .checks import output_size, require
from .tensor import tensor


def max_pool(x, kernel, stride, padding):
    """(height, width, channels) -> (rows, columns, channels).

    Outside x, the input is minus infinity, so that padding never beats a negative number; NaN beats everything.
    Raises `ValueError` if no window fits, or if one could lie entirely in the padding.
    """
    height, width, channels = x.shape
    require(padding < kernel, f"padding {padding} leaves windows of {kernel} without a pixel")
    out_height = output_size(height, kernel, stride, padding)
    out_width = output_size(width, kernel, stride, padding)
    pixels = x.tolist()
    largest = []
    for top in range(-padding, out_height * stride - padding, stride):
        rows = range(max(top, 0), min(top + kernel, height))
        for left in range(-padding, out_width * stride - padding, stride):
            columns = range(max(left, 0), min(left + kernel, width))
            for channel in range(channels):
                best = -inf
                for row in rows:
                    for column in columns:
                        value = pixels[row][column][channel]
                        if value > best or isnan(value):
                            best = value
                largest.append(best)
    return tensor(largest, out_height, out_width, channels)
