"""What all figures are built of: panels of one size, each with a picture or a plot and a title."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from cv_basics.bands import bands
from cv_basics.picture import Picture

WIDTH = 10.0  # inches, of every figure: side by side on a page, all have letters of the same size
LARGEST = 900  # pixels: a larger picture is reduced before it is drawn; a panel has fewer anyway


def panel_height(picture: Picture, width: float) -> float:
    """The height in inches of a panel of this width for a picture, within limits for very flat and very tall ones."""
    return width * float(np.clip(picture.shape[0] / picture.shape[1], 0.6, 1.6))


def empty_figure(title: str, heights: Sequence[float]) -> Figure:
    """A figure WIDTH wide, with room for a title and for rows of panels of these heights in inches."""
    layout = ConstrainedLayoutEngine(h_pad=0.1)  # inches: or a title touches the picture above it
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.45 * (len(heights) + 1)), layout=layout)
    figure.suptitle(title, fontsize=12)
    return figure


def panel_grid(
    title: str, picture: Picture, rows: int, columns: int, widths: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure with `rows` x `columns` panels, as high as `picture` needs; their axes row by row. `widths` are
    relative."""
    figure = empty_figure(title, [panel_height(picture, WIDTH / sum(widths or [1] * columns))] * rows)
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=widths)
    return figure, list(axes.flat)


def show(axis: Axes, picture: Picture, title: str, colours: Any = "gray", levels: tuple[int, int] = (0, 255)) -> None:
    """Show a picture; the axes count its own rows and columns, even if it is reduced to be drawn."""
    height, width = picture.shape[:2]
    edges = (-0.5, width - 0.5, height - 0.5, -0.5)
    axis.imshow(reduced(picture), cmap=colours, vmin=levels[0], vmax=levels[1], extent=edges)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_color("#cccccc")  # a frame, so that a white picture has an edge
    set_title(axis, title)


def set_title(axis: Axes, title: str) -> None:
    """The title of a panel."""
    axis.set_title(title, fontsize=10)


def reduced(picture: Picture) -> Picture:
    """The picture with its longer side divided by a whole number, so that it has about LARGEST pixels or fewer."""
    image = Image.fromarray(picture)
    return np.asarray(image.reduce(max(1, max(image.size) // LARGEST)))


def in_bands(colours: Callable[..., Picture], *stages: npt.NDArray[Any]) -> Picture:
    """`colours` of all stages, computed band by band, since its temporary arrays take 60 bytes per pixel."""
    return np.concatenate([colours(*(stage[rows] for stage in stages)) for rows in bands(stages[0])])


def to_bytes(values: npt.NDArray[np.float64]) -> Picture:
    """Grey levels or colours from 0 to 1 as bytes from 0 to 255."""
    return np.rint(values * 255).astype(np.uint8)
