"""The figure of `features`: the picture, its most likely labels, and beside them each stage's strongest channels."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from shared_weights.tensor_file import appearing_whole

PANEL = 1.35  # inches: the width of a feature map
FEWEST = 3  # maps per row: the row's title is this wide
LEFT = 3.2  # inches: the width of the picture
LONGEST = 34  # characters of a label that fit; ImageNet has longer labels
BAR = "tab:blue"


def draw(
    title: str,
    picture: np.ndarray,
    guesses: Sequence[tuple[str, float]],
    maps: dict[str, np.ndarray],
    channels: int,
    file: Path,
) -> None:
    """Write the figure.

    `picture`: (H, W, 3), 0 to 1; `guesses`: labels with their probabilities, most likely first; `maps`: stage -> its
    output (H, W, C), of which at most `channels` channels are shown.
    """
    width, height = LEFT + PANEL * max(channels, FEWEST) + 1.0, (PANEL + 0.55) * len(maps) + 0.5
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06))
    figure.suptitle(title, parse_math=False)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(LEFT, width - LEFT))[0]
    used = LEFT + 0.6, 2.6  # inches: the picture with its title, the labels
    shown, bars, rest = left.subplots(3, 1, height_ratios=(*used, height - sum(used)))
    rest.set_axis_off()
    shown.imshow(picture)
    shown.set(xticks=[], yticks=[])
    shown.set_title(f"the network's input:\n{picture.shape[1]} x {picture.shape[0]} pixels", size=10)
    draw_guesses(bars, guesses)
    for part, (stage, output) in zip(right.subfigures(len(maps), 1, squeeze=False)[:, 0], maps.items()):
        draw_stage(part, stage, output, channels)
    with warnings.catch_warnings(), appearing_whole(file) as partial:
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a letter without a glyph becomes a box
        figure.savefig(partial, format="png", dpi=130)


def draw_guesses(axes: Axes, guesses: Sequence[tuple[str, float]]) -> None:
    """The most likely labels, each above a bar of its probability."""
    places = np.arange(len(guesses))
    axes.barh(places, [probability for _, probability in guesses], height=0.3, color=BAR)
    for place, (label, probability) in zip(places, guesses):
        text = label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
        text = f"{text} {100 * probability:.1f} %"
        axes.text(0.01, place - 0.22, text, va="bottom", size=10, parse_math=False, clip_on=True)
    axes.set(xlim=(0, 1), ylim=(len(guesses) - 0.5, -0.8), yticks=[], xticks=[])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.set_title(f"the network's output: top {len(guesses)}", size=10)


def draw_stage(part: SubFigure, stage: str, output: np.ndarray, channels: int) -> None:
    """The strongest channels of one stage, all on the same scale, each under its number."""
    rows, columns, available = output.shape
    chosen = strongest(output, channels)
    part.suptitle(
        f"after {'the stem' if stage == 'stem' else stage}: {len(chosen)} of {available} channels, "
        f"{columns} x {rows} values each",
        size=10,
    )
    panels = part.subplots(1, max(channels, FEWEST))
    for axes in panels:
        axes.axis("off")
    for axes, channel in zip(panels, chosen):
        image = axes.imshow(output[:, :, channel], cmap="magma", vmin=0, vmax=output[:, :, chosen].max() or 1)
        axes.set_title(f"channel {channel}", size=8, pad=2)
    scale = part.colorbar(image, ax=panels, fraction=0.05, aspect=12, pad=0.01, ticks=MaxNLocator(5))
    scale.ax.tick_params(labelsize=7)


def strongest(output: np.ndarray, count: int) -> np.ndarray:
    """The numbers of the `count` channels of (H, W, C) with the largest mean absolute activation, strongest first."""
    strength = np.abs(output).mean(axis=(0, 1), dtype=np.float64)
    return np.argsort(-strength, kind="stable")[:count]
