"""Lesson 6, Otsu's threshold: split a grey picture into the two classes that differ most.

    p[i]       share of the pixels with grey level i
    q1(t)      share of the darker class, the levels up to t;  q2 = 1 - q1
    mu1, mu2   mean grey level of the two classes
    sigma(t) = q1 q2 (mu1 - mu2)**2        the between-class variance; the threshold is the t that maximises it

(N. Otsu, A threshold selection method from gray-level histograms, IEEE Trans. SMC 9, 1979, equation 14.) The variance
of all pixels is fixed, and it is the variance between the classes plus that within them, so maximising the one
minimises the other. Only the 256 numbers of the histogram are needed, whatever the size of the picture.
"""

import numpy as np
import numpy.typing as npt

from cv_basics.bands import bands
from cv_basics.picture import Picture, check_picture, check_stage

LEVELS = 256
EMPTY = float(np.finfo(np.float32).eps)  # OpenCV treats a class with a smaller share as empty (thresh.cpp)


def histogram_loops(picture: Picture) -> npt.NDArray[np.int64]:
    """How many pixels of a grey picture (H, W) have each of the 256 levels. ValueError if `picture` is not grey."""
    picture = check_picture(picture, channels=(1,))
    counts = [0] * LEVELS
    for row in picture.tolist():
        for level in row:
            counts[level] += 1
    return np.array(counts, np.int64)


def histogram_numpy(picture: Picture) -> npt.NDArray[np.int64]:
    """How many pixels of a grey picture (H, W) have each of the 256 levels. ValueError if `picture` is not grey."""
    picture = check_picture(picture, channels=(1,))
    counts = np.zeros(LEVELS, np.int64)
    for rows in bands(picture):  # since bincount converts what it counts to int64
        counts += np.bincount(picture[rows].ravel(), minlength=LEVELS)
    return counts


def between_class_variance(histogram: npt.NDArray[np.int64]) -> list[float]:
    """sigma(t) for t from 0 to 255 of the counts of 256 levels; 0 where one of the classes is empty.

    The mean of the darker class is updated from level to level as in OpenCV, in this order of float64 operations:
    between two levels that occur, all thresholds are equally good, and the last bits decide which of them wins.
    ValueError unless `histogram` is an int64 array of 256 counts with at least one pixel.
    """
    counts = check_stage(histogram, "histogram", np.int64, (LEVELS,)).tolist()
    if min(counts) < 0 or max(counts) == 0:
        raise ValueError("histogram must count at least one pixel, and none of its counts may be negative")
    scale = 1 / sum(counts)
    mu = sum(level * count for level, count in enumerate(counts)) * scale
    q1 = mu1 = 0.0
    variances = [0.0] * LEVELS
    for level, count in enumerate(counts):
        share = count * scale
        mu1 *= q1
        q1 += share
        q2 = 1 - q1
        if min(q1, q2) < EMPTY or max(q1, q2) > 1 - EMPTY:
            continue
        mu1 = (mu1 + level * share) / q1
        mu2 = (mu - q1 * mu1) / q2
        variances[level] = q1 * q2 * (mu1 - mu2) * (mu1 - mu2)
    return variances


def otsu_threshold(histogram: npt.NDArray[np.int64]) -> int:
    """The level (0 to 255) with the largest between-class variance, the lowest of equal ones; 0 for a single class.
    ValueError as in `between_class_variance`."""
    variances = between_class_variance(histogram)
    return variances.index(max(variances))


def otsu_loops(picture: Picture) -> tuple[int, Picture]:
    """Otsu's threshold of a grey picture (H, W), and the picture with 255 where a pixel is above it, else 0.
    ValueError if `picture` is not grey."""
    picture = check_picture(picture, channels=(1,))
    threshold = otsu_threshold(histogram_loops(picture))
    height, width = picture.shape
    binary = np.empty((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            binary[y, x] = 255 if picture[y, x] > threshold else 0
    return threshold, binary


def otsu_numpy(picture: Picture) -> tuple[int, Picture]:
    """Otsu's threshold of a grey picture (H, W), and the picture with 255 where a pixel is above it, else 0.
    ValueError if `picture` is not grey."""
    picture = check_picture(picture, channels=(1,))
    threshold = otsu_threshold(histogram_numpy(picture))
    return threshold, (picture > threshold) * np.uint8(255)
