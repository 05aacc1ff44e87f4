"""Figures of a picture's numbers: a kernel that slides over them, and where they lie in memory."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from figures.sketch import Sketch

# The example of versions/README.md: a dark half beside a bright one, and a kernel that subtracts left from right.
PICTURE = np.array([[0, 0, 1, 1]] * 4)
EDGE = np.array([[-1, 0, 1]] * 3)
PLACE = (1, 1)  # the output pixel that is shown
HEIGHT, WIDTH, CHANNELS = 2, 4, 3  # the example of a layout
NUMBER = (1, 2, 0)  # row, column and channel of the number that is looked for
CELL = 32


def sliding() -> np.ndarray:
    """The convolution of PICTURE with EDGE: stride 1, padding 1, so as large as PICTURE."""
    windows = sliding_window_view(np.pad(PICTURE, 1), EDGE.shape)
    return (windows * EDGE).sum(axis=(2, 3))


def words(numbers: np.ndarray) -> list[list[str]]:
    """Whole numbers as text, with a minus sign that is as wide as a plus."""
    return [[str(number).replace("-", "\N{MINUS SIGN}") for number in row] for row in numbers.tolist()]


def kernel() -> Sketch:
    """A window of the padded picture, the kernel, and the output that they make, with the pixels of stride 2 ringed."""
    page = Sketch("A kernel slides over a picture", 374)
    left, top, side = 16, 80, CELL
    page.text(left + 3 * side, 54, "picture, padding 1", "quiet")
    page.cell(left + side, top + side, 4 * side, 4 * side, "pale blue")
    page.grid(left, top, side, words(np.pad(PICTURE, 1)))
    row, column = PLACE
    corner = left + column * side, top + row * side
    page.frame(*corner, 3 * side, 3 * side, "orange")
    page.frame(corner[0] + side, corner[1], 3 * side, 3 * side, "orange", dashed=True)
    page.arrow((corner[0] + 1.5 * side, top - 8), (corner[0] + 2.5 * side, top - 8), "orange")

    middle = top + 1.5 * side
    page.text(225, middle + 1.5 * side, "·", size=28)
    page.text(240 + 1.5 * side, middle - 22, "kernel", "quiet")
    page.grid(240, middle, side, words(EDGE), "pale orange")
    page.frame(240, middle, 3 * side, 3 * side, "orange")

    output, made = sliding(), (372, top + side)
    page.arrow((342, middle + 1.5 * side), (366, middle + 1.5 * side))
    page.text(made[0] + 2 * side, made[1] - 22, "output", "quiet")
    page.grid(*made, side, words(output), "pale green")
    for pixel in np.ndindex(2, 2):  # stride 2
        y, x = (2 * place for place in pixel)
        page.frame(made[0] + x * side + 4, made[1] + y * side + 4, side - 8, side - 8, "green", dashed=True)
    page.frame(made[0] + column * side, made[1] + row * side, side, side, "green")
    page.text(16, 308, three_products(), align="left")
    page.text(16, 350, "Stride 2 makes only the dashed ones.", "quiet", align="left")
    return page


def three_products() -> str:
    """The sum that makes the output pixel at PLACE, row by row of the window, in words."""
    row, column = PLACE
    window = np.pad(PICTURE, 1)[row : row + 3, column : column + 3]
    sums = (window * EDGE).sum(axis=1).tolist()
    values, factors = words(window)[1], words(EDGE)[1]
    terms = " + ".join(f"{value} · {factor}" for value, factor in zip(values, factors))
    return f"A row of the window: {terms} = {sums[1]}.\nThree rows: {' + '.join(map(str, sums))} = {sum(sums)}."


def layout() -> Sketch:
    """Three channels as planes, and below them the one row of memory, in which the channels of a pixel lie together."""
    page = Sketch("NHWC: the channels of a pixel lie side by side", 340)
    places = np.arange(HEIGHT * WIDTH * CHANNELS).reshape(HEIGHT, WIDTH, CHANNELS)
    fills = ("pale orange", "pale green", "pale blue")
    row, column, channel = NUMBER
    for number, fill in enumerate(fills):
        left = 16 + number * 172
        page.text(left + 2 * 36, 58, f"channel {number}", "quiet")
        page.grid(left, 74, 36, words(places[:, :, number]), fill)
    found = int(places[NUMBER])
    page.frame(16 + 172 * channel + column * 36, 74 + row * 36, 36, 36, "ink")
    page.text(16, 180, "the same numbers in memory, and their places", "quiet", align="left")
    step = 20
    for place in range(places.size):
        page.cell(20 + place * step, 200, step, 34, fills[place % CHANNELS])
    for pixel in range(HEIGHT * WIDTH + 1):
        x = 20 + pixel * CHANNELS * step
        page.line((x, 196), (x, 238), "ink" if pixel % WIDTH == 0 else "quiet", 2 if pixel % WIDTH == 0 else 1)
    page.frame(20 + found * step, 200, step, 34, "ink")
    for place in (0, WIDTH * CHANNELS, found, places.size - 1):
        page.text(20 + (place + 0.5) * step, 252, str(place), "ink" if place == found else "quiet", bold=place == found)
    formula = f"({row} · {WIDTH} + {column}) · {CHANNELS} + {channel} = {found}"
    page.text(16, 300, f"[row {row}, column {column}, channel {channel}] is at\n{formula}", align="left")
    return page
