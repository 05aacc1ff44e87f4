"""Writes the C of a max pooling that is fused with the convolution before it.

A strip's rows of the convolution go into a ring in the scratch memory, which has room for as many as a window is high.
So the pooling finds them in a cache, and only the largest numbers go out to memory.
"""

from itertools import product as pairs

from .emitter import Emitter
from .epilogue import store_pixel
from .instruction_sets import InstructionSet
from .packing import constants_size
from .phrases import offset, product
from .tiles import Convolution, Pool, bands, strip_channels


def pool_function(c: Emitter, conv: Convolution, pool: Pool, isa: InstructionSet, outputs: int) -> None:
    """The function for a row of windows in a strip of `outputs` channels; a window's largest is found in a register."""
    width = strip_channels(isa)
    size = range(pool.kernel)
    c.comment(
        f"{outputs} channels of a row of the pooling. What lies outside of the picture is left out: in its place the",
        "nearest row or column is looked at once more.",
    )
    with c.function(f"static void pool_of_{outputs}", "uint8_t *restrict output", "const uint8_t *restrict ring",
                    "ptrdiff_t band"):  # fmt: skip
        c.line(f"const ptrdiff_t top = {product('band', pool.stride)}{offset(-pool.padding)};")
        for i in size:
            row = nearest(f"top{offset(i)}", conv.rows)
            c.line(f"const uint8_t *row{i} = ring + ({row}) % {pool.kernel} * {conv.columns * width};")
        columns = pool.outputs(conv.columns)
        with c.block(f"for (ptrdiff_t column = 0; column < {columns}; column++, output += {conv.pitch})"):
            c.line(f"const ptrdiff_t left = {product('column', pool.stride)}{offset(-pool.padding)};")
            for j in size:
                c.line(f"const ptrdiff_t place{j} = ({nearest(f'left{offset(j)}', conv.columns)}) * {width};")
            first, *others = [isa.load_bytes.format(f"row{i} + place{j}") for i, j in pairs(size, size)]
            c.line(f"{isa.bytes} best = {first};")
            for value in others:
                c.line(f"best = {isa.larger_bytes.format('best', value)};")
            store_pixel(c, isa, "output", "best", outputs)
    c.line()


def pooled_calls(c: Emitter, conv: Convolution, pool: Pool, isa: InstructionSet) -> None:
    """A loop over parts, strip by strip; a row that a part has left in the ring serves the next one too."""
    channels, rows = strip_channels(isa), bands(conv, isa)
    full, rest = divmod(conv.outputs, channels)
    c.line("ptrdiff_t row = 0; /* of the convolution: the first that is not in the ring */")
    with c.block("for (ptrdiff_t part = first; part < end; part++)"):
        c.line(f"const ptrdiff_t strip = part / {rows}, band = part % {rows};")
        c.line(f"const ptrdiff_t above = {product('band', pool.stride)}{offset(-pool.padding)};")
        c.line(f"const ptrdiff_t top = above < 0 ? 0 : above, below = above + {pool.kernel};")
        c.line(f"const ptrdiff_t stop = below < {conv.rows} ? below : {conv.rows};")
        c.line("if (part == first || band == 0 || row < top)")
        c.line("    row = top;")
        if full and rest:
            with c.block(f"if (strip < {full})"):
                pooled_call(c, conv, pool, isa, channels)
            with c.block("else"):
                pooled_call(c, conv, pool, isa, rest)
        else:
            pooled_call(c, conv, pool, isa, channels if full else rest)


def pooled_call(c: Emitter, conv: Convolution, pool: Pool, isa: InstructionSet, outputs: int) -> None:
    """Fills the ring and calls the pooling, for a row of windows in a strip of `outputs` channels."""
    channels = strip_channels(isa)
    place = f"scratch + row % {pool.kernel} * {conv.columns * channels}"
    weights = f"weight + strip * {channels * conv.kernel_size}, constants + strip * {constants_size(channels, isa)}"
    c.line("for (; row < stop; row++)")
    c.line(f"    band_of_{outputs}({place}, x, {weights}, row);")
    target = f"output + band * {pool.outputs(conv.columns) * conv.pitch} + strip * {channels}"
    c.line(f"pool_of_{outputs}({target}, scratch, band);")


def nearest(place: str, size: int) -> str:
    """C for the row or column that is nearest to `place` among `size` of them."""
    return f"{place} < 0 ? 0 : {place} < {size} ? {place} : {size - 1}"
