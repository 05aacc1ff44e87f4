"""A benchmark's results as a chart: a bar for each version and peer on a log axis, and the ratio at each step."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator

from ladder.timing.bench_text import NOISE, rounded
from shared_weights.tensor_file import appearing_whole

# Readable on white and on black: their contrast is at least 4.1 to both of GitHub's backgrounds, #ffffff and #0d1117;
# no colour has more than 4.3 to both.
VERSION, PEER, INK = "#2f81c7", "#c0641a", "#6f7b87"
ON_BAR = "#ffffff"
WIDTH, ROW, ABOVE, BELOW = 8.0, 0.4, 0.8, 0.6  # inches: the chart's width; the heights of a bar, the title and the axis
NAMES = 0.21  # the fraction of the width for the names
STYLE: Any = {
    "svg.fonttype": "none",  # text is not drawn as paths
    "svg.hashsalt": "ladder",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11.0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    **{key: INK for key in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor")},
}


def draw(results: dict[str, Any], path: Path) -> None:
    """Write the chart of `results`, the content of a results.json, to the SVG file `path`.

    Its background is transparent. The same results give the same bytes. Raises OSError.
    """
    versions, peers = results["versions"], results["peers"]
    lines = [*versions, *peers]
    height = ABOVE + ROW * len(lines) + BELOW
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_axes((NAMES, BELOW / height, 0.985 - NAMES, ROW * len(lines) / height))
        frame(axes, lines)
        for row, line in enumerate(lines):
            bar(axes, row, line, VERSION if row < len(versions) else PEER)
        for row, sentence in enumerate(head(results)):
            figure.text(0.01, 1 - (0.2 + 0.27 * row) / height, sentence, va="center")
        with appearing_whole(path) as file:
            FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Title": "ResNet-50"})


def head(results: dict[str, Any]) -> list[str]:
    """A row of the chart: a version or peer, its time, and its ratio to the one it is compared with."""
    size, names = results["size"], dict.fromkeys(line["previous"] for line in results["peers"] if line["previous"])
    peers = f"; in the peers' bars: against {' or, in 8-bit integers, '.join(names)}" if names else ""
    return [
        f"ResNet-50, one picture of {size} x {size} pixels, on {results['processor']['name']}",
        f"x: how many times as fast as the version before{peers}",
    ]


def frame(axes: Axes, lines: list[dict[str, Any]]) -> None:
    """The axis of milliseconds, with room for a ratio in the shortest bar and a time after the longest; the names."""
    times = [1e3 * line["median"] for line in lines]
    axes.set_xscale("log")
    room = 0.2 + 0.15 * math.log10(max(times) / min(times))  # in powers of ten, on either side
    axes.set_xlim(min(times) / 10**room, max(times) * 10**room)
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("milliseconds for one inference, on a logarithmic axis")
    axes.set_yticks(range(len(lines)), names(lines))
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def names(lines: list[dict[str, Any]]) -> list[str]:
    """The names of the rows; only the number of threads where the row above is the same contestant's with fewer."""
    shown = []
    for above, line in zip([None, *lines], lines):
        threads = f"{line['threads']} threads" if line["threads"] > 1 else ""
        same = above is not None and above["name"] == line["name"]
        shown.append(threads if same else f"{line['name']}{', ' * bool(threads)}{threads}")
    return shown


def bar(axes: Axes, row: int, line: dict[str, Any], colour: str) -> None:
    """The bar, with the time after it, and inside its end the ratio to the contestant it is compared with."""
    noisy = line["spread"] > NOISE
    milliseconds = 1e3 * line["median"]
    axes.barh(row, milliseconds, height=0.76, color=colour)
    place = partial(axes.annotate, xy=(milliseconds, row), textcoords="offset points", va="center_baseline")
    place(f"{rounded(milliseconds, noisy)} ms", xytext=(5, 0))
    if line["faster"]:
        text = f"x {rounded(line['faster']['median'], noisy)}"
        place(text, xytext=(-5, 0), ha="right", color=ON_BAR, weight="bold")
