"""How a convolution is cut into register tiles: pixels of an output row by output channels, their sums in registers.

A tile of p pixels by v registers of channels makes p * v multiply-adds for p + v loads. An FMA takes 4 cycles and 2
start in each, so p * v must be at least 8; 2 loads start in each cycle too, so p * v should not be below p + v; and
p * v sums, v registers of weights and a pixel's number must fit the registers.
"""

from dataclasses import dataclass

import numpy as np

from .instruction_sets import InstructionSet

# Registers of output channels in a tile. The weights are packed for it, once for all picture sizes; so it is the same
# for all layers, and only the pixels are chosen. With 1, a tile of 7 pixels would be too small; 3 and 4 were no faster.
WIDE = 2


def strip(isa: InstructionSet) -> int:
    """Output channels of a tile."""
    return WIDE * isa.lanes


def most_pixels(isa: InstructionSet) -> int:
    """Pixels of the largest tile: 6 for AVX2, where 12 sums, 2 weights and 1 number take 15 of 16 registers."""
    return (isa.registers - WIDE - 1) // WIDE


@dataclass(frozen=True)
class Convolution:
    """A convolution's sizes, as a step of ops.Program has them: all that C is written for."""

    height: int
    width: int
    channels: int
    outputs: int
    kernel_height: int
    kernel_width: int
    stride: int
    padding: int

    @property
    def pointwise(self) -> bool:
        """Whether each output pixel needs only the input pixel in the same place."""
        return (self.kernel_height, self.kernel_width, self.stride, self.padding) == (1, 1, 1, 0)

    @property
    def rows(self) -> int:
        """Of the output. The pixels of a pointwise convolution know no neighbours: they are taken as one long row."""
        return 1 if self.pointwise else (self.height + 2 * self.padding - self.kernel_height) // self.stride + 1

    @property
    def columns(self) -> int:
        """Of the output, see `rows`."""
        if self.pointwise:
            return self.height * self.width
        return (self.width + 2 * self.padding - self.kernel_width) // self.stride + 1

    @property
    def kernel_size(self) -> int:
        """Weights of one output channel."""
        return self.kernel_height * self.kernel_width * self.channels

    @property
    def name(self) -> str:
        """For a file, or a reader."""
        kernel = f"{self.kernel_height}x{self.kernel_width}_stride{self.stride}_padding{self.padding}"
        return f"conv2d_{self.height}x{self.width}x{self.channels}_to_{self.outputs}_{kernel}"


@dataclass(frozen=True)
class Run:
    """Neighbouring kernel columns, from `column` to `end`, that the same pixels of a tile read: `first` to `last`.

    At the edges of the picture not all do, since some would read outside.
    """

    column: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class Kind:
    """What a tile's code depends on: how many pixels it has, and what they read."""

    pixels: int
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Span:
    """Neighbouring tiles of one kind, from `column` to `end`."""

    kind: Kind
    column: int
    end: int


def spans(conv: Convolution, isa: InstructionSet) -> list[Span]:
    """A row of the output in as few tiles as the registers allow, all as wide or one pixel narrower, wide ones first.

    Tiles of one kind that are neighbours make a span; those of a pointwise convolution, two at the most. Full tiles and
    a remainder would be as many, but a small remainder has too few sums to keep a core busy.
    """
    count = -(-conv.columns // most_pixels(isa))
    narrow, wider = divmod(conv.columns, count)
    found: list[Span] = []
    column = 0
    for index in range(count):
        pixels = narrow + (index < wider)
        kind = Kind(pixels, runs(conv, column, pixels))
        if found and found[-1].kind == kind:
            found[-1] = Span(kind, found[-1].column, column + pixels)
        else:
            found.append(Span(kind, column, column + pixels))
        column += pixels
    return found


def bands(conv: Convolution, isa: InstructionSet) -> int:
    """How many bands an output strip is computed in, one after the other: rows, or a pointwise convolution's tiles."""
    if conv.pointwise:
        return -(-conv.columns // most_pixels(isa))
    return conv.rows


def runs(conv: Convolution, column: int, pixels: int) -> tuple[Run, ...]:
    """What the tile of `pixels` from `column` on reads of each kernel row."""
    if conv.pointwise:
        return (Run(0, 1, 0, pixels),)
    found: list[Run] = []
    for j in range(conv.kernel_width):
        left = column * conv.stride - conv.padding + j  # where the first pixel reads
        readers = [p for p in range(pixels) if 0 <= left + p * conv.stride < conv.width]
        if not readers:
            continue
        first, last = readers[0], readers[-1] + 1
        if found and (found[-1].end, found[-1].first, found[-1].last) == (j, first, last):
            found[-1] = Run(found[-1].column, j + 1, first, last)
        else:
            found.append(Run(j, j + 1, first, last))
    return tuple(found)


def packed_size(outputs: int, kernel_size: int, isa: InstructionSet) -> int:
    """How many numbers `pack` makes of so many kernels."""
    return -(-outputs // isa.lanes) * isa.lanes * kernel_size


def pack(kernels: np.ndarray, packed: np.ndarray, isa: InstructionSet) -> None:
    """Writes kernels (O, I, H, W) into `packed`, float32 (packed_size,), in the order in which the tiles read them.

    The kernels of a tile's output channels lie side by side, (H, W, I, channels); the last ones are filled up with
    zeros to whole registers.
    """
    rows = kernels.transpose(0, 2, 3, 1).reshape(len(kernels), -1)
    size = rows.shape[1]
    for first in range(0, len(rows), strip(isa)):
        part = rows[first : first + strip(isa)]
        width = packed_size(len(part), 1, isa)
        target = packed[first * size :][: width * size].reshape(size, width)
        target[:, : len(part)] = part.T
        target[:, len(part) :] = 0
