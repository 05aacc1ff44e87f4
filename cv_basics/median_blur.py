"""Lesson 3, continued: each pixel becomes the median of the size x size window around it.

A mean is pulled by every value, and most by the most extreme one. A median is the middle one of the sorted values:
however extreme wrong values are, as long as they are fewer than half they leave no trace, as with salt and pepper.
Beyond the edge, the edge pixel is repeated (`border.replicate`).
"""

import numpy as np

from cv_basics.bands import bands
from cv_basics.border import extend, replicate
from cv_basics.picture import Picture, channel_by_channel, check_picture, check_size


@channel_by_channel
def median_blur_loops(picture: Picture, size: int) -> Picture:
    """Median of the size x size window around each pixel of `picture`, (H, W) or (H, W, 3): the window is sorted.
    ValueError if `size` is not an odd number from 1 to 4095."""
    size = check_size(size, odd=True)
    height, width = picture.shape
    pixels = picture.tolist()
    blurred = np.empty((height, width), np.uint8)
    for y in range(height):
        rows = [pixels[replicate(y - size // 2 + i, height)] for i in range(size)]
        for x in range(width):
            columns = [replicate(x - size // 2 + j, width) for j in range(size)]
            window = sorted(row[column] for row in rows for column in columns)
            blurred[y, x] = window[len(window) // 2]
    return blurred


def median_blur_numpy(picture: Picture, size: int) -> Picture:
    """Median of the size x size window around each pixel of `picture`, (H, W) or (H, W, 3), found bit by bit.
    ValueError if `size` is not an odd number from 1 to 4095."""
    picture = check_picture(picture)
    size = check_size(size, odd=True)
    margin = size // 2
    extended = extend(extend(picture, margin, margin, 0, replicate), margin, margin, 1, replicate)
    blurred = np.empty_like(picture)
    for rows in bands(picture):
        blurred[rows] = _medians(extended[rows.start : rows.stop + 2 * margin], size)
    return blurred


def _medians(extended: Picture, size: int) -> Picture:
    """The median is the largest value that at most size**2 // 2 pixels of the window are smaller than. A binary search
    finds it for all pixels at once: is it at least 128? If so, at least 192? And so on. Each question takes size**2
    comparisons of whole arrays, which is ten times as fast as sorting the windows with `np.sort`."""
    height, width = extended.shape[0] - size + 1, extended.shape[1] - size + 1
    shifted = [extended[i : i + height, j : j + width] for i in range(size) for j in range(size)]
    median = np.zeros_like(shifted[0])
    for bit in (128, 64, 32, 16, 8, 4, 2, 1):
        candidate = median | np.uint8(bit)
        smaller_pixels = np.zeros(median.shape, np.min_scalar_type(size * size))
        for pixel in shifted:
            smaller_pixels += pixel < candidate
        median += np.uint8(bit) * (smaller_pixels <= size * size // 2)
    return median
