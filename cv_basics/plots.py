"""The lessons' figures. Each function takes what a lesson computed and returns a labelled matplotlib figure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, hsv_to_rgb, to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from cv_basics.bands import bands
from cv_basics.panels import (
    WIDTH,
    empty_figure,
    in_bands,
    panel_grid,
    panel_height,
    reduced,
    set_title,
    show,
    to_bytes,
)
from cv_basics.picture import Picture

SMALL = 8  # points: the smallest letters
HEADROOM = 1.5  # the height of a plot over that of its data, so that a legend inside it stays above them

BEFORE, AFTER, OTHER = "#7f7f7f", "#1f77b4", "#ff7f0e"  # noisy or textbook; mean or OpenCV's integers; median
DARK_CLASS, BRIGHT_CLASS, THRESHOLD, VARIANCE = "#4a6fa5", "#f2b134", "#d62728", "#2ca02c"
HEAT = "viridis"
EDGE_COLOURS = ("black", "#46609c", "#ffa53c", "white")  # no edge, dropped, linked, strong
SECTORS = 12  # of the colour wheel, each of one colour: a palette keeps these
MIDDLE = 128  # U and V of grey
MOST_DECIBELS = 99  # an unchanged picture has infinitely many, which no bar can show

Magnitude = npt.NDArray[np.int32]
Step = tuple[str, Picture, float]  # what was done, the result, and its PSNR in decibels

RED_MAP = LinearSegmentedColormap.from_list("red", ["black", "red"])
GREEN_MAP = LinearSegmentedColormap.from_list("green", ["black", "lime"])
BLUE_MAP = LinearSegmentedColormap.from_list("blue", ["black", "blue"])
U_MAP = LinearSegmentedColormap.from_list("u", ["#b8a100", "#808080", "#3b3bff"])
V_MAP = LinearSegmentedColormap.from_list("v", ["#00a57a", "#808080", "#ff3030"])


def gray_figure(name: str, picture: Picture, gray: Picture) -> Figure:
    """Colour, grey as the eye weighs it, the plain mean of the three channels, and where the two differ."""
    picture, gray = reduced(picture), reduced(gray)
    mean = picture.mean(axis=2)
    most = max(1, math.ceil(np.abs(gray - mean).max()))  # the colours reach equally far to both sides of 0
    figure, axes = panel_grid(f"Grey: {name}", picture, 1, 4)
    show(axes[0], picture, "colour")
    show(axes[1], gray, "grey: 0.299 R\n+ 0.587 G + 0.114 B")
    show(axes[2], to_bytes(mean / 255), "plain mean:\n(R + G + B) / 3")
    show(axes[3], to_bytes((gray - mean) / (2 * most) + 0.5), "grey minus plain mean", "PuOr_r")
    levels = ScalarMappable(Normalize(-most, most), "PuOr_r")
    figure.colorbar(levels, ax=axes[3], shrink=0.8, label="grey levels")
    return figure


def color_figure(name: str, picture: Picture, channels: Sequence[Picture], yuv: Picture, back: Picture) -> Figure:
    """The three channels above, Y, U and V below, and what comes back from them."""
    lost = max(
        int((np.maximum(picture[rows], back[rows]) - np.minimum(picture[rows], back[rows])).max())
        for rows in bands(picture)
    )
    figure, axes = panel_grid(f"Colour: {name}", picture, 2, 4)
    show(axes[0], picture, "RGB")
    for axis, channel, title, colours in zip(
        axes[1:4], channels, ("red", "green", "blue"), (RED_MAP, GREEN_MAP, BLUE_MAP), strict=True
    ):
        show(axis, channel, title, colours)
    show(axes[4], back, f"RGB to YUV and back:\noff by {lost} at most")
    show(axes[5], yuv[..., 0], "Y: brightness")
    for axis, index, title, colours in (
        (axes[6], 1, "U: bluer than grey", U_MAP),
        (axes[7], 2, "V: redder than grey", V_MAP),
    ):
        chroma = yuv[..., index]
        most = max(1, int(chroma.max()) - MIDDLE, MIDDLE - int(chroma.min()))
        show(axis, chroma, title, colours, (MIDDLE - most, MIDDLE + most))
        levels = ScalarMappable(Normalize(-most, most), colours)
        figure.colorbar(levels, ax=axis, location="bottom", shrink=0.8, pad=0.02).ax.tick_params(labelsize=SMALL)
    return figure


def mean_blur_figure(name: str, picture: Picture, rows: Mapping[str, Sequence[Step]]) -> Figure:
    """A row for each kind of noise: noisy, mean and median; beside them the picture, and the PSNRs as bars."""
    figure, axes = panel_grid(f"Mean and median: {name}", picture, 2, 4)
    show(axes[0], picture, "picture")
    for row, (kind, steps) in enumerate(rows.items()):
        for column, (step, result, decibels) in enumerate(steps):
            title = kind if column == 0 else step
            show(axes[4 * row + column + 1], result, f"{title}: {decibels:.1f} dB")
    _decibel_bars(axes[4], rows)
    return figure


def _decibel_bars(axis: Axes, rows: Mapping[str, Sequence[Step]]) -> None:
    """A group of bars for each kind of noise, each bar with its name and the decibels that the titles show too."""
    names, top = [], 0
    for kind, steps in rows.items():
        axis.text(0, top, kind, fontsize=SMALL + 1, va="center")
        for place, ((step, _, decibels), colour) in enumerate(zip(steps, (BEFORE, AFTER, OTHER), strict=True), top + 1):
            bar = axis.barh(place, min(decibels, MOST_DECIBELS), color=colour)
            axis.bar_label(bar, [f"{decibels:.1f}"], fontsize=SMALL, padding=2)
            names.append((place, step.split()[0]))
        top += len(steps) + 1
    axis.set_yticks([place for place, _ in names], [name for _, name in names], fontsize=SMALL)
    axis.set_xticks([])
    axis.set_ylim(top - 0.4, -0.6)  # downwards: the first group above, its heading below the title
    axis.margins(x=0.25)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    set_title(axis, "PSNR [dB]: higher is better")


def gaussian_blur_figure(
    name: str, picture: Picture, blurred: Picture, kernel: Sequence[int], weights: Sequence[float], sigma: float
) -> Figure:
    """The kernel as a curve, a heat map and a surface; the picture before and after, and one of its rows."""
    size = len(kernel)
    panel = WIDTH / 3
    heights = [panel, panel_height(picture, panel)]
    figure = empty_figure(f"Gaussian blur, {size} x {size}, sigma {sigma:g}: {name}", heights)
    grid = figure.add_gridspec(2, 3, height_ratios=heights)
    _kernel_curve(figure.add_subplot(grid[0, 0]), kernel, weights, sigma)
    _kernel_plane(figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[0, 2], projection="3d"), kernel)
    _row_before_and_after(figure, grid, picture, blurred)
    return figure


def _kernel_curve(axis: Axes, kernel: Sequence[int], weights: Sequence[float], sigma: float) -> None:
    radius = len(kernel) // 2
    distances = np.linspace(-radius - 0.5, radius + 0.5, 401)
    axis.plot(distances, weights[radius] * np.exp(-((distances / sigma) ** 2) / 2), color=BEFORE, label="textbook")
    axis.bar(np.arange(len(kernel)) - radius, np.array(kernel) / 256, color=AFTER, alpha=0.6, label="OpenCV, / 256")
    axis.set_ylim(0, max(*weights, max(kernel) / 256) * HEADROOM)
    axis.set(xlabel="distance from the middle [pixels]")
    axis.locator_params(axis="x", integer=True)
    axis.legend(fontsize=SMALL, loc="upper left")
    set_title(axis, "weight of each row and column")


def _kernel_plane(heat: Axes, surface: Any, kernel: Sequence[int]) -> None:
    """The weights of a window's pixels as a heat map and as a surface (3D axes)."""
    radius = len(kernel) // 2
    offsets = np.arange(len(kernel)) - radius
    plane = np.outer(kernel, kernel) / 65536
    edge = radius + 0.5
    drawn = heat.imshow(plane, cmap=HEAT, extent=(-edge, edge, edge, -edge))
    heat.figure.colorbar(drawn, ax=heat, shrink=0.8)
    heat.locator_params(integer=True)
    set_title(heat, "weight of each pixel of the window")
    surface.plot_surface(*np.meshgrid(offsets, offsets), plane, cmap=HEAT, rstride=1, cstride=1)
    surface.tick_params(labelsize=SMALL, pad=-2)
    set_title(surface, "the same as a surface")


def _row_before_and_after(figure: Figure, grid: GridSpec, picture: Picture, blurred: Picture) -> None:
    """The second row of `grid`: a picture before and after, and the levels of the row in its middle."""
    middle = len(picture) // 2
    profile = figure.add_subplot(grid[1, 2])
    for column, (label, source, colour, line_width) in enumerate(
        (("before", picture, BEFORE, 0.8), ("after", blurred, AFTER, 1.8))
    ):
        axis = figure.add_subplot(grid[1, column])
        show(axis, source, label)
        outlined = [withStroke(linewidth=3, foreground="white")]
        axis.axhline(middle, color="black", linestyle="--", linewidth=1, path_effects=outlined)
        row = source[middle]
        levels = row if row.ndim == 1 else row[:, 1]
        profile.plot(levels, color=colour, label=label, linewidth=line_width, marker="." if len(levels) < 50 else "")
    profile.set(ylim=(0, max(1, profile.get_ylim()[1]) * HEADROOM), xlabel="column", ylabel="level")
    profile.legend(fontsize=SMALL, loc="upper left")
    set_title(profile, f"row {middle}" + (", green" if picture.ndim == 3 else "") + ": the dashed line")


def canny_figure(
    name: str,
    blurred: Picture,
    gradient: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]],
    magnitude: Magnitude,
    kept: npt.NDArray[np.bool_],
    edges: Picture,
    limits: tuple[float, float],
) -> Figure:
    """The blurred picture, Canny's four stages, and a key to the colours. `limits`: the low and the high threshold."""
    largest = max(1, int(magnitude.max()))
    low, high = limits
    palette = to_bytes(np.array([to_rgb(colour) for colour in EDGE_COLOURS]))

    def strength(magnitude: Magnitude) -> npt.NDArray[np.float64]:
        return np.sqrt(magnitude / largest)

    def classes(magnitude: Magnitude, kept: npt.NDArray[np.bool_], edges: Picture) -> Picture:
        return palette[np.where(edges > 0, 2 + (magnitude > high), kept & (magnitude > low))]

    figure, axes = panel_grid(f"Canny: {name}", blurred, 2, 3)
    show(axes[0], blurred, "picture, grey and blurred")
    directions = in_bands(lambda dx, dy, size: to_bytes(_hues(dx, dy, strength(size))), *gradient, magnitude)
    show(axes[1], directions, "1 Sobel: hue is the direction")
    show(axes[2], in_bands(lambda size: to_bytes(strength(size)), magnitude), "2 magnitude", "gray")
    thin = in_bands(lambda size, kept: to_bytes(strength(size) * kept), magnitude, kept)
    show(axes[3], thin, "3 suppression: thin")
    show(axes[4], in_bands(classes, magnitude, kept, edges), "4 hysteresis")
    labels = (f"above {high:g}", f"above {low:g} and linked", f"only above {low:g}: dropped")
    patches = [
        Patch(facecolor=colour, edgecolor="black", label=label)
        for colour, label in zip(EDGE_COLOURS[::-1], labels, strict=False)
    ]
    _colour_wheel(axes[5])
    figure.legend(handles=patches, fontsize=SMALL + 1, loc="outside lower center", ncols=3, title="4 hysteresis")
    return figure


def _hues(dx: npt.NDArray[Any], dy: npt.NDArray[Any], strength: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    hue = np.arctan2(dy, dx) / (2 * np.pi) % 1  # float32, as dx and dy are int16
    return hsv_to_rgb(np.dstack([hue, np.ones_like(hue), strength]))


def _colour_wheel(axis: Axes) -> None:
    """The key to the Sobel panel: each colour lies on the side towards which the picture gets brighter."""
    y, x = np.mgrid[-1:1:401j, -1:1:401j]
    angle = np.rint(np.arctan2(y, x) * SECTORS / (2 * np.pi)) * 2 * np.pi / SECTORS
    ring = abs(np.hypot(x, y) - 0.7) <= 0.3
    wheel = np.where(ring[..., np.newaxis], _hues(np.cos(angle), np.sin(angle), np.ones_like(angle)), 1.0)
    axis.imshow(wheel, extent=(-1, 1, 1, -1))
    for right, down, label in ((1.1, 0, "right"), (-1.1, 0, "left"), (0, 1.1, "down"), (0, -1.1, "up")):
        across, along = ("right", "center", "left")[round(right) + 1], ("bottom", "center", "top")[round(down) + 1]
        axis.text(right, down, label, fontsize=SMALL + 1, ha=across, va=along)
    axis.set(xlim=(-1.7, 1.7), ylim=(1.4, -1.4))
    axis.axis("off")
    set_title(axis, "key to 1: where it gets brighter")


def otsu_figure(
    name: str,
    picture: Picture,
    histogram: npt.NDArray[np.int64],
    variance: Sequence[float],
    threshold: int,
    binary: Picture,
) -> Figure:
    """The picture, its histogram with the threshold and the between-class variance over it, and the two classes."""
    figure, (before, plot, after) = panel_grid(f"Otsu: {name}", picture, 1, 3, widths=(1, 1.6, 1))
    show(before, picture, "grey picture")
    show(after, binary, f"above {threshold}: white")
    levels = np.arange(256)
    for shown, colour, label in (
        (levels <= threshold, DARK_CLASS, f"up to {threshold}"),
        (levels > threshold, BRIGHT_CLASS, f"above {threshold}"),
    ):
        plot.bar(levels[shown], histogram[shown], width=1, color=colour, label=label)
    plot.set(xlim=(-1, 256), ylim=(0, histogram.max() * 1.05), xlabel="grey level", ylabel="pixels")
    plot.axvline(threshold + 0.5, color=THRESHOLD, linestyle="--", label=f"threshold {threshold}")
    over = plot.twinx()
    over.plot(levels, variance, color=VARIANCE, label="between-class variance")
    over.set_ylim(bottom=0, top=max(variance) * 1.05 or 1)
    over.set_ylabel("variance [levels squared]", color=VARIANCE)
    over.tick_params(axis="y", colors=VARIANCE)
    lines = [*plot.get_legend_handles_labels()[0], *over.get_legend_handles_labels()[0]]
    figure.set_figheight(figure.get_figheight() + 0.4)
    figure.legend(handles=lines, fontsize=SMALL + 1, ncols=4, loc="outside lower center")
    set_title(plot, "histogram")
    return figure
