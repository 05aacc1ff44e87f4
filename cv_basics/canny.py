"""Lesson 5, Canny: edges one pixel thin, in four stages.

    1. Sobel        dx, dy: how fast the brightness changes to the right and downwards
    2. magnitude    |dx| + |dy|, or dx**2 + dy**2: how fast in the direction of the steepest change
    3. suppression  of all but the maxima in that direction (non-maximum suppression), which thins the edges
    4. hysteresis   an edge starts above the high threshold and continues while it stays above the low one

(J. Canny, A computational approach to edge detection, IEEE Trans. PAMI 8, 1986; the details as in OpenCV's canny.cpp.)
Noise has edges too: blur the picture first, for example with `gaussian_blur_numpy(picture, 5, 1.4)`.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from cv_basics.bands import bands
from cv_basics.border import extend, replicate
from cv_basics.picture import Picture, check_number, check_picture, check_stage

Gradient = npt.NDArray[np.int16]  # (H, W): differences of -1020 .. 1020
Magnitude = npt.NDArray[np.int32]  # (H, W): up to 2040, or 2 * 1020**2 with squares
Mask = npt.NDArray[np.bool_]  # (H, W)

TANGENT_SHIFT = 15
TANGENT = round(math.tan(math.pi / 8) * (1 << TANGENT_SHIFT))  # of 22.5 degrees; that of 67.5 is larger by 2
HALO = 2  # rows: how far up and down the first three stages look
NEIGHBOURS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def sobel_loops(picture: Picture) -> tuple[Gradient, Gradient]:
    """dx and dy (H, W) of a grey picture (H, W): the difference of the two neighbours, smoothed across with 1 2 1.
    Beyond the edge, the edge pixel is repeated. ValueError if `picture` is not grey."""
    picture = check_picture(picture, channels=(1,))
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
    """dx and dy (H, W) of a grey picture (H, W): the difference of the two neighbours, smoothed across with 1 2 1.
    Beyond the edge, the edge pixel is repeated. ValueError if `picture` is not grey."""
    picture = check_picture(picture, channels=(1,))
    wide = extend(extend(picture.astype(np.int16), 1, 1, 0, replicate), 1, 1, 1, replicate)
    smooth_down = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    smooth_across = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    return smooth_down[:, 2:] - smooth_down[:, :-2], smooth_across[2:] - smooth_across[:-2]


def magnitude_loops(dx: Gradient, dy: Gradient, squared: bool = False) -> Magnitude:
    """|dx| + |dy| for each pixel, or dx**2 + dy**2 if `squared`. ValueError if dx and dy are not two gradients."""
    dx, dy = _check_gradient(dx, dy)
    magnitude = np.empty(dx.shape, np.int32)
    for y, x in np.ndindex(dx.shape):
        right, down = int(dx[y, x]), int(dy[y, x])
        magnitude[y, x] = right * right + down * down if squared else abs(right) + abs(down)
    return magnitude


def magnitude_numpy(dx: Gradient, dy: Gradient, squared: bool = False) -> Magnitude:
    """|dx| + |dy| for each pixel, or dx**2 + dy**2 if `squared`. ValueError if dx and dy are not two gradients."""
    dx, dy = _check_gradient(dx, dy)
    right, down = dx.astype(np.int32), dy.astype(np.int32)
    return right * right + down * down if squared else abs(right) + abs(down)


def suppress_loops(magnitude: Magnitude, dx: Gradient, dy: Gradient) -> Mask:
    """True where a pixel's magnitude is larger than those of its two neighbours along the gradient, whose direction
    is rounded to horizontal, vertical or diagonal (non-maximum suppression). Outside the picture the magnitude is 0.
    ValueError unless the three belong to one picture.

    No angle is computed: with x = |dx| and y = |dy| the gradient is nearly horizontal if y < x tan 22.5 degrees and
    nearly vertical if y > x tan 67.5 degrees. Of two equal neighbours on an axis the first is kept, on a diagonal none.
    """
    dx, dy = _check_gradient(dx, dy)
    magnitude = check_stage(magnitude, "magnitude", np.int32, dx.shape)
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
    """True where a pixel's magnitude is larger than those of its two neighbours along the gradient, whose direction
    is rounded to horizontal, vertical or diagonal (non-maximum suppression). Outside the picture the magnitude is 0.
    ValueError unless the three belong to one picture."""
    dx, dy = _check_gradient(dx, dy)
    magnitude = check_stage(magnitude, "magnitude", np.int32, dx.shape)
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
    """255 where a `kept` pixel is above `high`, or above `low` and connected to such a pixel by others; else 0.
    ValueError unless the two belong to one picture and the thresholds are finite numbers."""
    magnitude, kept = _check_ridges(magnitude, kept)
    lower, higher = check_number(low, "low"), check_number(high, "high")
    height, width = magnitude.shape
    edges = np.zeros((height, width), np.uint8)
    stack = []
    for y, x in np.ndindex(height, width):
        if kept[y, x] and magnitude[y, x] > higher:
            edges[y, x] = 255
            stack.append((y, x))
    while stack:
        from_y, from_x = stack.pop()
        for down, right in NEIGHBOURS:
            y, x = from_y + down, from_x + right
            if 0 <= y < height and 0 <= x < width and kept[y, x] and magnitude[y, x] > lower and not edges[y, x]:
                edges[y, x] = 255
                stack.append((y, x))
    return edges


def hysteresis_numpy(magnitude: Magnitude, kept: Mask, low: int, high: int) -> Picture:
    """255 where a `kept` pixel is above `high`, or above `low` and connected to such a pixel by others; else 0.
    ValueError unless the two belong to one picture and the thresholds are finite numbers."""
    magnitude, kept = _check_ridges(magnitude, kept)
    weak, edges = _framed(kept.shape), _framed(kept.shape)
    weak[1:-1, 1:-1] = kept & (magnitude > check_number(low, "low"))
    edges[1:-1, 1:-1] = kept & (magnitude > check_number(high, "high"))
    return grow(edges, weak)


def _framed(shape: tuple[int, ...]) -> Mask:
    return np.zeros((shape[0] + 2, shape[1] + 2), np.bool_)  # one more pixel on each side: no neighbour lies outside


def grow(edges: Mask, weak: Mask) -> Picture:
    """255 where `edges` is True or connected to such a pixel by `weak` ones; else 0. Both are (H + 2, W + 2) with a
    frame of False, and both are overwritten. All edges of one band of rows grow at once, one pixel at a time."""
    width = edges.shape[1]
    weak &= ~edges
    flat_weak, flat_edges = weak.ravel(), edges.ravel()
    steps = [down * width + right for down, right in NEIGHBOURS]
    for rows in bands(edges):
        tips = np.flatnonzero(edges[rows]) + rows.start * width
        while tips.size:
            reached = []
            for step in steps:
                around = tips + step
                reached.append(around[flat_weak[around]])
                flat_weak[reached[-1]] = False  # or the next step would reach them again
            tips = np.concatenate(reached)
            flat_edges[tips] = True
    return edges[1:-1, 1:-1] * np.uint8(255)


def canny_loops(picture: Picture, low: float, high: float, squared: bool = False) -> Picture:
    """255 on the edges of `picture`, (H, W) or (H, W, 3), else 0. In a colour picture each pixel uses the channel that
    changes most, the first of equal ones. Thresholds in the wrong order are swapped; with `squared` they still apply
    to sqrt(dx**2 + dy**2). ValueError if a threshold is not a finite number."""
    picture = check_picture(picture)
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
    """255 on the edges of `picture`, (H, W) or (H, W, 3), else 0. In a colour picture each pixel uses the channel that
    changes most, the first of equal ones. Thresholds in the wrong order are swapped; with `squared` they still apply
    to sqrt(dx**2 + dy**2). ValueError if a threshold is not a finite number."""
    picture = check_picture(picture)
    low, high = thresholds(low, high, squared)
    edges, weak = _framed(picture.shape), _framed(picture.shape)
    for rows, _, _, magnitude, kept in ridges(picture, squared):
        edges[1:-1, 1:-1][rows] = kept & (magnitude > high)
        weak[1:-1, 1:-1][rows] = kept & (magnitude > low)
    return grow(edges, weak)


def ridges(picture: Picture, squared: bool = False) -> Iterator[tuple[slice, Gradient, Gradient, Magnitude, Mask]]:
    """The first three stages, band by band: the rows, and their dx, dy, magnitude and whether each pixel is kept.
    On a whole picture these would take 40 bytes per pixel, against one for the pixel itself.

    A band is computed with two more rows on each side, one for Sobel and one for the suppression. Their own results
    are wrong, unless the picture ends there, and are cut off."""
    picture = check_picture(picture)
    for rows in bands(picture, min_rows=8):
        top = max(rows.start - HALO, 0)
        dx, dy, magnitude = _strongest(picture[top : rows.stop + HALO], squared)
        kept = suppress_numpy(magnitude, dx, dy)
        inner = slice(rows.start - top, rows.stop - top)
        yield rows, dx[inner], dy[inner], magnitude[inner], kept[inner]


def _strongest(picture: Picture, squared: bool) -> tuple[Gradient, Gradient, Magnitude]:
    """dx, dy and magnitude (H, W) of the channel that changes most at each pixel, the first of equal ones."""
    if picture.ndim == 2:
        dx, dy = sobel_numpy(picture)
        return dx, dy, magnitude_numpy(dx, dy, squared)
    gradients = [sobel_numpy(channel) for channel in _channels(picture)]
    magnitudes = np.stack([magnitude_numpy(dx, dy, squared) for dx, dy in gradients])
    first = magnitudes.argmax(axis=0)
    dx, dy = (np.choose(first, parts) for parts in zip(*gradients, strict=True))
    return dx, dy, np.choose(first, magnitudes)


def thresholds(low: float, high: float, squared: bool = False) -> tuple[int, int]:
    """The two thresholds in ascending order as integers, rounded down as in OpenCV; squared for squared magnitudes.
    ValueError if one is not a finite number."""
    lower, higher = sorted([check_number(low, "low"), check_number(high, "high")])
    if squared:
        lower, higher = (_squared_threshold(value) for value in (lower, higher))
    return math.floor(lower), math.floor(higher)


def _squared_threshold(value: float) -> float:
    value = min(value, 32767.0)
    return value * value if value > 0 else value


def _check_gradient(dx: Gradient, dy: Gradient) -> tuple[Gradient, Gradient]:
    dx = check_stage(dx, "dx", np.int16)
    return dx, check_stage(dy, "dy", np.int16, dx.shape)


def _check_ridges(magnitude: Magnitude, kept: Mask) -> tuple[Magnitude, Mask]:
    magnitude = check_stage(magnitude, "magnitude", np.int32)
    return magnitude, check_stage(kept, "kept", np.bool_, magnitude.shape)


def _channels(picture: Picture) -> list[Picture]:
    return [picture] if picture.ndim == 2 else [picture[..., channel] for channel in range(3)]
