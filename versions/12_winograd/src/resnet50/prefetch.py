"""What a convolution's C asks for before it is needed: a prefetch in each iteration of an innermost loop.

A prefetch begins to move a cache line from memory to a cache, and nothing waits for it. Where strips are outer, the
weights of the next strip are asked for while this one is computed; after the last strip those of the next layer, which
follow in memory. Where bands are outer, it is what only the next band will read of x. The addresses may lie behind the
arrays. So in the C they are numbers, not pointers, and nothing is ever read from them. And before a tile computes its
sums it asks for the residual that they will be added to.
"""

from .instruction_sets import InstructionSet
from .memory import LINE
from .rounding import ceil_div
from .tiles import Convolution, bands, strip_channels

FLOAT = 4  # bytes

# Bands of a strip in which the next one's weights are asked for: half a cache line in each iteration. A whole one, in 2
# bands, was slower; a quarter, in 8, no faster.
SPREAD = 4

# The fewest pixels of an output with which it pays. A line of weights serves one multiply-add for each; with too few,
# they are done before memory has sent the next line, and asking earlier only delays what is needed now: with 4 pixels
# AVX-512 loses a fifth. Outputs are square as a rule, so the next number is 9.
ENOUGH = 9


def prefetches(conv: Convolution) -> bool:
    """Whether the tiles of a convolution prefetch anything."""
    return conv.rows * conv.columns >= ENOUGH and not conv.pool


def step(conv: Convolution, isa: InstructionSet) -> int:
    """How many bytes an iteration asks for: so many that all of them ask for everything, but at the picture's edges."""
    strips, kernel = ceil_div(conv.outputs, strip_channels(isa)), conv.kernel_height * conv.kernel_width
    if not conv.bands_outer:
        numbers = ceil_div(strip_channels(isa), spread(conv, isa))
    elif conv.pointwise:
        numbers = ceil_div(conv.columns, bands(conv, isa) * strips)
    else:
        numbers = ceil_div(new_rows(conv) * conv.width, kernel * strips)
    return FLOAT * min(numbers, LINE)


def ahead(conv: Convolution, isa: InstructionSet) -> str:
    """C for the address at which the iterations of a part, a strip of a band, begin to ask."""
    pixel, share = conv.channels * FLOAT, conv.kernel_size * step(conv, isa)
    if not conv.bands_outer:
        size = strip_channels(isa) * conv.kernel_size * FLOAT
        later = f"(band < {spread(conv, isa)} ? {size} + band * {share} : 0)"  # 0: what is read anyway
        return f"(intptr_t)weight + strip * {size} + {later}"
    if conv.pointwise:
        return f"(intptr_t)x + (band + 1) * {conv.columns} / {bands(conv, isa)} * {pixel} + strip * {share}"
    row = f"(band * {conv.stride} + {conv.stride - conv.padding + conv.kernel_height - new_rows(conv)})"
    return f"(intptr_t)x + {row} * {conv.width * pixel} + strip * {share}"


def announcement(conv: Convolution, isa: InstructionSet) -> str:
    """What is asked for, for a reader."""
    residual = "; each tile prefetches its residual" * conv.residual
    if conv.bands_outer:
        return f"In each strip of a band, a share of what the next band will read of x is prefetched{residual}"
    where = f"In each of the first {spread(conv, isa)} bands of a strip"
    return f"{where}, a share of the next one's weights is prefetched{residual}"


def new_rows(conv: Convolution) -> int:
    """How many rows of x a band reads that the one before it does not; they are the last ones."""
    return min(conv.stride, conv.kernel_height)


def spread(conv: Convolution, isa: InstructionSet) -> int:
    """In how many bands of a strip the next one's weights are asked for."""
    return min(SPREAD, bands(conv, isa))
