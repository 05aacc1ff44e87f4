"""A figure of a lesson: cells, arrows and words, measured in the pixels of a page.

520 pixels wide, so that its text, 16 pixels high, still has 11 on a phone of 390 pixels.
"""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from shared_weights.themes import LIGHT

WIDTH = 520
PIXELS_PER_INCH, POINTS_PER_PIXEL = 96, 0.75  # CSS says so
TEXT = 16  # pixels


class Sketch:
    """A drawing of WIDTH x `height` pixels under a `title`; the origin is the upper left corner, y points down.

    Colours are roles in `shared_weights.themes`: "blue", "pale blue".
    """

    def __init__(self, title: str, height: int) -> None:
        self.title = title
        self.figure = Figure(figsize=(WIDTH / PIXELS_PER_INCH, height / PIXELS_PER_INCH))
        self.page = self.figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
        self.page.set_axis_off()
        self.text(16, 24, title, align="left", bold=True)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        colour: str = "ink",
        size: float = TEXT,
        align: str = "center",
        bold: bool = False,
    ) -> None:
        """Words whose middle line is at `y`; `align` says whether `x` is their left, center or right."""
        self.page.text(
            x,
            y,
            words,
            color=LIGHT[colour],
            fontsize=size * POINTS_PER_PIXEL,
            ha=align,
            va="center_baseline",
            weight="bold" if bold else "normal",
            linespacing=1.35,
            zorder=5,
        )

    def cell(self, x: float, y: float, width: float, height: float, fill: str = "", edge: str = "rule") -> None:
        """A rectangle with its upper left corner at (x, y); without `fill` one sees through it."""
        colour = LIGHT[fill] if fill else "none"
        self.page.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor=LIGHT[edge], linewidth=1))

    def frame(self, x: float, y: float, width: float, height: float, colour: str, dashed: bool = False) -> None:
        """A rectangle's outline, above what it encloses."""
        style = (0, (4, 3)) if dashed else "solid"
        self.page.add_patch(
            Rectangle(
                (x, y), width, height, fill=False, edgecolor=LIGHT[colour], linewidth=2.2, linestyle=style, zorder=4
            )
        )

    def box(self, x: float, y: float, width: float, height: float, fill: str, edge: str, words: str = "") -> None:
        """A rectangle with round corners, its upper left one at (x, y), and words in the middle."""
        self.page.add_patch(
            FancyBboxPatch(
                (x, y),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=4",
                facecolor=LIGHT[fill],
                edgecolor=LIGHT[edge],
                linewidth=1.2,
            )
        )
        self.text(x + width / 2, y + height / 2, words)

    def grid(
        self,
        x: float,
        y: float,
        side: float,
        numbers: Sequence[Sequence[str]],
        fill: str = "",
        edge: str = "rule",
    ) -> None:
        """Rows of cells that are `side` wide and high, each with its text; without `fill` one sees through them."""
        for row, line in enumerate(numbers):
            for column, number in enumerate(line):
                left, top = x + column * side, y + row * side
                self.cell(left, top, side, side, fill, edge)
                if number:
                    self.text(left + side / 2, top + side / 2, number)

    def arrow(
        self, start: tuple[float, float], end: tuple[float, float], colour: str = "quiet", line: float = 1.6
    ) -> None:
        """A straight arrow from `start` to `end`."""
        self.page.add_patch(
            FancyArrowPatch(
                start,
                end,
                arrowstyle="-|>",
                mutation_scale=11,
                shrinkA=0,
                shrinkB=0,
                color=LIGHT[colour],
                linewidth=line,
                zorder=3,
            )
        )

    def dot(self, x: float, y: float, colour: str, size: float = 9, marker: str = "o", hollow: bool = False) -> None:
        """A disc of `size` pixels across, on top of lines, or another of Matplotlib's markers; `hollow`: an outline."""
        self.page.plot(
            [x],
            [y],
            marker,
            color=LIGHT[colour],
            markerfacecolor=LIGHT["ground" if hollow else colour],
            markersize=size * POINTS_PER_PIXEL,
            zorder=4,
        )

    def line(
        self, start: tuple[float, float], end: tuple[float, float], colour: str = "rule", width: float = 1
    ) -> None:
        """A straight line from `start` to `end`."""
        self.page.plot(*zip(start, end), color=LIGHT[colour], linewidth=width, zorder=1)


def empty(rows: int, columns: int) -> list[list[str]]:
    """Cells without text, for `grid`."""
    return [[""] * columns] * rows
