"""Figures of a core: a chain of additions against independent ones, register tiles, and the caches."""

from dataclasses import dataclass

from figures.sketch import Sketch
from shared_weights.architecture import Layer, layers

# A Zen 4 core. Cycles until the result of an FMA, and units that start one each cycle (uops.info).
LATENCY, UNITS = 4, 2
# Each memory, its bytes, and after how many cycles, about, it answers (AMD, Software optimization guide for the
# Zen 4 microarchitecture).
LEVELS = (
    ("registers", 32 * 64, "at once"),
    ("L1", 32 << 10, "5 cycles"),
    ("L2", 1 << 20, "15 cycles"),
    ("L3", 32 << 20, "50 cycles"),
    ("memory", 1 << 40, "hundreds"),
)
FLOAT = 4  # bytes


@dataclass(frozen=True)
class Tile:
    """A register tile: pixels by registers of channels, on a processor with `registers` of `lanes` numbers."""

    version: str
    pixels: int
    wide: int
    registers: int
    lanes: int

    @property
    def loads(self) -> int:
        """The loads of a step: a register of each weight, and a number of each pixel."""
        return self.pixels + self.wide

    @property
    def sums(self) -> int:
        """The sums that stay in registers, each with a multiply-add in a step."""
        return self.pixels * self.wide

    @property
    def held(self) -> int:
        """The registers in use: sums, weights, and a pixel's number; a single pixel's weights come with their FMA."""
        return self.sums + 1 + (self.wide if self.pixels > 1 else 0)


TILES = (Tile("06", 1, 8, 16, 8), Tile("07", 6, 2, 16, 8), Tile("09", 14, 2, 32, 16))


def starts(sums: int, cycles: int) -> list[list[int]]:
    """For each of some independent sums, when its multiply-adds start: UNITS in a cycle, LATENCY after one another."""
    free = [0] * sums
    begun: list[list[int]] = [[] for _ in range(sums)]
    for cycle in range(cycles):
        ready = [number for number in range(sums) if free[number] <= cycle]
        for number in ready[:UNITS]:
            begun[number].append(cycle)
            free[number] = cycle + LATENCY
    return begun


def chain() -> Sketch:
    """When multiply-adds start and end: one sum, then as many as keep both units busy."""
    page = Sketch("One sum waits; eight keep the core busy", 420)
    cycles, left, step = 12, 84, 27
    many = LATENCY * UNITS
    y = 76.0
    page.text(16, 54, f"An FMA takes {LATENCY} cycles; {UNITS} can start in each.", "quiet", align="left")
    for cycle in range(cycles + LATENCY):
        page.line((left + cycle * step, 358), (left + cycle * step, 364), "quiet")
        page.text(left + cycle * step, 376, str(cycle), "quiet")
    page.line((left, 358), (left + (cycles + LATENCY - 1) * step, 358), "quiet")
    page.text(left + 7.5 * step, 402, "cycles", "quiet")
    for sums, height, colour in ((1, 26, "orange"), (many, 22, "blue")):
        begun = starts(sums, cycles)
        for number, times in enumerate(begun):
            label = "1 sum" if sums == 1 else f"sum {number + 1}"
            page.text(left - 12, y + height / 2, label, align="right")
            for time in times:
                page.box(left + time * step + 1, y + 1, LATENCY * step - 2, height - 2, f"pale {colour}", colour)
            y += height
        done = sum(map(len, begun))
        page.text(left, y + 15, f"{done} FMAs in {cycles} cycles", colour, align="left", bold=True)
        y += 40
    return page


def tile() -> Sketch:
    """Three register tiles with what a step loads: orange registers of weights, blue numbers of pixels."""
    page = Sketch("A tile uses each load several times", 476)
    for given, left in zip(TILES, (20, 244, 384)):
        one_tile(page, given, left)
    for y, fill, said in (
        (344, "orange", "a register of weights: loaded"),
        (368, "blue", "a pixel's number: loaded"),
        (392, "green", "a register of sums: an FMA"),
    ):
        page.cell(20, y - 8, 16, 16, f"pale {fill}", fill)
        page.text(44, y, said, align="left")
    page.text(20, 440, "A cycle starts as many loads\nas FMAs: above 1 loads set the pace.", "quiet", align="left")
    return page


def one_tile(page: Sketch, given: Tile, left: float) -> None:
    """A tile: weights above its sums, pixels beside them, and what a step of it takes below."""
    width, height, top = 22, 16, 112
    page.text(left, 52, f"{given.version}: {given.pixels} x {given.wide}", align="left", bold=True)
    page.text(left, 75, f"{given.lanes} lanes", "quiet", align="left")
    for column in range(given.wide):
        page.cell(left + 24 + column * width, top - 21, width, 15, "pale orange", "orange")
    for row in range(given.pixels):
        page.cell(left, top + row * height, 17, height, "pale blue", "blue")
        for column in range(given.wide):
            page.cell(left + 24 + column * width, top + row * height, width, height, "pale green", "green")
    ratio, below = given.loads / given.sums, top + given.pixels * height
    colour = "red" if ratio > 1 else "green"
    page.text(left, below + 18, f"{given.loads} loads", align="left")
    page.text(left, below + 40, f"{given.sums} FMAs", align="left")
    page.text(left, below + 62, f"{ratio:.2f} per FMA", colour, align="left", bold=True)
    page.text(left, below + 96, f"{given.held} of {given.registers}\nregisters", "quiet", align="left")


def homes() -> dict[str, list[tuple[str, str]]]:
    """What of ResNet-50 fits into each memory and not into the one before: text and colour."""
    named = {layer.name: layer for layer in layers()}
    small, first, last = (named[name] for name in ("layer1.0.conv1", "layer1.0.conv2", "layer4.2.conv2"))
    total = sum(layer.weight_bytes for layer in named.values())
    largest = TILES[-1]
    things = [
        (largest.sums * largest.lanes * FLOAT, f"{largest.sums} sums of a tile", "green"),
        (small.weight_bytes, "1x1 of stage 1", "orange"),
        (first.weight_bytes, "3x3 of stage 1", "orange"),
        (first.output_bytes, picture(first), "blue"),
        (last.weight_bytes, "3x3 of stage 4", "orange"),
        (total, "all weights", "orange"),
    ]
    found: dict[str, list[tuple[str, str]]] = {name: [] for name, *_ in LEVELS}
    for size, said, colour in things:
        home = next(name for name, limit, _ in LEVELS if size <= limit)
        found[home].append((f"{said}: {amount(size)}", colour))
    return found


def picture(layer: Layer) -> str:
    """A feature map's name: its sizes."""
    return "picture " + "x".join(map(str, layer.output))


def amount(size: int) -> str:
    """Bytes with two or three digits: 147 kB."""
    for unit, scale in (("MB", 10**6), ("kB", 10**3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} bytes"


def binary(size: int) -> str:
    """A memory's bytes in the units of its makers, powers of 1024; a large one's differ."""
    return "gigabytes" if size >= 1 << 30 else f"{size >> 20} MB" if size >= 1 << 20 else f"{size >> 10} KB"


def caches() -> Sketch:
    """The memories as a pyramid, how long each takes to answer, and what of the network fits into it."""
    page = Sketch("The nearer a memory, the smaller", 418)
    middle, when, left = 92, 212, 264
    page.text(middle, 65, "a core of\na Zen 4", "quiet")
    page.text(when, 65, "answers\nafter", "quiet")
    page.text(left, 65, "weights and a picture that\nfit there and not above", "quiet", align="left")
    kept = homes()
    for number, (name, limit, cycles) in enumerate(LEVELS):
        y, width = 96 + 63 * number, 92 + 13 * number
        fill = "pale green" if name == "registers" else "ground" if name == "memory" else "pale blue"
        page.box(middle - width / 2, y, width, 54, fill, "quiet")
        page.text(middle, y + 16, name, bold=True)
        page.text(middle, y + 40, binary(limit))
        page.text(when, y + 27, cycles)
        for line, (said, colour) in enumerate(kept[name]):
            shift = (line - (len(kept[name]) - 1) / 2) * 22
            page.text(left, y + 27 + shift, said, colour, align="left")
    return page
