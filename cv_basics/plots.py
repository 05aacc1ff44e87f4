"""The lessons' figures. Each function takes what a lesson computed and returns a labelled matplotlib figure."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize, hsv_to_rgb, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from cv_basics.picture import Picture

PANEL = 3.0  # inches: the width of a picture in a figure
SHOWN = 900  # pixels: a larger picture is reduced before it is drawn; a panel has fewer anyway

BEFORE, AFTER, OTHER = "#7f7f7f", "#1f77b4", "#ff7f0e"  # noisy or textbook; mean or OpenCV's integers; median
DARK_CLASS, BRIGHT_CLASS, THRESHOLD, VARIANCE = "#4a6fa5", "#f2b134", "#d62728", "#2ca02c"
HEAT = "viridis"
EDGE_COLOURS = ("black", "#46609c", "#ffa53c", "white")  # no edge, dropped, linked, strong
CHROMA = (64, 192)  # U and V of photographs seldom leave this range: the colours in the figure are spread over it
DIFFERENCE = 80  # grey levels from one end of the colours to the other
MOST_DECIBELS = 99  # an unchanged picture has infinitely many; a bar can't

Step = tuple[str, Picture, float]  # what was done, the result, and its PSNR in decibels

RED_MAP = LinearSegmentedColormap.from_list("red", ["black", "red"])
GREEN_MAP = LinearSegmentedColormap.from_list("green", ["black", "lime"])
BLUE_MAP = LinearSegmentedColormap.from_list("blue", ["black", "blue"])
U_MAP = LinearSegmentedColormap.from_list("u", ["#b8a100", "#808080", "#3b3bff"])
V_MAP = LinearSegmentedColormap.from_list("v", ["#00a57a", "#808080", "#ff3030"])


def gray_figure(name: str, picture: Picture, gray: Picture) -> Figure:
    """Colour, grey as the eye weighs it, the plain mean of the three channels, and where the two differ."""
    mean = picture.mean(axis=2)
    figure, axes = _panels(f"Grey: {name}", picture, 1, 4)
    _show(axes[0], picture, "colour")
    _show(axes[1], gray, "grey: 0.299 R + 0.587 G + 0.114 B")
    _show(axes[2], _bytes(mean / 255), "plain mean: (R + G + B) / 3")
    _show(axes[3], _bytes(np.clip((gray - mean) / DIFFERENCE + 0.5, 0, 1)), "grey minus plain mean", "PuOr_r")
    levels = ScalarMappable(Normalize(-DIFFERENCE / 2, DIFFERENCE / 2), "PuOr_r")
    figure.colorbar(levels, ax=axes[3], shrink=0.8, label="grey levels")
    return figure


def color_figure(name: str, picture: Picture, channels: Sequence[Picture], yuv: Picture, back: Picture) -> Figure:
    """The three channels above, Y, U and V below, and what comes back from them."""
    lost = int(np.abs(picture.astype(int) - back).max())
    figure, axes = _panels(f"Colour: {name}", picture, 2, 4)
    _show(axes[0], picture, "RGB")
    for axis, channel, title, colours in zip(
        axes[1:4], channels, ("red", "green", "blue"), (RED_MAP, GREEN_MAP, BLUE_MAP), strict=True
    ):
        _show(axis, channel, title, colours)
    _show(axes[4], back, f"RGB to YUV and back: off by {lost} at most")
    _show(axes[5], yuv[..., 0], "Y: brightness")
    _show(axes[6], yuv[..., 1], "U: bluer than grey", U_MAP, CHROMA)
    _show(axes[7], yuv[..., 2], "V: redder than grey", V_MAP, CHROMA)
    return figure


def mean_blur_figure(name: str, picture: Picture, rows: Mapping[str, Sequence[Step]]) -> Figure:
    """A row for each kind of noise: noisy, mean and median; beside them the picture, and the PSNRs as bars."""
    figure, axes = _panels(f"Mean and median: {name}", picture, 2, 4)
    _show(axes[0], picture, "picture")
    bars = axes[4]
    for row, (kind, steps) in enumerate(rows.items()):
        for column, ((step, result, decibels), colour) in enumerate(zip(steps, (BEFORE, AFTER, OTHER), strict=True)):
            title = kind if column == 0 else step
            _show(axes[4 * row + column + 1], result, f"{title}: {decibels:.1f} dB")
            label = step.split()[0] if row == 0 else None
            height = min(decibels, MOST_DECIBELS)
            bar = bars.bar(row + (column - 1) * 0.27, height, 0.25, label=label, color=colour)
            bars.bar_label(bar, [f"{decibels:.0f}"], fontsize=8)
    bars.set_xticks(range(len(rows)), list(rows), fontsize=8)
    bars.set_yticks([])
    bars.margins(y=0.3)
    bars.legend(fontsize=8, ncols=3, loc="upper center", columnspacing=0.8, handlelength=1)
    bars.spines[["top", "right", "left"]].set_visible(False)
    _title(bars, "PSNR [dB]: more is better")
    return figure


def gaussian_blur_figure(
    name: str, picture: Picture, blurred: Picture, kernel: Sequence[int], weights: Sequence[float], sigma: float
) -> Figure:
    """The kernel as a curve, a heat map and a surface; the picture before and after, and one of its rows."""
    size, radius = len(kernel), len(kernel) // 2
    figure = _figure(f"Gaussian blur, {size} x {size}, sigma {sigma:g}: {name}", 3, [PANEL, _panel_height(picture)])
    grid = figure.add_gridspec(2, 3, height_ratios=[PANEL, _panel_height(picture)])
    offsets = np.arange(size) - radius
    _kernel_curve(figure.add_subplot(grid[0, 0]), kernel, weights, sigma)

    plane = np.outer(kernel, kernel) / 65536
    edge = radius + 0.5
    heat = figure.add_subplot(grid[0, 1])
    drawn = heat.imshow(plane, cmap=HEAT, extent=(-edge, edge, edge, -edge))
    figure.colorbar(drawn, ax=heat, shrink=0.8)
    _title(heat, "weight of each pixel of the window")

    surface: Any = figure.add_subplot(grid[0, 2], projection="3d")
    surface.plot_surface(*np.meshgrid(offsets, offsets), plane, cmap=HEAT, rstride=1, cstride=1)
    surface.tick_params(labelsize=7, pad=-2)
    _title(surface, "the same as a surface")

    _show(figure.add_subplot(grid[1, 0]), picture, "before")
    _show(figure.add_subplot(grid[1, 1]), blurred, "after")
    profile = figure.add_subplot(grid[1, 2])
    middle = len(picture) // 2
    for label, source, colour in (("before", picture, BEFORE), ("after", blurred, AFTER)):
        row = source[middle]
        levels = row if row.ndim == 1 else row[:, 1]
        profile.plot(levels, color=colour, label=label, linewidth=1, marker="." if len(levels) < 50 else "")
    profile.set(ylim=(0, max(1, profile.get_ylim()[1]) * 1.2), xlabel="column", ylabel="level")
    profile.legend(fontsize=8, ncols=2, loc="upper center")
    _title(profile, f"row {middle}" + (", green" if picture.ndim == 3 else ""))
    return figure


def canny_figure(
    name: str,
    blurred: Picture,
    gradient: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]],
    magnitude: npt.NDArray[np.int32],
    kept: npt.NDArray[np.bool_],
    edges: Picture,
    limits: tuple[float, float],
) -> Figure:
    """The blurred picture and Canny's four stages in a row; `limits` are the thresholds, low and high."""
    dx, dy = (part.astype(np.float32) for part in gradient)
    strength = magnitude.astype(np.float32) / max(1, magnitude.max())
    hue = np.arctan2(dy, dx) / (2 * np.pi) % 1
    directions = hsv_to_rgb(np.dstack([hue, np.ones_like(hue), np.sqrt(strength)]))
    low, high = limits
    classes = np.where(edges > 0, np.where(magnitude > high, 3, 2), np.where(kept & (magnitude > low), 1, 0))
    figure, axes = _panels(f"Canny: {name}", blurred, 1, 5)
    _show(axes[0], blurred, "picture, grey and blurred")
    _show(axes[1], _bytes(directions), "1 Sobel: hue is the direction")
    _show(axes[2], _bytes(np.sqrt(strength)), "2 magnitude", "gray")
    _show(axes[3], _bytes(np.sqrt(strength) * kept), "3 suppression: thin")
    _show(axes[4], _bytes(np.array([to_rgb(colour) for colour in EDGE_COLOURS]))[classes], "4 hysteresis")
    labels = (f"above {high:g}", f"above {low:g} and linked", f"only above {low:g}: dropped")
    patches = [
        Patch(facecolor=colour, edgecolor="black", label=label)
        for colour, label in zip(EDGE_COLOURS[::-1], labels, strict=False)
    ]
    figure.set_figheight(figure.get_figheight() + 0.5)
    figure.legend(handles=patches, fontsize=9, loc="outside lower right", ncols=3, title="hysteresis")
    return figure


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
    colours = [DARK_CLASS if level <= threshold else BRIGHT_CLASS for level in levels]
    plot.bar(levels, histogram, width=1, color=colours)
    plot.set(xlim=(-1, 256), ylim=(0, histogram.max() * 1.25), xlabel="grey level", ylabel="pixels")
    plot.axvline(threshold + 0.5, color=THRESHOLD, linestyle="--", label=f"threshold {threshold}")
    over = plot.twinx()
    over.plot(levels, variance, color=VARIANCE, label="between-class variance")
    over.set_ylim(bottom=0, top=max(variance) * 1.3 or 1)
    over.set_ylabel("variance [levels squared]", color=VARIANCE)
    over.tick_params(axis="y", colors=VARIANCE)
    lines = [*plot.get_legend_handles_labels()[0], *over.get_legend_handles_labels()[0]]
    over.legend(handles=lines, fontsize=8, ncols=2, loc="upper center")
    _title(plot, "histogram")
    return figure


def _kernel_curve(axis: Axes, kernel: Sequence[int], weights: Sequence[float], sigma: float) -> None:
    radius = len(kernel) // 2
    distances = np.linspace(-radius - 0.5, radius + 0.5, 401)
    axis.plot(distances, weights[radius] * np.exp(-((distances / sigma) ** 2) / 2), color=BEFORE, label="textbook")
    axis.bar(np.arange(len(kernel)) - radius, np.array(kernel) / 256, color=AFTER, alpha=0.6, label="OpenCV, / 256")
    axis.set_ylim(0, max(*weights, max(kernel) / 256) * 1.35)
    axis.set(xlabel="distance from the middle [pixels]")
    axis.legend(fontsize=8, loc="upper center", ncols=2)
    _title(axis, "weight of each row and column")


def _panel_height(picture: Picture) -> float:
    return PANEL * float(np.clip(picture.shape[0] / picture.shape[1], 0.6, 1.6))


def _figure(title: str, columns: float, heights: Sequence[float]) -> Figure:
    figure = Figure(figsize=(PANEL * columns, sum(heights) + 0.35 * (len(heights) + 1)), layout="constrained")
    figure.suptitle(title, fontsize=12)
    return figure


def _panels(
    title: str, picture: Picture, rows: int, columns: int, widths: Sequence[float] | None = None
) -> tuple[Figure, list[Axes]]:
    figure = _figure(title, sum(widths or [1] * columns), [_panel_height(picture)] * rows)
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=widths)
    return figure, list(axes.flat)


def _show(axis: Axes, picture: Picture, title: str, colours: Any = "gray", levels: tuple[int, int] = (0, 255)) -> None:
    image = Image.fromarray(picture)
    image = image.reduce(max(1, max(image.size) // SHOWN))
    axis.imshow(image, cmap=colours, vmin=levels[0], vmax=levels[1])
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_color("#cccccc")  # a frame, so that a white picture has an edge
    _title(axis, title)


def _title(axis: Axes, title: str) -> None:
    axis.set_title(title, fontsize=10)


def _bytes(values: npt.NDArray[np.float64]) -> Picture:
    return np.rint(values * 255).astype(np.uint8)
