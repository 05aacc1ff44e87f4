"""Winograd's minimal filtering: a 3x3 convolution with fewer multiplications, for some additions before and after.

A tile of m x m output pixels depends on a patch of (m + 2) x (m + 2) input pixels. In each direction, take the patch
and the kernel as polynomials: what the tile needs are coefficients of a product, and a product is known from its values
at as many points as it has coefficients. The values of a product are products of values. So, for each tile,

    V = B^T d B        the patch d at (m + 2)^2 pairs of points, for each channel
    U = G g G^T        a kernel g there; computed once, when the weights are loaded
    M = sum of U * V   over the channels, point by point: a matrix product for each point, over all tiles
    y = A^T M A        the tile

F(4x4) needs 36 multiplications for a tile of 16 pixels, where the convolution has 144; F(2x2) 16 in place of 36.

With stride 2, every other pixel of a direction meets only the outer two numbers of a kernel, as a kernel of two with
stride 1, and the pixels between them only the middle one (**polyphase**; Huang et al., "DWM: a decomposable Winograd
method for convolution acceleration", 2020). For 2 pixels that is 3 products and 2, of which both have the middle number
as their value of the kernel: 25 products in two directions, in place of 36, and 16 numbers of U.

Lavin and Gray, "Fast algorithms for convolutional neural networks" (2015), take the points 0, +-1, +-2 and infinity for
F(4x4). With 0, +-1/sqrt 2, +-sqrt 2 and infinity no number of A, B and G is large, and the error is a quarter of that.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from .instruction_sets import InstructionSet
from .memory import LINE, aligned
from .rounding import ceil_div, round_up
from .tiles import Convolution, strip_channels

MOST_TILES = 28  # of a block: its sums, for 36 points and a strip, take 126 KB of a second-level cache
FETCH = 10  # how many multiplications a processor makes while a weight comes from memory: measured, see README.md
# Where all tiles' sums at the six points of a row leave registers free, U is made there, for each picture again: it
# takes longer to wait for 36 numbers of each kernel than for 9, and to compute the others.
SPARE_REGISTERS = 8


@dataclass(frozen=True)
class Form:
    """F(m x m, 3x3) for m = `pixels` and a `stride` of 1 or 2.

    `points`: the finite ones, each with the product of its distances to the others.

    `input` and `output` are B^T and A^T in C: what is computed from d0, d1, ... to v0, v1, ... and from m to y, with
    these `constants`. `kernel` is G, from g to u, not yet divided by the products of distances; empty where U is never
    made in registers.
    """

    pixels: int
    points: tuple[tuple[float, float], ...]
    input: tuple[str, ...]
    output: tuple[str, ...]
    kernel: tuple[str, ...] = ()
    constants: str = ""
    stride: int = 1

    @property
    def side(self) -> int:
        """Pixels along a side of a patch, and points of a direction."""
        return self.stride * (self.pixels - 1) + 3

    @property
    def G(self) -> np.ndarray:
        """G, float64 (rows, 3): the values of a kernel's polynomial at the points, the last of which is infinity.

        With stride 2 it is the polynomial of the outer two numbers, and one more row, for all other points, the middle.
        """
        if self.stride == 1:
            values = [*([1, point, point * point] for point, _ in self.points), [0, 0, 1]]
        else:
            values = [*([1, 0, point] for point, _ in self.points), [0, 0, 1], [0, 1, 0]]
        return np.array(values) / self.distances[:, None]

    @property
    def distances(self) -> np.ndarray:
        """By what each row of G is divided, float64 (rows,)."""
        return np.array([*(norm for _, norm in self.points), *[1] * self.stride])

    @property
    def rows(self) -> list[int]:
        """For each point of a direction, which row of G is its own."""
        return [min(point, len(self.G) - 1) for point in range(self.side)]

    @property
    def numbers(self) -> int:
        """How many numbers U has for a kernel."""
        return len(self.G) ** 2

    @property
    def name(self) -> str:
        """What a reader calls it."""
        return f"F({self.pixels}x{self.pixels}, 3x3)" + f", stride {self.stride}" * (self.stride > 1)


F2 = Form(
    pixels=2,
    points=((0, -1), (1, 2), (-1, 2)),
    input=("v0 = d2 - d0, v1 = d1 + d2, v2 = d2 - d1, v3 = d3 - d1",),
    output=("y0 = m0 + m1 + m2, y1 = m1 - m2 + m3",),
)
F4 = Form(
    pixels=4,
    points=((0, 1), (sqrt(0.5), -1.5), (-sqrt(0.5), -1.5), (sqrt(2), 6), (-sqrt(2), 6)),
    input=(
        "v0 = d0 - 2.5f * d2 + d4, v5 = d1 - 2.5f * d3 + d5",
        "a = d4 - 2.0f * d2, b = ROOT_HALF * d3 - ROOT_TWO * d1, v1 = a + b, v2 = a - b",
        "e = d4 - 0.5f * d2, f = ROOT_TWO * d3 - ROOT_HALF * d1, v3 = e + f, v4 = e - f",
    ),
    output=(
        "a = m1 + m2, b = m1 - m2, e = m3 + m4, f = m3 - m4",
        "y0 = m0 + a + e, y1 = ROOT_HALF * b + ROOT_TWO * f",
        "y2 = 0.5f * a + 2.0f * e, y3 = 0.5f * ROOT_HALF * b + 2.0f * ROOT_TWO * f + m5",
    ),
    kernel=(
        "u0 = g0",
        "a = g0 + 0.5f * g2, b = ROOT_HALF * g1, u1 = a + b, u2 = a - b",
        "e = g0 + 2.0f * g2, f = ROOT_TWO * g1, u3 = e + f, u4 = e - f",
        "u5 = g2",
    ),
    constants="static const float ROOT_HALF = 0.70710678118654752440f, ROOT_TWO = 1.4142135623730950488f;",
)
POLYPHASE = Form(
    pixels=2,
    stride=2,
    points=((0, -1), (1, 1)),
    input=("v0 = d2 - d0, v1 = d2, v2 = d4 - d2, v3 = d1, v4 = d3",),
    output=("y0 = m0 + m1 + m3, y1 = m1 + m2 + m4",),
)
FORMS = (F2, F4, POLYPHASE)


def choose(conv: Convolution, isa: InstructionSet) -> Form | None:
    """The form that is fastest for a convolution; None if it is better done directly.

    A form costs its multiplications, and FETCH for each weight. The more pixels a tile has, the fewer multiplications
    there are, and the more weights, unless they are transformed in registers; then each operation for that counts.
    Nothing else does, so that the same picture gives the same bits on all processors with an instruction set.
    """
    if (conv.kernel_height, conv.kernel_width, conv.padding) != (3, 3, 1) or conv.residual or conv.pool:
        return None
    costs: dict[Form | None, int] = {None: read(conv.height, conv.stride) * read(conv.width, conv.stride) + 9 * FETCH}
    for form in FORMS:
        if form.stride == conv.stride:
            weights = form.numbers * FETCH
            if in_registers(conv, form, isa):
                weights = 9 * FETCH + kernel_operations(form)
            costs[form] = form.side**2 * tile_count(conv, form) + weights
    return min(costs, key=lambda form: costs[form])


def read(size: int, stride: int) -> int:
    """How many pixels all windows in a row of `size` read: the first reaches one pixel over the edge, the last may."""
    return 3 * ceil_div(size, stride) - 1 - ((size - 1) % stride == 0)


def in_registers(conv: Convolution, form: Form, isa: InstructionSet) -> bool:
    """Whether `form` makes U in registers; with AVX2's 16 that takes longer than to read F(2x2)'s."""
    return bool(form.kernel) and form.side * tile_count(conv, form) <= isa.registers - SPARE_REGISTERS


def kernel_operations(form: Form) -> int:
    """Additions and multiplications for U of a kernel: for each row of G that row for three columns, then all of it."""
    row = count_operations(form.kernel)
    return sum(3 * count_operations([value(form, i)]) + row for i in range(form.side))


def value(form: Form, i: int) -> str:
    """The C for the value of a kernel at point i alone."""
    [line] = [line for line in form.kernel if f"u{i} = " in line]
    return re.sub(rf", u(?!{i})\d = [^,]*", "", line)


def tile_count(conv: Convolution, form: Form) -> int:
    """How many tiles the output has; the last ones of a row or column may reach over its edge."""
    return ceil_div(conv.rows, form.pixels) * ceil_div(conv.columns, form.pixels)


def count_operations(lines: Sequence[str]) -> int:
    """Additions, subtractions and multiplications in some lines of C; the compiler does those of two constants."""
    return sum(len(re.findall(r"[+-]|\* [a-z]", line)) for line in lines)


@dataclass(frozen=True)
class Transform:
    """The first step of a convolution in one of Winograd's forms: V, (points, tiles, channels), from the input.

    Where U is made `in_registers` all tiles are read at a time, and a cache line lies between them: without, those of
    512 channels would all be in the same two of a first-level cache's 64 sets.
    """

    conv: Convolution
    form: Form
    in_registers: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of V, with the numbers between tiles that nothing reads."""
        pitch = self.conv.channels + LINE * self.in_registers
        return self.form.side**2, tile_count(self.conv, self.form), pitch

    @property
    def operations(self) -> int:
        """Additions and multiplications: B^T for each column of a patch, then for each row."""
        each = 2 * self.form.side * count_operations(self.form.input)
        return tile_count(self.conv, self.form) * self.conv.channels * each

    @property
    def name(self) -> str:
        """A file name that tells a reader what it is."""
        form, conv = self.form, self.conv
        return f"winograd{form.pixels}_stride{form.stride}_input_{conv.height}x{conv.width}x{conv.channels}"


@dataclass(frozen=True)
class Products:
    """The second step: from V to the output."""

    conv: Convolution
    form: Form
    in_registers: bool = False

    @property
    def tiles(self) -> int:
        """How many tiles the output has."""
        return tile_count(self.conv, self.form)

    @property
    def blocks(self) -> int:
        """How many blocks the tiles are cut into; their sizes differ by one at most, large ones first."""
        return ceil_div(self.tiles, MOST_TILES)

    @property
    def largest(self) -> int:
        """How many tiles the largest block has."""
        return ceil_div(self.tiles, self.blocks)

    @property
    def operations(self) -> int:
        """Additions and multiplications: the products, A^T for each column of a tile, then for each row, the bias."""
        form, conv = self.form, self.conv
        tile = 2 * form.side**2 * conv.channels + (form.side + form.pixels) * count_operations(form.output)
        kernels = 0
        if self.in_registers:
            tile += form.side**2  # the sums are divided in place of U
            kernels = conv.channels * conv.outputs * kernel_operations(form)
        return self.tiles * conv.outputs * tile + kernels + conv.output_size

    @property
    def name(self) -> str:
        """A file name that tells a reader what it is."""
        return f"winograd{self.form.pixels}_{self.conv.name}"


def scratch_size(step: Products, isa: InstructionSet) -> int:
    """How many numbers a worker's sums have: those of a block in a strip, at all points."""
    if step.in_registers:
        return step.form.side**2 * step.tiles * isa.lanes
    width = min(strip_channels(isa), round_up(step.conv.outputs, isa.lanes))
    return step.form.side**2 * step.largest * width


def transform_kernels(packed: np.ndarray, channels: int, outputs: int, form: Form, isa: InstructionSet) -> np.ndarray:
    """U for kernels (3, 3, channels, ...) packed by packing.py: in the same order, with its numbers in place of (3, 3).

    In float64, rounded once.
    """
    matrix, strip = form.G, strip_channels(isa) * channels
    side = len(matrix)
    # Made before U: the next layer's will lie there again, and its U in new memory, of which the system makes huge
    # pages. With U in the place of the last one's buffers, the network took 0.9 ms longer, of 59.
    buffers = [np.empty((*shape, min(strip, len(packed) // 9))) for shape in ((3, 3), (side, 3), (side, side))]
    transformed = aligned(len(packed) // 9 * side**2)
    for first in range(0, len(packed) // 9, strip):
        kernels = packed[9 * first :][: 9 * strip].reshape(3, 3, -1)
        exact, rows, values = (buffer[..., : kernels.shape[2]] for buffer in buffers)
        exact[:] = kernels
        np.einsum("pi,ijn->pjn", matrix, exact, out=rows)
        np.einsum("qj,pjn->pqn", matrix, rows, out=values)
        transformed[side**2 * first :][: values.size].reshape(values.shape)[:] = values
    return transformed


def interleave_kernels(packed: np.ndarray, channels: int, outputs: int, form: Form, isa: InstructionSet) -> np.ndarray:
    """Kernels (3, 3, channels, ...) packed by packing.py as they are read where U is made in registers.

    That is (channels, 3, 3, lanes) for each register. Raises `FloatingPointError` if U may be too large for float32.
    """
    factor = np.abs(form.G * form.distances[:, None]).sum(1).max()
    np.multiply(max(packed.max(), -packed.min()), np.float32(factor**2))  # overflows if U may
    interleaved = aligned(round_up(outputs, isa.lanes) * channels * 9)
    strip = strip_channels(isa) * channels
    for first in range(0, len(packed) // 9, strip):
        kernels = packed[9 * first :][: 9 * strip].reshape(9, channels, -1, isa.lanes)
        interleaved[9 * first :][: kernels.size].reshape(-1, channels, 9, isa.lanes)[:] = kernels.transpose(2, 1, 0, 3)
    return interleaved
