"""The roofline before and after a version: measured by `figures --measure`, kept in versions/rooflines.json, drawn."""

from collections.abc import Collection
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import pairwise
from math import dist, log10
from pathlib import Path
from typing import Any

from figures import kept
from figures.sketch import Sketch
from ladder.core import processor
from ladder.core.errors import LadderError
from ladder.core.selection import select
from ladder.core.versions import ROOT
from ladder.layers import profile
from ladder.layers.layer_times import Profile, Row, add_up, groups
from ladder.timing.bench import find_peak
from ladder.timing.contestants import contestants

FILE = Path("versions/rooflines.json")
RUNGS = ("09", "10", "11", "12")  # a figure shows one of them and the next one
SIZE, SECONDS = profile.SIZE, 60  # pixels; for all rounds together
COLOURS = {"conv 1x1": "orange", "conv 3x3": "blue", "conv 7x7": "green"}
MOST = 400  # operations per byte, where the axis ends; it begins at 1
LEFT, RIGHT, TOP, FOOT = 56, 504, 104, 372  # the plot's edges on the page, in pixels
SIDES = ((0, -17), (13, 1), (0, 17), (-13, 1), (13, -13), (-13, -13), (13, 15), (-13, 15))  # of a dot, for its number
APART = 17  # pixels between a number and any other dot or number, at least: a digit is 16 high
NEARER = 1.4  # how many times as far as its own dot they are, so that nobody takes it for theirs

Point = tuple[float, float]


def measure(root: Path = ROOT) -> None:
    """Time the layers of RUNGS in alternating rounds, with one thread, and keep them by kind and stage in FILE.

    Raises LadderError if one of them can't be run here.
    """
    entries = contestants(select(root, RUNGS, must_run=True), [1])
    began = datetime.now(UTC).isoformat(timespec="seconds")
    loops, unknown = find_peak(root / "build" / "profile", False)
    if unknown:
        raise LadderError(unknown)
    profiles, interrupted = profile.measure(entries, SIZE, profile.Settings(RUNGS, seconds=SECONDS), loops)
    if interrupted:
        raise KeyboardInterrupt
    found: dict[str, Any] = {"processor": processor.name(), "began": began, "size": SIZE}
    found |= {"peak": profiles[0].peak, "bandwidth": profiles[0].bandwidth}
    found["versions"] = [{"name": one.version, "rows": [asdict(row) for row in convolutions(one)]} for one in profiles]
    kept.write(root, FILE, found)


def convolutions(found: Profile) -> list[Row]:
    """The steps that begin with a convolution, added up by its kind and the stage."""
    told = groups(found.rows, lambda row: f"{row.kind} {row.stage}").values()
    return [
        replace(add_up(rows[0].kind, rows), stage=rows[0].stage, kind=rows[0].kind)
        for rows in told
        if rows[0].kind in COLOURS
    ]


def published(root: Path = ROOT) -> dict[str, Any]:
    """The measurement in FILE. Raises LadderError if there is none."""
    return kept.read(root, FILE)


class Plot:
    """The axes of a figure: operations per byte, logarithmic, and GFLOP/s from 0 to `most`."""

    def __init__(self, page: Sketch, most: float) -> None:
        self.page, self.most = page, most
        self.taken: list[Point] = []  # where dots and numbers stand

    def place(self, intensity: float, speed: float) -> Point:
        """Where a point lies on the page; `speed`: operations per second."""
        x = LEFT + (RIGHT - LEFT) * log10(intensity) / log10(MOST)
        return x, FOOT - (FOOT - TOP) * speed / 1e9 / self.most

    def axes(self) -> None:
        """Both scales, with a line for each of their numbers."""
        step = 50 if self.most <= 200 else 100
        for gflops in range(0, int(self.most) + 1, step):
            x, y = self.place(1, gflops * 1e9)
            self.page.line((x, y), (RIGHT, y))
            self.page.text(x - 8, y, f"{gflops}", "quiet", align="right")
        for intensity in (1, 10, 100):
            x, y = self.place(intensity, 0)
            self.page.line((x, TOP), (x, y))
            self.page.text(x, y + 16, f"{intensity}", "quiet")
        self.page.text((LEFT + RIGHT) / 2, FOOT + 38, "operations per byte that is moved", "quiet")
        self.page.text(16, TOP - 25, "GFLOP/s, one core", "quiet", align="left")

    def roof(self, peak: float, bandwidth: float) -> None:
        """What memory allows, a curve since only one axis is logarithmic, up to what the core does."""
        corner = peak / bandwidth
        steps = [corner ** (share / 40) for share in range(41)]
        for one, other in pairwise(steps):
            self.page.line(self.place(one, one * bandwidth), self.place(other, other * bandwidth), "quiet", 2)
        self.page.line(self.place(corner, peak), self.place(MOST, peak), "quiet", 2)
        self.page.text(LEFT + 8, self.place(1, peak)[1], f"peak {peak / 1e9:.0f}", "quiet", align="left")
        self.page.text(LEFT + 24, FOOT - 12, f"memory {bandwidth / 1e9:.0f} GB/s", "quiet", align="left")

    def number(self, place: Point, same: Collection[Point], words: str, colour: str) -> None:
        """A number beside a dot, on the first side that is free, or else where most room is.

        `same`: dots that the number is for as well.
        """
        sides = [(place[0] + x, place[1] + y) for x, y in SIDES]
        others = [one for one in self.taken if one not in (place, *same)]
        room = [
            min((dist(side, one) for one in others), default=MOST) / max(APART, NEARER * dist(side, place))
            for side in sides
        ]
        chosen = next((side for side, free in zip(sides, room) if free >= 1), sides[room.index(max(room))])
        self.page.text(*chosen, words, colour, bold=True)
        self.taken.append(chosen)


def rung(name: str) -> Sketch:
    """The roofline of version `name` of RUNGS, filled, and of the one before it, hollow."""
    found, number = published(), RUNGS.index(name)
    old, new = found["versions"][number - 1 : number + 1]
    before, after = old["name"], new["name"]
    pairs = [(Row(**one), Row(**other)) for one, other in zip(old["rows"], new["rows"], strict=True)]
    fastest = max(max(one.flops, other.flops) for one, other in pairs)
    counted = any(row.marked for _, row in pairs)
    page = Sketch(f"Roofline: {before}, then {after}", 476 + 24 * counted)
    plot = Plot(page, 50 * (max(fastest, found["peak"]) // 50e9 + 1))
    plot.axes()
    plot.roof(found["peak"], found["bandwidth"])
    legend(page)
    pointed = [(row, *points(plot, one, row)) for one, row in pairs]
    plot.taken += [point for _, *places in pointed for point in places]
    for row, start, end, direct in pointed:
        colour = COLOURS[row.kind]
        if row.marked:
            page.line(end, direct, colour)
            page.dot(*direct, colour, marker="D", hollow=True)
        if (length := dist(start, end)) > 12:
            tip = 1 - 5.5 / length  # at the dot's edge: the dot would hide the head
            page.arrow(start, (start[0] + tip * (end[0] - start[0]), start[1] + tip * (end[1] - start[1])), colour)
        page.dot(*start, colour, hollow=True)
        page.dot(*end, colour)
        if row.stage != "stem" and (row.marked or not counted):  # the others stay where they are
            plot.number(direct if row.marked else end, (start, end, direct), row.stage[-1], colour)
    said = [f"A number is a stage. Hollow: {before[:2]}, filled: {after[:2]}."]
    if counted:
        said.append("Diamonds: the same, counted as direct convolutions.")
    said.append(f"{SIZE} x {SIZE} pixels, 1 thread, {found['processor']}")
    for line, words in enumerate(said):
        page.text(16, 434 + 24 * line, words, "quiet", align="left")
    return page


def points(plot: Plot, before: Row, after: Row) -> tuple[Point, Point, Point]:
    """Where a group of layers stood, where it stands, and where if it is counted as direct convolutions."""
    direct = plot.place(after.operations / after.bytes, after.flops)
    return plot.place(before.intensity, before.done_flops), plot.place(after.intensity, after.done_flops), direct


def legend(page: Sketch) -> None:
    """Which colour is which kind of convolution."""
    for number, (kind, colour) in enumerate(COLOURS.items()):
        page.dot(24 + 90 * number, 54, colour)
        page.text(36 + 90 * number, 55, kind.removeprefix("conv "), align="left")
