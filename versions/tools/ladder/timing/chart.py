"""A benchmark's results as a chart: a row for each version and library, and in it a mark for each number of threads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator

from ladder.timing.bench_text import duration
from shared_weights.themes import LIGHT, STYLE, write_svg

PIXELS_PER_INCH, POINTS_PER_PIXEL = 96, 0.75  # CSS says so
# All in pixels. A page of 894 shows the chart as it is; on a phone of 390 its smallest text has 9.
WIDTH, LEFT, EDGE, ROW, HEAD, FOOT, BELOW = 580, 124, 8, 20, 52, 22, 8
TEXT, SMALL, LETTER, MARK = 15, 14.5, 7.7, 10
ROOM = 0.6  # powers of ten beside the marks, for their times
VERSION, PEER = "blue", "orange"  # roles in `shared_weights.themes`

Line = dict[str, Any]  # a version or a peer in a run
Rows = dict[str, dict[int, Line]]  # name -> number of threads -> its line


@dataclass(frozen=True)
class Panel:
    """Versions and, below them, peers on one axis: it is logarithmic or begins at zero."""

    title: str
    versions: Rows
    peers: Rows
    logarithmic: bool

    @property
    def rows(self) -> Rows:
        """All rows, from top to bottom."""
        return self.versions | self.peers

    @property
    def height(self) -> int:
        """In pixels."""
        return HEAD + ROW * len(self.rows) + FOOT

    @property
    def legend(self) -> list[tuple[str, str, bool]]:
        """For each kind of mark what it means, its colour, and whether it is full."""
        counts = sorted({threads for row in self.rows.values() for threads in row})
        said = [(f"{count} thread{'s' * (count > 1)}", VERSION, count == 1) for count in counts]
        return said + [("libraries", PEER, True)] * bool(self.peers)


def of_run(run: dict[str, Any]) -> Panel:
    """All that one run has timed."""
    return Panel(title(run), rows(run["versions"]), rows(run["peers"], fastest_first=True), logarithmic=True)


def of_ladder(small: dict[str, Any], large: dict[str, Any]) -> list[Panel]:
    """All versions, from one run; and from another the peers beside the versions that they are compared with."""
    versions, peers = rows(small["versions"]), rows(large["peers"], fastest_first=True)
    rivals = {line["previous"] for line in large["peers"]}
    compared = {name: row for name, row in rows(large["versions"]).items() if name in rivals}
    panels = [Panel(title(small), versions, {}, True), Panel(title(large), compared, peers, False)]
    return [panel for panel in panels if panel.peers or panel.logarithmic]


def title(run: dict[str, Any]) -> str:
    """What was timed, and where."""
    return f"A picture of {run['size']} x {run['size']} pixels, {run['processor']['name']}"


def rows(lines: list[Line], fastest_first: bool = False) -> Rows:
    """The lines by name and number of threads; `fastest_first`: in the order of the times with the fewest threads."""
    found: Rows = {}
    for line in lines:
        found.setdefault(line["name"], {})[line["threads"]] = line
    if not fastest_first:
        return found
    return dict(sorted(found.items(), key=lambda row: row[1][min(row[1])]["median"]))


def draw(panels: Sequence[Panel], path: Path) -> None:
    """Write the panels, one below the other, to the SVG file `path`; always the same bytes. Raises OSError."""
    write_svg(figure(panels), path, "ResNet-50: how long one picture takes")


def figure(panels: Sequence[Panel]) -> Figure:
    """The panels, one below the other."""
    height = sum(panel.height for panel in panels) + BELOW * (len(panels) - 1)
    top = 0
    with matplotlib.rc_context(STYLE):
        page = Figure(figsize=(WIDTH / PIXELS_PER_INCH, height / PIXELS_PER_INCH))
        for panel in panels:
            head(page.add_axes((0, 1 - (top + HEAD) / height, 1, HEAD / height)), panel)
            bottom, tall = height - top - panel.height + FOOT, ROW * len(panel.rows)
            axes = page.add_axes((LEFT / WIDTH, bottom / height, (WIDTH - LEFT - EDGE) / WIDTH, tall / height))
            axes.set(facecolor="none", ylim=(len(panel.rows) - 0.5, -0.5))
            frame(axes, panel)
            for number, (name, row) in enumerate(panel.rows.items()):
                marks(axes, number, row, PEER if name in panel.peers else VERSION)
            top += panel.height + BELOW
    return page


def head(page: Axes, panel: Panel) -> None:
    """The panel's title, the kind of its axis, and what its marks mean."""
    page.set_axis_off()
    page.set(xlim=(0, WIDTH), ylim=(HEAD, 0))
    page.text(EDGE, 16, panel.title, color=LIGHT["ink"], **text(TEXT, weight="bold"))
    kind = "logarithmic: x 10 from line to line" if panel.logarithmic else "linear, from zero"
    page.text(EDGE, 38, kind, color=LIGHT["quiet"], **text(SMALL))
    right = float(WIDTH - EDGE)
    for said, colour, full in reversed(panel.legend):
        right -= LETTER * len(said) + MARK
        mark(page, right, 38, colour, full)
        page.text(right + MARK, 38, said, color=LIGHT["quiet"], **text(SMALL))
        right -= 2 * MARK


def frame(axes: Axes, panel: Panel) -> None:
    """The axis of time, with room beside the marks, and the names."""
    times = [line["median"] for row in panel.rows.values() for line in row.values()]
    if panel.logarithmic:
        axes.set_xscale("log")
        axes.set_xlim(min(times) / 10**ROOM, max(times) * 10**ROOM)
    else:
        axes.set_xlim(0, 1.2 * max(times))
    axes.xaxis.set_major_locator(LogLocator() if panel.logarithmic else MaxNLocator(5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter("s"))
    axes.tick_params(length=0, labelsize=SMALL * POINTS_PER_PIXEL, labelcolor=LIGHT["quiet"])
    axes.yaxis.set_visible(False)
    for number, name in enumerate(panel.rows):
        left = (EDGE - LEFT) / (WIDTH - LEFT - EDGE)  # of the axes' width
        axes.text(left, number, name, transform=axes.get_yaxis_transform(), color=LIGHT["ink"], **text(SMALL))
    axes.grid(axis="x", color=LIGHT["rule"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)


def marks(axes: Axes, number: int, row: dict[int, Line], colour: str) -> None:
    """A row's marks, with the times of the fewest threads on the right and of the most on the left."""
    times = {threads: line["median"] for threads, line in row.items()}
    few, many = min(row), max(row)
    axes.plot([times[many], times[few]], [number] * 2, color=LIGHT[colour], linewidth=1.6, zorder=2)
    for threads, seconds in times.items():
        mark(axes, seconds, number, colour, full=threads == 1)
    for threads, side, align in ((few, 9, "left"), *[(many, -9, "right")] * (many != few)):
        axes.annotate(
            duration(row[threads]),
            (times[threads], number),
            (side * POINTS_PER_PIXEL, 0),
            textcoords="offset points",
            color=LIGHT["ink"],
            ha=align,
            bbox={"facecolor": LIGHT["ground"], "edgecolor": "none", "pad": 0.5},
            zorder=2.5,
            **text(SMALL),
        )


def mark(axes: Axes, x: float, y: float, colour: str, full: bool) -> None:
    """A disc, or a ring if it is not `full`."""
    axes.plot(
        [x],
        [y],
        "o",
        markersize=MARK * POINTS_PER_PIXEL,
        color=LIGHT[colour],
        markerfacecolor=LIGHT[colour if full else "ground"],
        markeredgewidth=1.6,
        zorder=3,
    )


def text(size: float, **more: Any) -> dict[str, Any]:
    """The settings of a text of this height in pixels, whose middle line is where it is put."""
    return {"fontsize": size * POINTS_PER_PIXEL, "va": "center_baseline", **more}
