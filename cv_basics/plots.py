"""The lessons' figures. Each function takes what a lesson computed and returns a labelled matplotlib figure."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, hsv_to_rgb, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from PIL import Image

from cv_basics.bands import bands
from cv_basics.picture import Picture

WIDTH = 10.0  # inches, of every figure: a page shows all of them with letters of one size
SMALL = 8  # points: the smallest letters
HEADROOM = 1.5  # a plot with a legend inside reaches this much higher than its data, and the legend stays above them
SHOWN = 900  # pixels: a larger picture is reduced before it is drawn; a panel has fewer anyway

BEFORE, AFTER, OTHER = "#7f7f7f", "#1f77b4", "#ff7f0e"  # noisy or textbook; mean or OpenCV's integers; median
DARK_CLASS, BRIGHT_CLASS, THRESHOLD, VARIANCE = "#4a6fa5", "#f2b134", "#d62728", "#2ca02c"
HEAT = "viridis"
EDGE_COLOURS = ("black", "#46609c", "#ffa53c", "white")  # no edge, dropped, linked, strong
SECTORS = 12  # of the colour wheel: flat ones, which a palette keeps
MIDDLE = 128  # U and V of grey
MOST_DECIBELS = 99  # an unchanged picture has infinitely many; a bar can't

Magnitude = npt.NDArray[np.int32]
Step = tuple[str, Picture, float]  # what was done, the result, and its PSNR in decibels

RED_MAP = LinearSegmentedColormap.from_list("red", ["black", "red"])
GREEN_MAP = LinearSegmentedColormap.from_list("green", ["black", "lime"])
BLUE_MAP = LinearSegmentedColormap.from_list("blue", ["black", "blue"])
U_MAP = LinearSegmentedColormap.from_list("u", ["#b8a100", "#808080", "#3b3bff"])
V_MAP = LinearSegmentedColormap.from_list("v", ["#00a57a", "#808080", "#ff3030"])


def gray_figure(name: str, picture: Picture, gray: Picture) -> Figure:
    """Colour, grey as the eye weighs it, the plain mean of the three channels, and where the two differ."""
    picture, gray = _reduced(picture), _reduced(gray)
    mean = picture.mean(axis=2)
    most = max(1, math.ceil(np.abs(gray - mean).max()))  # one end of the colours is as far from 0 as the other
    figure, axes = _panels(f"Grey: {name}", picture, 1, 4)
    _show(axes[0], picture, "colour")
    _show(axes[1], gray, "grey: 0.299 R\n+ 0.587 G + 0.114 B")
    _show(axes[2], _bytes(mean / 255), "plain mean:\n(R + G + B) / 3")
    _show(axes[3], _bytes((gray - mean) / (2 * most) + 0.5), "grey minus plain mean", "PuOr_r")
    levels = ScalarMappable(Normalize(-most, most), "PuOr_r")
    figure.colorbar(levels, ax=axes[3], shrink=0.8, label="grey levels")
    return figure


def color_figure(name: str, picture: Picture, channels: Sequence[Picture], yuv: Picture, back: Picture) -> Figure:
    """The three channels above, Y, U and V below, and what comes back from them."""
    lost = max(
        int((np.maximum(picture[rows], back[rows]) - np.minimum(picture[rows], back[rows])).max())
        for rows in bands(picture)
    )
    figure, axes = _panels(f"Colour: {name}", picture, 2, 4)
    _show(axes[0], picture, "RGB")
    for axis, channel, title, colours in zip(
        axes[1:4], channels, ("red", "green", "blue"), (RED_MAP, GREEN_MAP, BLUE_MAP), strict=True
    ):
        _show(axis, channel, title, colours)
    _show(axes[4], back, f"RGB to YUV and back:\noff by {lost} at most")
    _show(axes[5], yuv[..., 0], "Y: brightness")
    for axis, index, title, colours in (
        (axes[6], 1, "U: bluer than grey", U_MAP),
        (axes[7], 2, "V: redder than grey", V_MAP),
    ):
        chroma = yuv[..., index]
        most = max(1, int(chroma.max()) - MIDDLE, MIDDLE - int(chroma.min()))
        _show(axis, chroma, title, colours, (MIDDLE - most, MIDDLE + most))
        levels = ScalarMappable(Normalize(-most, most), colours)
        figure.colorbar(levels, ax=axis, location="bottom", shrink=0.8, pad=0.02).ax.tick_params(labelsize=SMALL)
    return figure


def mean_blur_figure(name: str, picture: Picture, rows: Mapping[str, Sequence[Step]]) -> Figure:
    """A row for each kind of noise: noisy, mean and median; beside them the picture, and the PSNRs as bars."""
    figure, axes = _panels(f"Mean and median: {name}", picture, 2, 4)
    _show(axes[0], picture, "picture")
    for row, (kind, steps) in enumerate(rows.items()):
        for column, (step, result, decibels) in enumerate(steps):
            title = kind if column == 0 else step
            _show(axes[4 * row + column + 1], result, f"{title}: {decibels:.1f} dB")
    _decibel_bars(axes[4], rows)
    return figure


def _decibel_bars(axis: Axes, rows: Mapping[str, Sequence[Step]]) -> None:
    """A group of bars for each kind of noise, each bar with its name and with the decibels that the titles show too."""
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
    _title(axis, "PSNR [dB]: more is better")


def gaussian_blur_figure(
    name: str, picture: Picture, blurred: Picture, kernel: Sequence[int], weights: Sequence[float], sigma: float
) -> Figure:
    """The kernel as a curve, a heat map and a surface; the picture before and after, and one of its rows."""
    size, radius = len(kernel), len(kernel) // 2
    panel = WIDTH / 3
    heights = [panel, _panel_height(picture, panel)]
    figure = _figure(f"Gaussian blur, {size} x {size}, sigma {sigma:g}: {name}", heights)
    grid = figure.add_gridspec(2, 3, height_ratios=heights)
    offsets = np.arange(size) - radius
    _kernel_curve(figure.add_subplot(grid[0, 0]), kernel, weights, sigma)

    plane = np.outer(kernel, kernel) / 65536
    edge = radius + 0.5
    heat = figure.add_subplot(grid[0, 1])
    drawn = heat.imshow(plane, cmap=HEAT, extent=(-edge, edge, edge, -edge))
    figure.colorbar(drawn, ax=heat, shrink=0.8)
    heat.locator_params(integer=True)
    _title(heat, "weight of each pixel of the window")

    surface: Any = figure.add_subplot(grid[0, 2], projection="3d")
    surface.plot_surface(*np.meshgrid(offsets, offsets), plane, cmap=HEAT, rstride=1, cstride=1)
    surface.tick_params(labelsize=SMALL, pad=-2)
    _title(surface, "the same as a surface")

    middle = len(picture) // 2
    profile = figure.add_subplot(grid[1, 2])
    for column, (label, source, colour, line_width) in enumerate(
        (("before", picture, BEFORE, 0.8), ("after", blurred, AFTER, 1.8))
    ):
        axis = figure.add_subplot(grid[1, column])
        _show(axis, source, label)
        outlined = [withStroke(linewidth=3, foreground="white")]
        axis.axhline(middle, color="black", linestyle="--", linewidth=1, path_effects=outlined)
        row = source[middle]
        levels = row if row.ndim == 1 else row[:, 1]
        profile.plot(levels, color=colour, label=label, linewidth=line_width, marker="." if len(levels) < 50 else "")
    profile.set(ylim=(0, max(1, profile.get_ylim()[1]) * HEADROOM), xlabel="column", ylabel="level")
    profile.legend(fontsize=SMALL, loc="upper left")
    _title(profile, f"row {middle}" + (", green" if picture.ndim == 3 else "") + ": the dashed line")
    return figure


def canny_figure(
    name: str,
    blurred: Picture,
    gradient: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]],
    magnitude: Magnitude,
    kept: npt.NDArray[np.bool_],
    edges: Picture,
    limits: tuple[float, float],
) -> Figure:
    """The blurred picture, Canny's four stages, and a key to the colours; `limits` are the thresholds, low and high."""
    largest = max(1, int(magnitude.max()))
    low, high = limits
    palette = _bytes(np.array([to_rgb(colour) for colour in EDGE_COLOURS]))

    def strength(magnitude: Magnitude) -> npt.NDArray[np.float64]:
        return np.sqrt(magnitude / largest)

    def classes(magnitude: Magnitude, kept: npt.NDArray[np.bool_], edges: Picture) -> Picture:
        return palette[np.where(edges > 0, 2 + (magnitude > high), kept & (magnitude > low))]

    figure, axes = _panels(f"Canny: {name}", blurred, 2, 3)
    _show(axes[0], blurred, "picture, grey and blurred")
    directions = _in_bands(lambda dx, dy, size: _bytes(_hues(dx, dy, strength(size))), *gradient, magnitude)
    _show(axes[1], directions, "1 Sobel: hue is the direction")
    _show(axes[2], _in_bands(lambda size: _bytes(strength(size)), magnitude), "2 magnitude", "gray")
    thin = _in_bands(lambda size, kept: _bytes(strength(size) * kept), magnitude, kept)
    _show(axes[3], thin, "3 suppression: thin")
    _show(axes[4], _in_bands(classes, magnitude, kept, edges), "4 hysteresis")
    labels = (f"above {high:g}", f"above {low:g} and linked", f"only above {low:g}: dropped")
    patches = [
        Patch(facecolor=colour, edgecolor="black", label=label)
        for colour, label in zip(EDGE_COLOURS[::-1], labels, strict=False)
    ]
    _colour_wheel(axes[5])
    figure.legend(handles=patches, fontsize=SMALL + 1, loc="outside lower center", ncols=3, title="4 hysteresis")
    return figure


def _hues(dx: npt.NDArray[Any], dy: npt.NDArray[Any], strength: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    hue = np.arctan2(dy, dx) / (2 * np.pi) % 1  # of int16 in float32
    return hsv_to_rgb(np.dstack([hue, np.ones_like(hue), strength]))


def _colour_wheel(axis: Axes) -> None:
    """The key to the Sobel panel: each colour lies on that side of the middle to which the picture gets brighter."""
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
    _title(axis, "key to 1: where it gets brighter")


def otsu_figure(
    name: str,
    picture: Picture,
    histogram: npt.NDArray[np.int64],
    variance: Sequence[float],
    threshold: int,
    binary: Picture,
) -> Figure:
    """The picture, its histogram with the threshold and the between-class variance over it, and the two classes."""
    figure, (before, plot, after) = _panels(f"Otsu: {name}", picture, 1, 3, widths=(1, 1.6, 1))
    _show(before, picture, "grey picture")
    _show(after, binary, f"above {threshold}: white")
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
    _title(plot, "histogram")
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
    _title(axis, "weight of each row and column")


def _panel_height(picture: Picture, width: float) -> float:
    return width * float(np.clip(picture.shape[0] / picture.shape[1], 0.6, 1.6))


def _figure(title: str, heights: Sequence[float]) -> Figure:
    layout = ConstrainedLayoutEngine(h_pad=0.1)  # inches: or a title touches the picture above it
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.45 * (len(heights) + 1)), layout=layout)
    figure.suptitle(title, fontsize=12)
    return figure


def _panels(
    title: str, picture: Picture, rows: int, columns: int, widths: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    figure = _figure(title, [_panel_height(picture, WIDTH / sum(widths or [1] * columns))] * rows)
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=widths)
    return figure, list(axes.flat)


def _reduced(picture: Picture) -> Picture:
    image = Image.fromarray(picture)
    return np.asarray(image.reduce(max(1, max(image.size) // SHOWN)))


def _show(axis: Axes, picture: Picture, title: str, colours: Any = "gray", levels: tuple[int, int] = (0, 255)) -> None:
    """Show a picture; the axes count its own rows and columns, even where it is reduced to be drawn."""
    height, width = picture.shape[:2]
    edges = (-0.5, width - 0.5, height - 0.5, -0.5)
    axis.imshow(_reduced(picture), cmap=colours, vmin=levels[0], vmax=levels[1], extent=edges)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_color("#cccccc")  # a frame, so that a white picture has an edge
    _title(axis, title)


def _in_bands(colours: Callable[..., Picture], *stages: npt.NDArray[Any]) -> Picture:
    """What `colours` makes of all stages, one band of rows after the other: its temporaries take 60 bytes per pixel."""
    return np.concatenate([colours(*(stage[rows] for stage in stages)) for rows in bands(stages[0])])


def _title(axis: Axes, title: str) -> None:
    axis.set_title(title, fontsize=10)


def _bytes(values: npt.NDArray[np.float64]) -> Picture:
    return np.rint(values * 255).astype(np.uint8)
