"""Lesson 4, Gaussian blur: a mean in which near pixels weigh more than far ones.

    weight[i] = exp(-(i - r)**2 / (2 sigma**2)) / sum of all,   size = 2 r + 1
    blurred[y, x] = sum of weight[i] weight[j] picture[y + i - r, x + j - r]

The weight of a pixel depends only on its distance, because exp(-i**2) exp(-j**2) = exp(-(i**2 + j**2)). And because
it is a product, the kernel is separable: the sum over a window is a sum over rows of sums over columns, 2 size products
per pixel instead of size**2. Beyond the edge the picture is mirrored (`border.reflect_101`).
"""

import math
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from cv_basics.bands import bands
from cv_basics.border import extend, reflect_101
from cv_basics.picture import (
    MAX_SIZE,
    Picture,
    channel_by_channel,
    check_number,
    check_picture,
    check_size,
    check_whole,
)

SHIFT = 8  # fixed point: a weight of 1 is 256
ONE = 1 << SHIFT
HALF = 1 << (2 * SHIFT - 1)  # added before the final shift, so that the result is rounded to nearest

# With sigma 0 OpenCV uses these for small sizes: weights * 256 that need no rounding (smooth.dispatch.cpp)
SMALL_KERNELS = {
    1: [256],
    3: [64, 128, 64],
    5: [16, 64, 96, 64, 16],
    7: [8, 28, 56, 72, 56, 28, 8],
    9: [4, 13, 30, 51, 60, 51, 30, 13, 4],
}

Unsigned = TypeVar("Unsigned", np.uint16, np.uint32)


def gaussian_weights(size: int, sigma: float) -> list[float]:
    """The textbook's kernel: `size` float weights that add up to 1. `sigma` > 0 is the standard deviation in pixels.
    ValueError unless `size` is a whole number from 1 to 4096 and `sigma` a finite number above 0."""
    size, sigma = check_size(size), check_number(sigma, "sigma", low=0)
    if sigma == 0:
        raise ValueError("sigma must be above 0: the curve of a standard deviation of 0 has no width")
    radius = size // 2
    distances = [(i - radius) / sigma for i in range(size)]
    weights = [math.exp(-distance * distance / 2) for distance in distances]
    total = sum(weights)
    return [weight / total for weight in weights]


def gaussian_kernel(size: int, sigma: float) -> list[int]:
    """OpenCV's kernel: `size` integer weights that add up to exactly 256, so that an even surface stays as it is.

    Each weight absorbs the rounding error of its outer neighbour, and the middle one the rest.
    `size` 0 means 6 sigma + 1, rounded and made odd; `sigma` 0 means 0.15 size + 0.35. ValueError if both are 0,
    `size` is even or above 4095, or `sigma` is negative or not finite.
    """
    sigma = check_number(sigma, "sigma", low=0)
    size = check_whole(size, "size", 0, MAX_SIZE) or _size_for(sigma)
    check_size(size, odd=True)
    if sigma == 0:
        if size in SMALL_KERNELS:
            return SMALL_KERNELS[size]
        sigma = 0.15 * size + 0.35
    weights = gaussian_weights(size, sigma)
    outer: list[int] = []
    error = 0.0
    for weight in weights[: size // 2]:
        wanted = weight * ONE + error
        outer.append(round(wanted))
        error = wanted - outer[-1]
    return [*outer, ONE - 2 * sum(outer), *reversed(outer)]


def _size_for(sigma: float) -> int:
    if sigma == 0:
        raise ValueError("sigma must be above 0 if size is 0: one of the two must say how far the blur reaches")
    if 6 * sigma + 1 >= MAX_SIZE:
        raise ValueError(f"sigma {sigma:g} needs a window of 6 sigma + 1 pixels, which is more than {MAX_SIZE}")
    return round(6 * sigma + 1) | 1


@channel_by_channel
def gaussian_blur_loops(picture: Picture, size: int, sigma: float) -> Picture:
    """Gaussian blur of `picture`, (H, W) or (H, W, 3), as the weighted sum over each pixel's window.
    `size` and `sigma`, and the ValueErrors, as in `gaussian_kernel`."""
    kernel = gaussian_kernel(size, sigma)
    radius = len(kernel) // 2
    height, width = picture.shape
    pixels = picture.tolist()
    blurred = np.empty((height, width), np.uint8)
    for y in range(height):
        rows = [pixels[reflect_101(y - radius + i, height)] for i in range(len(kernel))]
        for x in range(width):
            columns = [reflect_101(x - radius + j, width) for j in range(len(kernel))]
            total = 0
            for row, row_weight in zip(rows, kernel, strict=True):
                for column, column_weight in zip(columns, kernel, strict=True):
                    total += row_weight * column_weight * row[column]
            blurred[y, x] = (total + HALF) >> (2 * SHIFT)
    return blurred


def gaussian_blur_numpy(picture: Picture, size: int, sigma: float) -> Picture:
    """Gaussian blur of `picture`, (H, W) or (H, W, 3), first along the rows, then down the columns.
    `size` and `sigma`, and the ValueErrors, as in `gaussian_kernel`."""
    picture = check_picture(picture)
    kernel = gaussian_kernel(size, sigma)
    radius = len(kernel) // 2
    extended = extend(extend(picture, radius, radius, 0, reflect_101), radius, radius, 1, reflect_101)
    blurred = np.empty_like(picture)
    for rows in bands(picture, min_rows=len(kernel)):
        band = extended[rows.start : rows.stop + 2 * radius]
        across = _weighted_sums(band, kernel, 1, np.uint16)  # 255 * 256 fits: nothing is rounded in between
        total = _weighted_sums(across, kernel, 0, np.uint32)
        total += HALF
        blurred[rows] = total >> (2 * SHIFT)
    return blurred


def _weighted_sums(
    values: npt.NDArray[Any], kernel: list[int], axis: int, dtype: type[Unsigned]
) -> npt.NDArray[Unsigned]:
    """Weighted sums of `len(kernel)` neighbours along an axis. The kernel is symmetric: the two pixels at the same
    distance from the middle are added first and share one product."""
    length = values.shape[axis] - len(kernel) + 1
    wide = np.moveaxis(values.astype(dtype), axis, 0)
    radius = len(kernel) // 2
    total = wide[radius : radius + length] * dtype(kernel[radius])
    for i in range(radius):
        mirrored = len(kernel) - 1 - i
        total += (wide[i : i + length] + wide[mirrored : mirrored + length]) * dtype(kernel[i])
    return np.moveaxis(total, 0, axis)
