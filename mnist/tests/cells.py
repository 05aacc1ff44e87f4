"""Digits as on a scanned form, drawn from a seed: European handwriting, and whatever lies beside the digit.

A cell is one digit on paper: strokes of any width, slanted, seen slightly from the side, blurred, noisy. `prepare.py`
and `doubt.py` were developed with the seed DEVELOPMENT; the tests measure with another one, MEASURED.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from mnist.tests.drawing import STROKES, brush

DEVELOPMENT, MEASURED = 1000, 2026

Light = Callable[[np.ndarray, np.ndarray], "np.ndarray | float"]  # of rows and columns from -1 to 1
Strokes = list[list[tuple[float, float]]]


def one_with_flag(rng: np.random.Generator) -> Strokes:
    """A 1 that begins with an upstroke, short or nearly as long as the 1; now and then with a foot."""
    top, out, down = 1.1 + rng.normal(0, 0.1), rng.uniform(0.35, 1.0), rng.uniform(0.4, 1.4)
    flag = [(top - out, down), (top - out / 2, down / 2 - rng.uniform(0, 0.15)), (top, 0.0)]
    strokes = [flag, [(top, 0.0), (top - 0.05, 1.5), (top - 0.1, 3.0)]]
    if rng.random() < 0.15:
        strokes.append([(top - 0.5, 3.0), (top, 3.0), (top + 0.5, 3.0)])
    return strokes


def seven_with_bar(rng: np.random.Generator) -> Strokes:
    """A 7 with a bar through its stem, near the middle; half of them begin with a short downstroke."""
    right, foot = rng.uniform(1.5, 1.9), rng.uniform(0.5, 1.1)
    height, half, tilt = rng.uniform(1.2, 1.9), rng.uniform(0.35, 0.7), rng.normal(0, 0.12)
    middle = right + (foot - right) * height / 3
    bar = [(middle - half, height + tilt), (middle, height), (middle + half, height - tilt)]
    strokes = [[(0.1, 0.15), (1.0, 0.1), (right, 0.1)], [(right, 0.1), ((right + foot) / 2, 1.5), (foot, 3.0)], bar]
    return [[(0.1, 0.6), (0.1, 0.35), (0.1, 0.15)], *strokes] if rng.random() < 0.5 else strokes


PLAIN = [STROKES[which] for which in (*range(10), 11, 12, 14)]  # without the 1 with a flag and the 7 with a bar


def plain(rng: np.random.Generator, number: int) -> tuple[int, Strokes]:
    return PLAIN[number % len(PLAIN)]


STYLES: dict[str, Callable[[np.random.Generator, int], tuple[int, Strokes]]] = {
    "1 with a flag": lambda rng, number: (1, one_with_flag(rng)),
    "7 with a bar": lambda rng, number: (7, seven_with_bar(rng)),
    "others": plain,
}


def cells(style: str, beside: str, count: int, seed: int) -> Iterator[tuple[np.ndarray, int]]:
    """Grey pictures, uint8 (H, W), each with its label: digits of a style of STYLES with something of BESIDE."""
    for number in range(count):
        rng = np.random.default_rng((seed, list(STYLES).index(style), list(BESIDE).index(beside), number))
        label, strokes = STYLES[style](rng, number)
        yield cell(rng, partial(brush, rng, strokes), beside), label


def cell(rng: np.random.Generator, digit: Callable[[int], np.ndarray], beside: str = "nothing") -> np.ndarray:
    """A grey picture, uint8 (H, W), of 64 to 320 pixels: the ink, float (h, w), that `digit` makes of a height."""
    height = int(np.exp(rng.uniform(np.log(64), np.log(320))))
    width = int(height * rng.uniform(0.8, 1.2))
    margin = height // 8  # cut off after the view from the side
    ink = np.zeros((height, width))
    drawn = digit(int(height * rng.uniform(0.45, 0.62)))
    drawn = drawn[: int(height * 0.8), : int(width * 0.8)]
    top, left = ((np.array(ink.shape) - drawn.shape) * rng.uniform(0.35, 0.65, 2)).astype(int)
    ink[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn
    page = Image.fromarray((np.pad(ink, margin) * 255).astype(np.uint8))
    lines = Image.new("L", page.size)
    light = BESIDE[beside](rng, lines, margin)
    amount = np.maximum(np.asarray(page), np.asarray(lines) * rng.uniform(0.6, 1.0))
    seen = from_the_side(rng, Image.fromarray(amount.astype(np.uint8)), margin).filter(
        ImageFilter.GaussianBlur(height * rng.uniform(0.003, 0.012))
    )
    alpha = np.asarray(seen, float) / 255
    paper, colour = rng.uniform(190, 250), rng.uniform(15, 100)
    grey = (paper * (1 - alpha) + colour * alpha) * light(*np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j])
    return (grey + rng.normal(0, rng.uniform(1, 7), grey.shape)).clip(0, 255).astype(np.uint8)


def from_the_side(rng: np.random.Generator, page: Image.Image, margin: int) -> Image.Image:
    """The page without its margin, its four corners each moved by up to a 40th of its size."""
    x, y = page.width - margin, page.height - margin
    corners = np.array([(margin, margin), (margin, y), (x, y), (x, margin)], float)
    corners += rng.uniform(-1, 1, corners.shape) * (page.height - 2 * margin) / 40
    size = (page.width - 2 * margin, page.height - 2 * margin)
    return page.transform(size, Image.Transform.QUAD, corners.ravel().tolist(), Image.Resampling.BICUBIC)


def even(rows: np.ndarray, columns: np.ndarray) -> float:
    return 1.0


def nothing(rng: np.random.Generator, page: Image.Image, margin: int) -> Light:
    return even


def line(side: int, away: float, rng: np.random.Generator, page: Image.Image, margin: int) -> Light:
    """A line from edge to edge along a side (0 left, 1 top, 2 right, 3 bottom), within `away` of the height of it."""
    inner = [margin, margin, page.width - margin, page.height - margin]
    height = inner[3] - inner[1]
    place = inner[side] + height * rng.uniform(away / 2, away) * (1 if side < 2 else -1)
    ends = (place, 0, place, page.height) if side % 2 == 0 else (0, place, page.width, place)
    ImageDraw.Draw(page).line(ends, fill=255, width=pen(rng, height))
    return even


def pen(rng: np.random.Generator, height: int) -> int:
    """The width of a printed line in a cell of this height, in pixels."""
    return max(round(height * rng.uniform(0.01, 0.035)), 1)


def box(rng: np.random.Generator, page: Image.Image, margin: int) -> Light:
    """A table's box, cut out along its lines."""
    for side in range(4):
        line(side, 0.02, rng, page, margin)
    return even


def frame(rng: np.random.Generator, page: Image.Image, margin: int) -> Light:
    """A closed frame that does not touch the picture's edge."""
    height = page.height - 2 * margin
    away = margin + height * rng.uniform(0.05, 0.11, 4)
    corners = (away[0], away[1], page.width - away[2], page.height - away[3])
    ImageDraw.Draw(page).rectangle(corners, outline=255, width=pen(rng, height))
    return even


def grid(across: bool, rng: np.random.Generator, page: Image.Image, margin: int) -> Light:
    """Ruled paper, or squared if `across`; its lines run through the digit, but are thinner and paler."""
    height = page.height - 2 * margin
    spacing, width, shade = height * rng.uniform(0.2, 0.5), max(round(height * 0.01), 1), int(rng.uniform(60, 140))
    draw = ImageDraw.Draw(page)
    for place in np.arange(rng.uniform(0, spacing), max(page.size), spacing):
        draw.line((0, place, page.width, place), fill=shade, width=width)
        if across:
            draw.line((place, 0, place, page.height), fill=shade, width=width)
    return even


def shadow(steepness: float, rng: np.random.Generator, page: Image.Image, margin: int) -> Light:
    """The edge of a shadow across the digit; with steepness 1 it goes from light to dark over half the picture."""
    angle, place, dark = rng.uniform(0, 2 * math.pi), rng.uniform(-0.3, 0.3), rng.uniform(0.35, 0.65)

    def level(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        across = (rows * math.sin(angle) + columns * math.cos(angle) - place) * steepness
        return dark + (1 - dark) * (across + 0.5).clip(0, 1)

    return level


BESIDE: dict[str, Callable[[np.random.Generator, Image.Image, int], Light]] = {
    "nothing": nothing,
    "line left": partial(line, 0, 0.02),
    "line above": partial(line, 1, 0.02),
    "line right": partial(line, 2, 0.02),
    "line below": partial(line, 3, 0.02),
    "line further in": lambda rng, page, margin: line(int(rng.integers(4)), 0.11, rng, page, margin),
    "box": box,
    "frame": frame,
    "ruled": partial(grid, False),
    "squared": partial(grid, True),
    "hard shadow": partial(shadow, 60.0),
    "steep shadow": partial(shadow, 3.0),
}
