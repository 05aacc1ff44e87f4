"""Winograd's minimal filtering: a 3x3 convolution with fewer multiplications, for some additions before and after.

A tile of m x m output pixels depends on a patch of (m + 2) x (m + 2) input pixels. In each direction, take the patch
and the kernel as polynomials: what the tile needs are coefficients of a product, and a product is known from its values
at as many points as it has coefficients. The values of a product are products of values. So, for each tile,

    V = B^T d B        the patch d at (m + 2)^2 pairs of points, for each channel
    U = G g G^T        a kernel g there; computed once, when the weights are loaded
    M = sum of U * V   over the channels, point by point: a matrix product for each point, over all tiles
    y = A^T M A        the tile

F(4x4) needs 36 multiplications for a tile of 16 pixels, where the convolution has 144; F(2x2) 16 in place of 36.

Lavin and Gray, "Fast algorithms for convolutional neural networks" (2015), take the points 0, +-1, +-2 and infinity for
F(4x4). With 0, +-1/sqrt 2, +-sqrt 2 and infinity no number of A, B and G is large, and the error is a third of that.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from .instruction_sets import InstructionSet
from .memory import aligned
from .rounding import ceil_div, round_up
from .tiles import Convolution, strip_channels

MOST_TILES = 28  # of a block: its sums, for 36 points and a strip, take 126 KB of a second-level cache
# How many multiplications a processor makes while a weight comes from memory: measured, see README.md. It is the same
# for all instruction sets, so that they give the same bits.
FETCH = 10


@dataclass(frozen=True)
class Form:
    """F(m x m, 3x3) for m = `pixels`. `points`: the finite ones, each with the product of its distances to the others.

    `input` and `output` are B^T and A^T in C: what is computed from d0, d1, ... to v0, v1, ... and from m to y, with
    these `constants`.
    """

    pixels: int
    points: tuple[tuple[float, float], ...]
    input: tuple[str, ...]
    output: tuple[str, ...]
    constants: str = ""

    @property
    def side(self) -> int:
        """Pixels along a side of a patch, and points of a direction."""
        return self.pixels + 2

    @property
    def kernel(self) -> np.ndarray:
        """G, float64 (side, 3): the values of a kernel's polynomial at the points, the last of which is infinity."""
        finite = [[1 / norm, point / norm, point * point / norm] for point, norm in self.points]
        return np.array([*finite, [0, 0, 1]])


FORMS = {
    2: Form(
        pixels=2,
        points=((0, -1), (1, 2), (-1, 2)),
        input=("v0 = d2 - d0, v1 = d1 + d2, v2 = d2 - d1, v3 = d3 - d1",),
        output=("y0 = m0 + m1 + m2, y1 = m1 - m2 + m3",),
    ),
    4: Form(
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
        constants="static const float ROOT_HALF = 0.70710678118654752440f, ROOT_TWO = 1.4142135623730950488f;",
    ),
}


def choose(conv: Convolution) -> int:
    """The pixels of the form that is fastest for a convolution; 0 if it is better done directly.

    A form costs its multiplications, and FETCH for each weight. The more pixels a tile has, the fewer multiplications
    there are, and the more weights. Nothing else counts, so that the same picture gives the same bits everywhere.
    """
    window = (conv.kernel_height, conv.kernel_width, conv.stride, conv.padding)
    if window != (3, 3, 1, 1) or conv.residual or conv.pool:
        return 0
    # Of the windows in a row of n pixels, two reach one pixel over the edge.
    costs = {0: (3 * conv.height - 2) * (3 * conv.width - 2) + 9 * FETCH}
    for pixels, form in FORMS.items():
        costs[pixels] = form.side**2 * (tile_count(conv, pixels) + FETCH)
    return min(costs, key=lambda pixels: costs[pixels])


def tile_count(conv: Convolution, pixels: int) -> int:
    """How many tiles the output has; the last ones of a row or column may reach over its edge."""
    return ceil_div(conv.height, pixels) * ceil_div(conv.width, pixels)


def count_operations(lines: Sequence[str]) -> int:
    """Additions, subtractions and multiplications in some lines of C; the compiler does those of two constants."""
    return sum(len(re.findall(r"[+-]|\* [a-z]", line)) for line in lines)


@dataclass(frozen=True)
class Transform:
    """The first step of a convolution in the form of `pixels`: V, (points, tiles, channels), from the input."""

    conv: Convolution
    pixels: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape of V."""
        return FORMS[self.pixels].side ** 2, tile_count(self.conv, self.pixels), self.conv.channels

    @property
    def operations(self) -> int:
        """Additions and multiplications: B^T for each column of a patch, then for each row."""
        form, (_, tiles, channels) = FORMS[self.pixels], self.shape
        return tiles * channels * 2 * form.side * count_operations(form.input)

    @property
    def name(self) -> str:
        """A file name that tells a reader what it is."""
        return f"winograd{self.pixels}_input_{self.conv.height}x{self.conv.width}x{self.conv.channels}"


@dataclass(frozen=True)
class Products:
    """The second step: from V to the output."""

    conv: Convolution
    pixels: int

    @property
    def tiles(self) -> int:
        """How many tiles the output has."""
        return tile_count(self.conv, self.pixels)

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
        form = FORMS[self.pixels]
        tile = 2 * form.side**2 * self.conv.channels + (form.side + form.pixels) * count_operations(form.output)
        return self.tiles * self.conv.outputs * tile + self.conv.output_size

    @property
    def name(self) -> str:
        """A file name that tells a reader what it is."""
        return f"winograd{self.pixels}_{self.conv.name}"


def scratch_size(step: Products, isa: InstructionSet) -> int:
    """How many numbers a worker's sums have: those of a block in a strip, at all points."""
    width = min(strip_channels(isa), round_up(step.conv.outputs, isa.lanes))
    return FORMS[step.pixels].side ** 2 * step.largest * width


def transform_kernels(packed: np.ndarray, channels: int, outputs: int, pixels: int, isa: InstructionSet) -> np.ndarray:
    """U for kernels (3, 3, channels, ...) packed by packing.py: in the same order, with the points in place of (3, 3).

    In float64, rounded once.
    """
    matrix = FORMS[pixels].kernel
    transformed = aligned(round_up(outputs, isa.lanes) * channels * len(matrix) ** 2)
    strip = strip_channels(isa) * channels
    for first in range(0, len(packed) // 9, strip):
        kernels = packed[9 * first :][: 9 * strip].reshape(3, 3, -1)
        target = transformed[len(matrix) ** 2 * first :][: len(matrix) ** 2 * kernels.shape[2]]
        rows = np.einsum("pi,ijn->pjn", matrix, kernels.astype(np.float64))
        target.reshape(len(matrix), len(matrix), -1)[:] = np.einsum("qj,pjn->pqn", matrix, rows)
    return transformed
