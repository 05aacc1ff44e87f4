"""The network as a drawing: the residual stream of each stage, with its blocks hanging from it."""

from itertools import groupby, pairwise
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from .architecture import Layer, layers
from .structure import shape_text, si
from .themes import LIGHT, STYLE
from .themes import write_svg as write_figure

# All lengths in inches; the origin is the page's lower left corner.
WIDTH, HEIGHT = 13.2, 12.6
STREAM_START, BLOCK_WIDTH = 2.2, 1.66
BOX_WIDTH, BOX_HEIGHT, BOX_GAP = 0.98, 0.32, 0.16
ROW_HEIGHT, STEM_HEIGHT = 2.42, 0.95
INK, QUIET, STREAM, POOLING = LIGHT["ink"], LIGHT["quiet"], LIGHT["red"], LIGHT["pale green"]
COLOURS = {
    "convolution": LIGHT["pale blue"],
    "max pooling": POOLING,
    "average pooling": POOLING,
    "linear": LIGHT["pale orange"],
}
COLOUR_3X3, COLOUR_PROJECTION = LIGHT["middle blue"], LIGHT["pale red"]


def draw(size: int = 224) -> Figure:
    """The stem, the four stages in a row each, and the head, for a picture of `size` x `size` pixels."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT))
        page = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
        page.set_axis_off()
        network = layers(size, size)
        _heading(page, network, size)
        y = HEIGHT - 1.35
        for stage, group in groupby(network, lambda layer: layer.stage):
            members = list(group)
            _row_label(page, y, stage, members)
            end = _stage(page, y, members) if stage.startswith("layer") else _plain_row(page, y, members)
            if stage != "head":
                drop = ROW_HEIGHT if stage.startswith("layer") else STEM_HEIGHT
                _to_next_row(page, end, y, y - drop)
                y -= drop
        return figure


def write_svg(path: Path, size: int = 224) -> None:
    """Draw the network to the SVG file `path`, always the same bytes, for light and dark pages. Raises `OSError`."""
    write_figure(draw(size), path, "ResNet-50")


def _heading(page: Axes, network: list[Layer], size: int) -> None:
    parameters, multiply_adds = (
        sum(getattr(layer, name) for layer in network) for name in ("parameters", "multiply_adds")
    )
    page.text(
        0.3,
        HEIGHT - 0.42,
        f"ResNet-50 at {size}x{size} pixels: {si(parameters)} parameters, {si(multiply_adds)} multiply-adds",
        fontsize=14,
        weight="bold",
        color=INK,
        va="center",
    )
    page.text(
        0.3,
        HEIGHT - 0.76,
        "Boxes: kernel, output channels, /2 for stride 2. After every convolution comes a "
        "batch norm, then a ReLU; after a block's last convolution and after a projection (red) the ReLU waits for "
        "the sum (+).",
        fontsize=8.5,
        color=QUIET,
        va="center",
    )


def _row_label(page: Axes, y: float, stage: str, members: list[Layer]) -> None:
    multiply_adds = sum(layer.multiply_adds for layer in members)
    parameters = sum(layer.parameters for layer in members)
    page.text(0.3, y, stage, fontsize=12, weight="bold", color=INK, va="center")
    page.text(
        0.3,
        y - 0.17,
        f"{si(parameters)} parameters\n{si(multiply_adds)} multiply-adds",
        fontsize=8,
        color=QUIET,
        va="top",
        linespacing=1.4,
    )


def _plain_row(page: Axes, y: float, members: list[Layer]) -> float:
    """Draw the stem or the head as boxes along one line. Returns where the line ends."""
    boxes = [layer for layer in members if layer.kind in COLOURS]
    x = STREAM_START - 0.2
    page.text(x + 0.1, y + 0.1, shape_text(members[0].input), fontsize=8, color=QUIET)
    _line(page, (x, y), (x + 1.2, y))
    x += 1.2
    for layer in boxes:
        _box(page, x + 0.85, y, _describe(layer), COLOURS[layer.kind], width=1.7)
        page.text(x + 1.78, y + 0.1, shape_text(layer.output), fontsize=8, color=QUIET)
        _line(page, (x + 1.7, y), (x + 2.9, y), arrow=layer is boxes[-1] and layer.kind == "linear")
        x += 2.9
    if boxes[-1].kind == "linear":
        page.text(x + 0.08, y, "logits", color=INK, va="center")
    return x


def _stage(page: Axes, y: float, members: list[Layer]) -> float:
    """Draw a stage: the residual stream from left to right, its blocks below. Returns where the stream ends."""
    blocks = [
        list(group)
        for _, group in groupby(members, lambda layer: layer.name.rsplit(".", 1)[0].replace(".downsample", ""))
    ]
    start = STREAM_START
    end = start + BLOCK_WIDTH * len(blocks)
    _line(page, (start - 0.2, y), (end + 0.7, y), colour=STREAM)
    for index, block in enumerate(blocks):
        _block(page, start + BLOCK_WIDTH * index, y, block)
    page.text(end - 0.16, y + 0.1, shape_text(members[-1].output), fontsize=8, color=QUIET)
    return end + 0.7


def _block(page: Axes, x: float, y: float, block: list[Layer]) -> None:
    """Draw a bottleneck: down from the stream at `x`, through three convolutions, up to the sum on the stream."""
    main = [layer for layer in block if layer.kind == "convolution" and "downsample" not in layer.name]
    projection = [layer for layer in block if layer.name.endswith("downsample.0")]
    middle, sum_x = x + BOX_WIDTH / 2 + 0.08, x + BLOCK_WIDTH - 0.32
    top = y - 0.62
    _line(page, (x - 0.06, y), (x - 0.06, y - 0.34))
    _line(page, (x - 0.06, y - 0.34), (middle, y - 0.34))
    for index, layer in enumerate(main):
        centre = top - index * (BOX_HEIGHT + BOX_GAP)
        above = y - 0.34 if index == 0 else centre + BOX_HEIGHT / 2 + BOX_GAP
        _line(page, (middle, above), (middle, centre + BOX_HEIGHT / 2), arrow=True)
        _box(page, middle, centre, _describe(layer), COLOUR_3X3 if layer.kernel == 3 else COLOURS[layer.kind])
    _line(page, (middle + BOX_WIDTH / 2, centre), (sum_x, centre))
    _line(page, (sum_x, centre), (sum_x, y - 0.11), arrow=True)
    if projection:
        _box(page, middle, y, _describe(projection[0]), COLOUR_PROJECTION)
    page.add_patch(Circle((sum_x, y), 0.11, facecolor=LIGHT["ground"], edgecolor=STREAM, linewidth=1.4, zorder=3))
    page.text(sum_x, y - 0.005, "+", color=STREAM, ha="center", va="center", weight="bold", zorder=4)
    _line(page, (sum_x - 0.2, y), (sum_x - 0.11, y), colour=STREAM, arrow=True)
    page.text(middle, centre - 0.3, block[0].name.rsplit(".", 1)[0], fontsize=8, color=QUIET, ha="center")


def _describe(layer: Layer) -> str:
    """The text in a layer's box, such as "3x3, 128, /2"."""
    if layer.kind == "convolution":
        return f"{layer.kernel}x{layer.kernel}, {layer.output[-1]}" + (", /2" if layer.stride == 2 else "")
    if layer.kind == "max pooling":
        return f"max {layer.kernel}x{layer.kernel}, /2"
    return "average pooling" if layer.kind == "average pooling" else f"linear, {layer.output[0]}"


def _box(page: Axes, x: float, y: float, label: str, colour: str, width: float = BOX_WIDTH) -> None:
    """Draw a rounded box with its centre at (x, y)."""
    page.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - BOX_HEIGHT / 2),
            width,
            BOX_HEIGHT,
            facecolor=colour,
            boxstyle="round,pad=0,rounding_size=0.06",
            edgecolor=INK,
            linewidth=0.8,
            zorder=3,
        )
    )
    page.text(x, y - 0.01, label, color=INK, ha="center", va="center", zorder=4)


def _line(
    page: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = INK, arrow: bool = False
) -> None:
    page.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>" if arrow else "-",
            mutation_scale=9,
            shrinkA=0,
            shrinkB=0,
            color=colour,
            linewidth=1.8 if colour == STREAM else 1.0,
            zorder=2,
        )
    )


def _to_next_row(page: Axes, end: float, y: float, next_y: float) -> None:
    """Draw the line from the end of one row around to the start of the next."""
    start, between = STREAM_START - 0.2, next_y + 0.36
    corners = ((end, y), (end, between), (start, between), (start, next_y))
    for corner, following in pairwise(corners):
        _line(page, corner, following, colour=QUIET)
