"""How a convolution is cut into register tiles: pixels of an output row by output channels, their sums in registers.

          columns
         +--------+--------+-------+-------+
    rows |  tile  |  tile  | tile  | tile  |   a band: a row of the strip
         +--------+--------+-------+-------+
         |  tile  |  tile  | tile  | tile  |   the next band
         +--------+--------+-------+-------+
          '---- span -----' '--- span ----'    neighbouring tiles that share their code

A strip is as many output channels as a tile has; the drawing shows one strip, and the others lie behind it. All pixels
of a pointwise convolution are treated as one row, in which each tile is a band. The taps of a tile are the kernel
columns that its pixels read: not all of them where the picture ends.

A tile of p pixels by v registers of channels makes p * v multiply-adds for p + v loads. An FMA takes 4 cycles and 2
start in each, so p * v must be at least 8; 2 loads start in each cycle too, so p * v should not be below p + v; and
p * v sums, v registers of weights and a pixel's number must fit the registers.
"""

from dataclasses import dataclass

from .instruction_sets import InstructionSet
from .memory import LINE
from .rounding import ceil_div, round_up

# Registers of output channels in a tile. The weights are packed for it, once for all picture sizes. So it is the same
# for all layers, and only the pixels are chosen. With 1, a tile of 7 pixels would be too small; 3 and 4 were no faster.
WIDE = 2

# Lines of memory this many float32 numbers apart belong to the same set of a first-level cache, in all processors with
# AVX2 so far: 64 sets of lines of 64 bytes. A set has room for 8 lines, or 12: for so many pixels' and the weights'.
# ARM processors have other caches, where the rule was not measured.
SAME_SET = 4096 // 4
SET_PIXELS = 7


def strip_channels(isa: InstructionSet) -> int:
    """Output channels of a strip, and so of a tile."""
    return WIDE * isa.lanes


@dataclass(frozen=True)
class Pool:
    """The windows of a max pooling: kernel x kernel, moved by `stride`. Raises `ValueError` if one could be empty."""

    kernel: int
    stride: int
    padding: int

    def __post_init__(self) -> None:
        if self.padding >= self.kernel:
            raise ValueError(f"padding {self.padding} must be smaller than the kernel {self.kernel}")

    def outputs(self, size: int) -> int:
        """How many windows fit along a side of `size`."""
        return (size + 2 * self.padding - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Convolution:
    """A convolution's sizes, and the layers that are fused with it: all that the generated C depends on.

    `residual`: what stands in the output is added; `relu`: then negative numbers become zero; `pool`: of that the
    largest in each window is the output.
    """

    height: int
    width: int
    channels: int
    outputs: int
    kernel_height: int
    kernel_width: int
    stride: int
    padding: int
    residual: bool = False
    relu: bool = False
    pool: Pool | None = None

    @property
    def pointwise(self) -> bool:
        """Whether each output pixel needs only the input pixel in the same place."""
        return (self.kernel_height, self.kernel_width, self.stride, self.padding) == (1, 1, 1, 0) and not self.pool

    @property
    def rows(self) -> int:
        """Rows of the output; 1 for a pointwise convolution, whose pixels are treated as one long row."""
        return 1 if self.pointwise else (self.height + 2 * self.padding - self.kernel_height) // self.stride + 1

    @property
    def columns(self) -> int:
        """Columns of the output; for a pointwise convolution, all its pixels."""
        if self.pointwise:
            return self.height * self.width
        return (self.width + 2 * self.padding - self.kernel_width) // self.stride + 1

    @property
    def kernel_size(self) -> int:
        """How many weights an output channel has."""
        return self.kernel_height * self.kernel_width * self.channels

    @property
    def output_size(self) -> int:
        """How many numbers the output has."""
        rows, columns = self.rows, self.columns
        if self.pool:
            rows, columns = self.pool.outputs(rows), self.pool.outputs(columns)
        return rows * columns * self.outputs

    @property
    def bands_outer(self) -> bool:
        """Whether all strips of a band come before the next band: x is larger than the weights, and so is read once."""
        return self.height * self.width * self.channels > self.outputs * self.kernel_size

    @property
    def name(self) -> str:
        """A file name that tells a reader the sizes, and what is fused."""
        kernel = f"{self.kernel_height}x{self.kernel_width}_stride{self.stride}_padding{self.padding}"
        fused = "_residual" * self.residual + "_relu" * self.relu
        if self.pool:
            fused += f"_pool{self.pool.kernel}_stride{self.pool.stride}_padding{self.pool.padding}"
        return f"conv2d_{self.height}x{self.width}x{self.channels}_to_{self.outputs}_{kernel}{fused}"


@dataclass(frozen=True)
class Taps:
    """Neighbouring kernel columns, `column` to before `end`, that the same pixels of a tile read.

    These are the pixels `first` to before `last`: at the edges of the picture others would read outside it.
    """

    column: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """What the code of a tile depends on: how many pixels it has, and what they read of each kernel row."""

    pixels: int
    taps: tuple[Taps, ...]


@dataclass(frozen=True)
class Span:
    """Neighbouring tiles that are alike, in the columns `column` to before `end`."""

    tile: Tile
    column: int
    end: int

    @property
    def tiles(self) -> int:
        """How many tiles it has."""
        return (self.end - self.column) // self.tile.pixels


def most_pixels(conv: Convolution, isa: InstructionSet) -> int:
    """Pixels of the largest tile: no more than the registers have room for, and a set of the first-level cache.

    In registers that is 6 for AVX2, where 12 sums, 2 weights and 1 number take 15 of 16.
    """
    most = (isa.registers - WIDE - 1) // WIDE
    return most if conv.stride * conv.channels % SAME_SET else min(most, SET_PIXELS)


def spans(conv: Convolution, isa: InstructionSet) -> list[Span]:
    """A row of the output in as few tiles as `most_pixels` allows; they differ by one pixel at most, wide ones first.

    Neighbouring tiles of one kind make a span; a pointwise convolution has two spans at most. Full tiles and a
    remainder would be as many, but a small remainder has too few sums to keep a core busy.
    """
    count = ceil_div(conv.columns, most_pixels(conv, isa))
    narrow, wider = divmod(conv.columns, count)
    found: list[Span] = []
    column = 0
    for index in range(count):
        pixels = narrow + 1 if index < wider else narrow
        tile = Tile(pixels, taps(conv, column, pixels))
        if found and found[-1].tile == tile:
            found[-1] = Span(tile, found[-1].column, column + pixels)
        else:
            found.append(Span(tile, column, column + pixels))
        column += pixels
    return found


def bands(conv: Convolution, isa: InstructionSet) -> int:
    """How many bands a strip has: a row of the output each, or a tile each for a pointwise convolution."""
    if conv.pool:
        return conv.pool.outputs(conv.rows)
    return ceil_div(conv.columns, most_pixels(conv, isa)) if conv.pointwise else conv.rows


def ring_size(conv: Convolution, isa: InstructionSet) -> int:
    """How many numbers the rows of a strip have that a row of the max pooling reads, in whole cache lines; else 0."""
    if not conv.pool:
        return 0
    return round_up(conv.pool.kernel * conv.columns * min(strip_channels(isa), round_up(conv.outputs, isa.lanes)), LINE)


def taps(conv: Convolution, column: int, pixels: int) -> tuple[Taps, ...]:
    """What a tile of `pixels` that begins at `column` reads of each kernel row."""
    if conv.pointwise:
        return (Taps(0, 1, 0, pixels),)
    found: list[Taps] = []
    for j in range(conv.kernel_width):
        left = column * conv.stride - conv.padding + j  # where the first pixel reads
        readers = [p for p in range(pixels) if 0 <= left + p * conv.stride < conv.width]
        if not readers:
            continue
        first, last = readers[0], readers[-1] + 1
        if found and (found[-1].end, found[-1].first, found[-1].last) == (j, first, last):
            found[-1] = Taps(found[-1].column, j + 1, first, last)
        else:
            found.append(Taps(j, j + 1, first, last))
    return tuple(found)
