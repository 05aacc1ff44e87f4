"""Lesson 3, mean blur: each pixel becomes the mean of the size x size window around it.

    blurred[y, x] = 1 / size**2 * sum of picture[y + i, x + j],   -(size // 2) <= i, j < size - size // 2

Noise that is as often too bright as too dark cancels out in the mean: its standard deviation falls to 1 / size.
An even window has one more pixel above and to the left. Beyond the edge the picture is mirrored (`border.reflect_101`).
"""

import math
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from cv_basics.bands import bands
from cv_basics.border import extend, reflect_101
from cv_basics.picture import Picture, check_picture, check_size

Unsigned = TypeVar("Unsigned", np.uint16, np.uint32)

SHIFT = 23  # of a reciprocal in fixed point, as in OpenCV's box_filter.simd.hpp
SMALL_AREA = 256  # windows up to this area: 255 * 256 and the sums below fit into 16 bits
LARGE_AREA = 1 << 23  # windows above this area: OpenCV sums in float64
LANES = 8  # OpenCV divides this many sums of a row at once, in float32, and those left over in float64


def mean_blur_loops(picture: Picture, size: int) -> Picture:
    """Mean of the size x size window around each pixel of `picture`, (H, W) or (H, W, 3): the window is summed afresh
    for every pixel. ValueError if `size` is not a whole number from 1 to 4096."""
    picture = check_picture(picture)
    size = check_size(size)
    height, width = picture.shape[:2]
    pixels = picture.reshape(height, width, -1).tolist()
    channels = len(pixels[0][0])
    in_lanes = width * channels // LANES * LANES
    blurred = np.empty((height, width, channels), np.uint8)
    for y in range(height):
        rows = [pixels[reflect_101(y - size // 2 + i, height)] for i in range(size)]
        for x in range(width):
            columns = [reflect_101(x - size // 2 + j, width) for j in range(size)]
            for channel in range(channels):
                total = sum(row[column][channel] for row in rows for column in columns)
                blurred[y, x, channel] = _mean(total, size * size, x * channels + channel < in_lanes)
    return blurred.reshape(picture.shape)


def mean_blur_numpy(picture: Picture, size: int) -> Picture:
    """Mean of the size x size window around each pixel of `picture`, (H, W) or (H, W, 3), by running sums: first down
    the columns, then along the rows of the result. ValueError if `size` is not a whole number from 1 to 4096."""
    picture = check_picture(picture)
    size = check_size(size)
    before, after = size // 2, size - 1 - size // 2
    dtype: Any = np.uint16 if size * size <= SMALL_AREA else np.uint32
    down = running_sums(extend(picture, before, after, 0, reflect_101), size, 0, dtype)
    blurred = np.empty_like(picture)
    for rows in bands(picture):
        sums = running_sums(extend(down[rows], before, after, 1, reflect_101), size, 1, dtype)
        blurred[rows] = _means(sums, size * size)
    return blurred


def running_sums(values: npt.NDArray[Any], size: int, axis: int, dtype: type[Unsigned]) -> npt.NDArray[Unsigned]:
    """Sums of `size` neighbours along an axis, which gets `size - 1` shorter. The first sum is computed in full; each
    later one is the one before it plus the value that enters minus the value that leaves, whatever the size. What
    leaves may be larger: the difference then wraps around, and the next addition wraps it back."""
    first, entering = np.split(values, [size], axis)
    leaving, _ = np.split(values, [values.shape[axis] - size], axis)
    start = first.sum(axis, dtype=dtype, keepdims=True)
    sums = np.concatenate([start, np.subtract(entering, leaving, dtype=dtype)], axis)
    if axis == 0:
        for above, row in pairwise(sums):  # 2.5 times as fast as cumsum down the columns
            row += above
        return sums
    return np.cumsum(sums, axis, dtype=dtype, out=sums)


def reciprocal(area: int) -> tuple[int, int]:
    """OpenCV's (addend, factor): total / area is (total + addend) * factor >> 23, for 1 < area <= 256."""
    exact = (1 << SHIFT) / area
    factor, addend = math.floor(exact), area // 2
    if exact - factor < 0.5:
        return addend + 1, factor
    return addend, factor + 1


def _mean(total: int, area: int, in_lanes: bool) -> int:
    """A window's mean, rounded as OpenCV rounds it: times 1 / area, in units of 2**-23, in float32 or in float64."""
    if area == 1:
        return total
    if area <= SMALL_AREA:
        addend, factor = reciprocal(area)
        return (total + addend) * factor >> SHIFT
    if area <= LARGE_AREA and in_lanes:
        return round(float(np.float32(total) * np.float32(1 / area)))
    return round(total * (1 / area))


def _means(sums: npt.NDArray[Any], area: int) -> Picture:
    """The means of many windows, by the same three rules."""
    if area == 1:
        return sums.astype(np.uint8)
    if area <= SMALL_AREA:
        addend, factor = reciprocal(area)
        return ((sums.astype(np.uint32) + addend) * factor >> SHIFT).astype(np.uint8)
    rows = sums.reshape(len(sums), -1)
    in_lanes = rows.shape[1] // LANES * LANES if area <= LARGE_AREA else 0
    means = np.empty(rows.shape, np.uint8)
    means[:, :in_lanes] = np.rint(rows[:, :in_lanes].astype(np.float32) * np.float32(1 / area))
    means[:, in_lanes:] = np.rint(rows[:, in_lanes:] * (1 / area))
    return means.reshape(sums.shape)
