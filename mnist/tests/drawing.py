"""Digits drawn for the tests: with a brush, as in a paint program, and in the fonts that come with matplotlib."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

FONTS = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic",
         "STIXGeneral", "STIXGeneralItalic", "cmss10", "cmtt10"]  # fmt: skip

# The strokes of each digit in a box 2 wide and 3 high, x to the right and y down, as points that a curve goes through.
# First 0 to 9, then a second way to write some of them.
STROKES: list[tuple[int, list[list[tuple[float, float]]]]] = [
    (0, [[(1.1, 0), (0.3, 0.5), (0.1, 1.6), (0.5, 2.8), (1.2, 2.9), (1.8, 2.1), (1.8, 0.9), (1.4, 0.1), (1, 0)]]),
    (1, [[(1.1, 0), (1.05, 1), (1, 2), (0.95, 3)]]),
    (2, [[(0.2, 0.7), (0.6, 0.1), (1.4, 0.1), (1.7, 0.8), (1.2, 1.7), (0.2, 2.9)],
         [(0.2, 2.9), (1, 2.85), (1.9, 2.9)]]),
    (3, [[(0.3, 0.3), (1, 0), (1.6, 0.5), (1.4, 1.2), (0.8, 1.4), (1.5, 1.6), (1.8, 2.2), (1.2, 2.9), (0.2, 2.6)]]),
    (4, [[(0.8, 0), (0.5, 0.9), (0.2, 1.7)], [(0.2, 1.7), (1, 1.65), (1.9, 1.6)], [(1.5, 0.3), (1.45, 1.6), (1.4, 3)]]),
    (5, [[(0.5, 0.1), (0.45, 0.7), (0.4, 1.3), (1.1, 1.2), (1.7, 1.8), (1.4, 2.7), (0.7, 3), (0.1, 2.6)],
         [(0.5, 0.1), (1.1, 0.1), (1.8, 0)]]),
    (6, [[(1.5, 0), (0.8, 0.6), (0.3, 1.6), (0.4, 2.6), (1.1, 3), (1.7, 2.4), (1.4, 1.7), (0.8, 1.7), (0.4, 2.2)]]),
    (7, [[(0.1, 0.2), (1, 0.15), (1.8, 0.1)], [(1.8, 0.1), (1.3, 1.2), (0.9, 2), (0.7, 3)]]),
    (8, [[(1.6, 0.4), (0.9, 0), (0.4, 0.5), (0.7, 1.2), (1.4, 1.7), (1.6, 2.4), (1, 3), (0.4, 2.5), (0.6, 1.8),
          (1.3, 1.2), (1.6, 0.5)]]),
    (9, [[(1.6, 0.5), (1, 0.05), (0.4, 0.5), (0.5, 1.2), (1.1, 1.4), (1.6, 0.9), (1.65, 0.4), (1.6, 1.5), (1.3, 3)]]),
    (1, [[(0.5, 0.8), (0.8, 0.4), (1.1, 0)], [(1.1, 0), (1.1, 1.5), (1.1, 3)]]),
    (2, [[(0.2, 0.6), (0.8, 0), (1.6, 0.4), (1.4, 1.4), (0.7, 2.4), (0.3, 2.8), (0.4, 2.4), (0.8, 2.5), (1.2, 2.9),
          (1.8, 2.7)]]),
    (4, [[(1.4, 0), (0.8, 1), (0.1, 2)], [(0.1, 2), (1, 2), (1.9, 2)], [(1.4, 0), (1.4, 1.5), (1.4, 3)]]),
    (7, [[(0.1, 0.2), (1, 0.15), (1.8, 0.1)], [(1.8, 0.1), (1.2, 1.3), (0.7, 3)], [(0.5, 1.5), (1, 1.5), (1.6, 1.4)]]),
    (9, [[(1.5, 0.4), (0.9, 0.1), (0.4, 0.6), (0.6, 1.3), (1.2, 1.3), (1.6, 0.6)],
         [(1.6, 0.2), (1.55, 1.5), (1.5, 3)]]),
]  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """picture: RGB; label: the digit in it; kind: "brush" or the font's name."""

    picture: Image.Image
    label: int
    kind: str


def hand_drawn(count: int, seed: int) -> list[Drawing]:
    """Pictures in turn by brush and by font: sizes from 40 to 900 pixels, anywhere on the paper, in any two colours
    that differ, half of them light on dark, half of them with noise."""
    rng = np.random.default_rng(seed)
    drawings = []
    for number in range(count):
        if number % 2 == 0:
            label, strokes = STROKES[number // 2 % len(STROKES)]
            drawings.append(Drawing(on_paper(rng, partial(brush, rng, strokes)), label, "brush"))
        else:
            font, label = FONTS[number // 2 % len(FONTS)], number // 2 // len(FONTS) % 10
            drawings.append(Drawing(on_paper(rng, partial(letter, font, label)), label, font))
    return drawings


def on_paper(rng: np.random.Generator, ink: Callable[[int], np.ndarray]) -> Image.Image:
    """A picture of the ink, float (h, w) from 0 to 1, that `ink` makes of a height in pixels."""
    height = int(np.exp(rng.uniform(np.log(24), np.log(500))))
    drawn = ink(height)
    page_height, page_width = (int(length * rng.uniform(1.2, 3)) + 6 for length in drawn.shape)
    top, left = rng.integers(2, page_height - drawn.shape[0] - 2), rng.integers(2, page_width - drawn.shape[1] - 2)
    alpha = np.zeros((page_height, page_width, 1))
    alpha[top : top + drawn.shape[0], left : left + drawn.shape[1], 0] = drawn
    dark, light = rng.uniform(0, 90, 3), rng.uniform(150, 255, 3)
    paper, colour = (light, dark) if rng.random() < 0.5 else (dark, light)
    page = paper * (1 - alpha) + colour * alpha
    if rng.random() < 0.5:
        page += rng.normal(0, rng.uniform(4, 20), page.shape)
    return Image.fromarray(page.clip(0, 255).astype(np.uint8))


def letter(font: str, sign: object, height: int) -> np.ndarray:
    """A digit or letter of about this height in a font: float (h, w)."""
    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    mask = ImageFont.truetype(file, max(round(height * 1.3), 8)).getmask(str(sign), mode="L")
    return np.asarray(mask, float).reshape(mask.size[::-1]) / 255


def brush(rng: np.random.Generator, strokes: list[list[tuple[float, float]]], height: int) -> np.ndarray:
    """Strokes of a round brush, as by hand, never twice the same: float (h, w)."""
    angle, slant, width = np.radians(rng.normal(0, 6)), rng.normal(0, 0.12), rng.uniform(0.75, 1.2)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    shear = np.array([[width, -slant], [0, 1]])
    paths = [curve(np.array(points) + rng.normal(0, 0.06, (len(points), 2))) @ (turn @ shear).T for points in strokes]
    every = np.concatenate(paths)
    scale, radius = height / np.ptp(every[:, 1]), height * rng.uniform(0.02, 0.08)
    size = np.ceil(np.ptp(every, axis=0) * scale + 2 * radius + 2).astype(int)
    page = Image.new("L", (size[0], size[1]))
    draw = ImageDraw.Draw(page)
    for path in paths:
        for x, y in (path - every.min(axis=0)) * scale + radius + 1:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(page, float) / 255


def curve(points: np.ndarray) -> np.ndarray:
    """A smooth path through points (n, 2): a Catmull-Rom spline in steps finer than any brush."""
    p = np.concatenate([points[:1], points, points[-1:]])
    t = np.linspace(0, 1, 150)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(p, p[1:], p[2:], p[3:])
    ]
    return np.concatenate(pieces)
