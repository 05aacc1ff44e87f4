"""Writes the C of a max pooling that is fused with the convolution before it.

A strip's rows of the convolution go into a ring in the scratch memory, which holds as many as a row of windows reads; so
they are still in a cache when the pooling reads them, and only the largest numbers go out to memory.
"""

from itertools import product as pairs

from .emitter import Emitter
from .instruction_sets import InstructionSet
from .phrases import offset, product
from .rounding import ceil_div, round_up
from .tiles import Convolution, bands, strip_channels


def pool_function(c: Emitter, conv: Convolution, isa: InstructionSet, outputs: int) -> None:
    """The function for a row of windows in a strip of `outputs` channels; a window's largest is found in a register."""
    pool, width = conv.pool, round_up(outputs, isa.lanes)
    size = range(pool.kernel)
    c.comment(
        f"{outputs} channels of a row of the pooling. What lies outside of the picture is left out: in its place the",
        "nearest row or column is looked at once more.",
    )
    with c.function(f"static void pool_of_{outputs}", "float *restrict output", "const float *restrict ring",
                    "ptrdiff_t band"):  # fmt: skip
        c.line(f"const ptrdiff_t top = {product('band', pool.stride)}{offset(-pool.padding)};")
        for i in size:
            row = nearest(f"top{offset(i)}", conv.rows)
            c.line(f"const float *row{i} = ring + ({row}) % {pool.kernel} * {conv.columns * width};")
        columns = pool.outputs(conv.columns)
        with c.block(f"for (ptrdiff_t column = 0; column < {columns}; column++, output += {conv.outputs})"):
            c.line(f"const ptrdiff_t left = {product('column', pool.stride)}{offset(-pool.padding)};")
            for j in size:
                c.line(f"const ptrdiff_t place{j} = ({nearest(f'left{offset(j)}', conv.columns)}) * {width};")
            for r in range(ceil_div(outputs, isa.lanes)):
                values = [isa.load.format(f"row{i} + place{j}{offset(r * isa.lanes)}") for i, j in pairs(size, size)]
                c.line(f"{isa.vector} best{r} = {values[0]};")
                for value in values[1:]:
                    c.line(f"best{r} = {isa.larger.format(f'best{r}', value)};")
                lanes = outputs - r * isa.lanes
                store = isa.store if lanes >= isa.lanes else isa.store_first
                c.line(store.format(f"output{offset(r * isa.lanes)}", f"best{r}", **isa.first(lanes)))
    c.line()


def pooled_calls(c: Emitter, conv: Convolution, isa: InstructionSet) -> None:
    """A loop over parts, strip by strip; a row that a part has left in the ring serves the next one too."""
    pool, channels, rows = conv.pool, strip_channels(isa), bands(conv, isa)
    full, rest = divmod(conv.outputs, channels)
    c.line("ptrdiff_t next = 0; /* the first row of the convolution that is not in the ring */")
    with c.block("for (ptrdiff_t part = first; part < end; part++)"):
        c.line(f"const ptrdiff_t strip = part / {rows}, band = part % {rows};")
        c.line(f"const ptrdiff_t corner = {product('band', pool.stride)}{offset(-pool.padding)};")
        c.line("const ptrdiff_t top = corner < 0 ? 0 : corner;")
        c.line(f"const ptrdiff_t below = corner + {pool.kernel} < {conv.rows} ? corner + {pool.kernel} : {conv.rows};")
        c.line("if (part == first || band == 0 || next < top)")
        c.line("    next = top;")
        widths = [channels] * bool(full) + [rest] * bool(rest)
        for outputs in widths:
            with c.block(f"if (strip {'<' if outputs == channels else '=='} {full})") if len(widths) > 1 else c.scope():
                row = conv.columns * round_up(outputs, isa.lanes)
                c.line("for (; next < below; next++)")
                c.line(f"    band_of_{outputs}(scratch + next % {pool.kernel} * {row}, x, "
                       f"weight + strip * {channels * conv.kernel_size}, bias + strip * {channels}, next);")  # fmt: skip
                target = f"output + band * {pool.outputs(conv.columns) * conv.outputs} + strip * {channels}"
                c.line(f"pool_of_{outputs}({target}, scratch, band);")


def nearest(place: str, size: int) -> str:
    """C for the row or column that is nearest to `place` among `size` of them."""
    return f"{place} < 0 ? 0 : {place} < {size} ? {place} : {size - 1}"
