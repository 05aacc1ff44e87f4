"""The roofline plot: each layer's speed over its arithmetic intensity, below the limits of memory and processor."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ladder.layers.layer_times import Profile, Row, groups
from shared_weights.tensor_file import appearing_whole

# A colour and a marker for each kind of layer; the convolutions stand out.
STYLES = {
    "conv 1x1": ("tab:blue", "o"),
    "conv 3x3": ("tab:red", "s"),
    "conv 7x7": ("tab:purple", "D"),
    "linear": ("tab:green", "^"),
    "batch norm": ("tab:orange", "v"),
    "ReLU": ("tab:olive", "<"),
    "add": ("tab:cyan", ">"),
    "max pool": ("tab:brown", "P"),
    "avg pool": ("tab:pink", "X"),
}
ROOF = "#444444"
LARGEST = 150  # points squared: the marker of the layer that takes most time; the others by their share of that
SMALLEST = 18


def draw(profiles: list[Profile], size: int, file: Path) -> None:
    """Write the figure: a panel for each version, on the same axes."""
    figure = Figure(figsize=(1.5 + 7.5 * len(profiles), 6.2), layout="constrained")
    panels = figure.subplots(1, len(profiles), squeeze=False, sharex=True, sharey=True)[0]
    for axes, profile in zip(panels, profiles):
        draw_panel(axes, profile)
    highest = [panels[0].get_ylim()[1], *(2.5 * profile.peak / 1e9 for profile in profiles if profile.peak)]
    panels[0].set_ylim(top=max(highest))  # of all panels: they share it
    panels[0].set_ylabel("speed [billion operations per second]")
    kinds = {row.kind for profile in profiles for row in profile.rows}
    handles = [
        panels[0].scatter([], [], s=45, color=colour, marker=marker, label=kind)
        for kind, (colour, marker) in STYLES.items()
        if kind in kinds
    ]
    if any(profile.total.marked for profile in profiles):
        hollow = {"facecolors": "none", "edgecolors": ROOF, "label": "counted as direct"}
        handles.append(panels[0].scatter([], [], s=45, marker="s", **hollow))
    figure.legend(handles=handles, loc="outside right center", title="kind of layer")
    figure.suptitle(f"ResNet-50 at {size} x {size} pixels, layer by layer: the larger a marker, the longer it takes")
    with appearing_whole(file) as partial:
        figure.savefig(partial, format="png", dpi=130)


def draw_panel(axes: Axes, profile: Profile) -> None:
    """One version: the roofs as lines, a marker for each layer."""
    longest = max(row.seconds for row in profile.rows)
    for kind, rows in groups(profile.rows, lambda row: row.kind).items():
        colour, marker = STYLES[kind]
        axes.scatter(
            [row.intensity for row in rows],
            [row.done_flops / 1e9 for row in rows],
            [max(SMALLEST, LARGEST * row.seconds / longest) for row in rows],
            color=colour,
            marker=marker,
            alpha=0.65,
            edgecolors="white",
            linewidths=0.5,
            zorder=3,
        )
        draw_counted(axes, [row for row in rows if row.marked], colour, marker)
    axes.set(
        xscale="log", yscale="log", xlabel="arithmetic intensity [operations per byte moved, two for each multiply-add]"
    )
    threads = f", {profile.threads} threads" if profile.threads > 1 else ""
    axes.set_title(f"{profile.version}{threads}")
    axes.grid(which="major", alpha=0.3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:g}")
    draw_roofs(axes, profile)


def draw_counted(axes: Axes, rows: list[Row], colour: str, marker: str) -> None:
    """Hollow markers for layers that are counted as direct convolutions, each with a line from what is really done."""
    for row in rows:
        counted = row.operations / row.bytes, row.flops / 1e9
        line = zip((row.intensity, row.done_flops / 1e9), counted)
        axes.plot(*line, color=colour, linewidth=0.6, alpha=0.5, zorder=2)
        axes.scatter(*counted, SMALLEST, facecolors="none", edgecolors=colour, marker=marker, linewidths=0.8, zorder=3)


def draw_roofs(axes: Axes, profile: Profile) -> None:
    """The memory's roof, which rises with the intensity, up to the processor's, which is flat."""
    low = min(row.intensity for row in profile.rows) / 2
    high = max(row.operations / row.bytes for row in profile.rows) * 2
    ridge = min(high, profile.peak / profile.bandwidth) if profile.peak else high
    x = np.array([low, ridge])
    axes.plot(x, x * profile.bandwidth / 1e9, color=ROOF, linewidth=1.5, zorder=2)
    middle = np.sqrt(low * ridge)
    axes.annotate(
        f"memory: {profile.bandwidth / 1e9:.3g} GB/s\n(above it: from a cache)",
        (middle, middle * profile.bandwidth / 1e9),
        xytext=(8, -4),
        textcoords="offset points",
        va="top",
        color=ROOF,
    )
    if profile.peak:
        axes.plot([ridge, high], [profile.peak / 1e9] * 2, color=ROOF, linewidth=1.5, zorder=2)
        label = f"peak: {profile.peak / 1e9:.3g} {'GOP/s in 8-bit integers' if profile.int8 else 'GFLOP/s'}"
        axes.annotate(
            label, (high, profile.peak / 1e9), xytext=(0, 8), textcoords="offset points", ha="right", color=ROOF
        )
