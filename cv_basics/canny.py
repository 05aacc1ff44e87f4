"""Lesson 5, Canny: edges one pixel thin, in four stages.

    1. Sobel        dx, dy: how fast the brightness changes to the right and downwards
    2. magnitude    |dx| + |dy|, or dx**2 + dy**2: how fast in the direction in which it changes fastest
    3. suppression  of every pixel that is not the largest of its neighbours in that direction: an edge gets thin
    4. hysteresis   an edge starts above the high threshold and goes on as long as it stays above the low one

(J. Canny, A computational approach to edge detection, IEEE Trans. PAMI 8, 1986; the details as in OpenCV's canny.cpp.)
Noise has edges too: blur the picture first, for example with `gaussian_blur_numpy(picture, 5, 1.4)`.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cv_basics.border import extend, replicate
from cv_basics.picture import Picture, check_number, check_picture

Gradient = npt.NDArray[np.int16]  # (H, W): differences of -1020 .. 1020
Magnitude = npt.NDArray[np.int32]  # (H, W): up to 2040, or 2 * 1020**2 with squares
Mask = npt.NDArray[np.bool_]  # (H, W)

TANGENT_SHIFT = 15
TANGENT = round(math.tan(math.pi / 8) * (1 << TANGENT_SHIFT))  # of 22.5 degrees; that of 67.5 is larger by 2
NEIGHBOURS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def sobel_loops(picture: Picture) -> tuple[Gradient, Gradient]:
    """dx and dy (H, W) of a grey picture (H, W): the difference of the two neighbours, smoothed with 1 2 1 across.
    The edge pixel goes on beyond the edge. ValueError if `picture` is not grey."""
    check_picture(picture, channels=(1,))
    height, width = picture.shape
    pixels = picture.tolist()
    dx, dy = np.empty((height, width), np.int16), np.empty((height, width), np.int16)
    for y in range(height):
        above, row, below = (pixels[replicate(y + step, height)] for step in (-1, 0, 1))
        for x in range(width):
            left, right = replicate(x - 1, width), replicate(x + 1, width)
            dx[y, x] = above[right] + 2 * row[right] + below[right] - above[left] - 2 * row[left] - below[left]
            dy[y, x] = below[left] + 2 * below[x] + below[right] - above[left] - 2 * above[x] - above[right]
    return dx, dy


def sobel_numpy(picture: Picture) -> tuple[Gradient, Gradient]:
    """dx and dy (H, W) of a grey picture (H, W): the difference of the two neighbours, smoothed with 1 2 1 across.
    The edge pixel goes on beyond the edge. ValueError if `picture` is not grey."""
    check_picture(picture, channels=(1,))
    wide = extend(extend(picture.astype(np.int16), 1, 1, 0, replicate), 1, 1, 1, replicate)
    smooth_down = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    smooth_across = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    return smooth_down[:, 2:] - smooth_down[:, :-2], smooth_across[2:] - smooth_across[:-2]


def magnitude_loops(dx: Gradient, dy: Gradient, squared: bool = False) -> Magnitude:
    """|dx| + |dy| for each pixel, or dx**2 + dy**2 if `squared`."""
    magnitude = np.empty(dx.shape, np.int32)
    for y, x in np.ndindex(dx.shape):
        right, down = int(dx[y, x]), int(dy[y, x])
        magnitude[y, x] = right * right + down * down if squared else abs(right) + abs(down)
    return magnitude


def magnitude_numpy(dx: Gradient, dy: Gradient, squared: bool = False) -> Magnitude:
    """|dx| + |dy| for each pixel, or dx**2 + dy**2 if `squared`."""
    right, down = dx.astype(np.int32), dy.astype(np.int32)
    return right * right + down * down if squared else abs(right) + abs(down)


def suppress_loops(magnitude: Magnitude, dx: Gradient, dy: Gradient) -> Mask:
    """True where a pixel's magnitude is larger than those of its two neighbours along the gradient, which is taken as
    horizontal, vertical or one of the diagonals, whichever is nearest. Outside the picture the magnitude is 0.

    No angle is computed: with x = |dx| and y = |dy| the gradient is nearly horizontal if y < x tan 22.5 degrees and
    nearly vertical if y > x tan 67.5 degrees. Of two equal neighbours on an axis the first is kept, on a diagonal none.
    """
    height, width = magnitude.shape
    rows = [[0] * (width + 2), *([0, *row, 0] for row in magnitude.tolist()), [0] * (width + 2)]
    kept = np.zeros((height, width), np.bool_)
    for y in range(height):
        above, row, below = rows[y : y + 3]
        for x in range(width):
            here = row[x + 1]
            right, down = int(dx[y, x]), int(dy[y, x])
            flat = abs(right) * TANGENT
            steep = flat + (abs(right) << (TANGENT_SHIFT + 1))
            slope = abs(down) << TANGENT_SHIFT
            if slope < flat:
                kept[y, x] = here > row[x] and here >= row[x + 2]
            elif slope > steep:
                kept[y, x] = here > above[x + 1] and here >= below[x + 1]
            elif (right < 0) == (down < 0):
                kept[y, x] = here > above[x] and here > below[x + 2]
            else:
                kept[y, x] = here > above[x + 2] and here > below[x]
    return kept


def suppress_numpy(magnitude: Magnitude, dx: Gradient, dy: Gradient) -> Mask:
    """True where a pixel's magnitude is larger than those of its two neighbours along the gradient, which is taken as
    horizontal, vertical or one of the diagonals, whichever is nearest. Outside the picture the magnitude is 0."""
    height, width = magnitude.shape
    framed = np.zeros((height + 2, width + 2), np.int32)
    framed[1:-1, 1:-1] = magnitude

    def neighbour(down: int, right: int) -> Magnitude:
        return framed[1 + down : 1 + down + height, 1 + right : 1 + right + width]

    flat = abs(dx.astype(np.int32)) * TANGENT
    steep = flat + (abs(dx.astype(np.int32)) << (TANGENT_SHIFT + 1))
    slope = abs(dy.astype(np.int32)) << TANGENT_SHIFT
    horizontal = (magnitude > neighbour(0, -1)) & (magnitude >= neighbour(0, 1))
    vertical = (magnitude > neighbour(-1, 0)) & (magnitude >= neighbour(1, 0))
    falling = (magnitude > neighbour(-1, -1)) & (magnitude > neighbour(1, 1))
    rising = (magnitude > neighbour(-1, 1)) & (magnitude > neighbour(1, -1))
    diagonal = np.where((dx < 0) == (dy < 0), falling, rising)
    return np.where(slope < flat, horizontal, np.where(slope > steep, vertical, diagonal))


def hysteresis_loops(magnitude: Magnitude, kept: Mask, low: int, high: int) -> Picture:
    """255 where a `kept` pixel is above `high`, or above `low` and linked to such a one by others; else 0."""
    height, width = magnitude.shape
    edges = np.zeros((height, width), np.uint8)
    waiting = []
    for y, x in np.ndindex(height, width):
        if kept[y, x] and magnitude[y, x] > high:
            edges[y, x] = 255
            waiting.append((y, x))
    while waiting:
        from_y, from_x = waiting.pop()
        for down, right in NEIGHBOURS:
            y, x = from_y + down, from_x + right
            if 0 <= y < height and 0 <= x < width and kept[y, x] and magnitude[y, x] > low and not edges[y, x]:
                edges[y, x] = 255
                waiting.append((y, x))
    return edges


def hysteresis_numpy(magnitude: Magnitude, kept: Mask, low: int, high: int) -> Picture:
    """255 where a `kept` pixel is above `high`, or above `low` and linked to such a one by others; else 0.
    All edges grow at once, by one pixel at a time."""
    height, width = magnitude.shape
    waiting = np.zeros((height + 2, width + 2), np.bool_)  # a frame of False: no neighbour is outside
    waiting[1:-1, 1:-1] = kept & (magnitude > low)
    edges = np.zeros_like(waiting)
    edges[1:-1, 1:-1] = kept & (magnitude > high)
    waiting &= ~edges
    still, found = waiting.ravel(), edges.ravel()
    steps = np.array([down * (width + 2) + right for down, right in NEIGHBOURS])
    tips = np.flatnonzero(found)
    while tips.size:
        around = (tips[:, np.newaxis] + steps).ravel()
        tips = np.unique(around[still[around]])
        found[tips] = True
        still[tips] = False
    return edges[1:-1, 1:-1] * np.uint8(255)


def canny_loops(picture: Picture, low: float, high: float, squared: bool = False) -> Picture:
    """255 on the edges of `picture`, (H, W) or (H, W, 3), else 0. In a colour picture each pixel takes the channel that
    changes most, the first of equals. Thresholds in the wrong order are swapped; with `squared` they are still meant
    for sqrt(dx**2 + dy**2). ValueError if a threshold is not a finite number."""
    check_picture(picture)
    low, high = thresholds(low, high, squared)
    gradients = [sobel_loops(channel) for channel in _channels(picture)]
    magnitudes = [magnitude_loops(dx, dy, squared) for dx, dy in gradients]
    (dx, dy), magnitude = gradients[0], magnitudes[0]
    for y, x in np.ndindex(magnitude.shape):
        strongest = max(range(len(gradients)), key=lambda channel: magnitudes[channel][y, x])
        magnitude[y, x] = magnitudes[strongest][y, x]
        dx[y, x], dy[y, x] = gradients[strongest][0][y, x], gradients[strongest][1][y, x]
    return hysteresis_loops(magnitude, suppress_loops(magnitude, dx, dy), low, high)


def canny_numpy(picture: Picture, low: float, high: float, squared: bool = False) -> Picture:
    """255 on the edges of `picture`, (H, W) or (H, W, 3), else 0. In a colour picture each pixel takes the channel that
    changes most, the first of equals. Thresholds in the wrong order are swapped; with `squared` they are still meant
    for sqrt(dx**2 + dy**2). ValueError if a threshold is not a finite number."""
    check_picture(picture)
    low, high = thresholds(low, high, squared)
    dx, dy = (np.stack(parts) for parts in zip(*map(sobel_numpy, _channels(picture)), strict=True))
    magnitude = magnitude_numpy(dx, dy, squared)
    strongest = magnitude.argmax(axis=0)[np.newaxis]
    dx, dy, magnitude = (np.take_along_axis(each, strongest, axis=0)[0] for each in (dx, dy, magnitude))
    return hysteresis_numpy(magnitude, suppress_numpy(magnitude, dx, dy), low, high)


def thresholds(low: float, high: float, squared: bool = False) -> tuple[int, int]:
    """The two thresholds in rising order as whole numbers, rounded down as OpenCV does; squared for squared magnitudes.
    ValueError if one is not a finite number."""
    lower, higher = sorted([check_number(low, "low"), check_number(high, "high")])
    if squared:
        lower, higher = (_squared_threshold(value) for value in (lower, higher))
    return math.floor(lower), math.floor(higher)


def _squared_threshold(value: float) -> float:
    value = min(value, 32767.0)
    return value * value if value > 0 else value


def _channels(picture: Picture) -> list[Any]:
    return [picture] if picture.ndim == 2 else [picture[..., channel] for channel in range(3)]
