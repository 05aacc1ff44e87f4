"""Lesson 1, grey: one number for the brightness of a colour.

    gray = 0.299 red + 0.587 green + 0.114 blue        (ITU-R BT.601)

The eye is most sensitive to green and least to blue. The plain mean of the three would make a blue sky as bright as a
green meadow.
"""

import numpy as np

from cv_basics.bands import by_bands, planes
from cv_basics.picture import Picture, check_picture

# The weights times 2**15, rounded so that they add up to 2**15: white stays 255. OpenCV: color_rgb.simd.hpp
RED, GREEN, BLUE = 9798, 19235, 3735
SHIFT = 15
HALF = 1 << (SHIFT - 1)  # added before the shift, which rounds down, so that the result is rounded to nearest


def gray_loops(picture: Picture) -> Picture:
    """Grey (H, W) of an RGB picture (H, W, 3), pixel by pixel. ValueError if `picture` is not RGB."""
    picture = check_picture(picture, channels=(3,))
    height, width, _ = picture.shape
    pixels = picture.tolist()
    gray = np.empty((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            red, green, blue = pixels[y][x]
            gray[y, x] = (RED * red + GREEN * green + BLUE * blue + HALF) >> SHIFT
    return gray


@by_bands
def gray_numpy(picture: Picture) -> Picture:
    """Grey (H, W) of an RGB picture (H, W, 3). ValueError if `picture` is not RGB."""
    red, green, blue = planes(picture, np.uint32)
    return ((RED * red + GREEN * green + BLUE * blue + HALF) >> SHIFT).astype(np.uint8)
