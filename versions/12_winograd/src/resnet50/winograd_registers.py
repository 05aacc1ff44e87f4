"""Writes the C for the second step of a form of Winograd's where U is made in registers, see winograd.py.

U is never in memory: for each channel, a row of G g G^T is computed and multiplied at once with V of all tiles. So a
kernel's 9 numbers are read again for each row, but from the first-level cache: all rows of some channels come before
the next channels.
"""

from math import prod

from .codegen import POINTERS, preface
from .emitter import Emitter
from .instruction_sets import InstructionSet
from .memory import CACHE_LINE
from .packing import packed_size
from .phrases import offset
from .prefetch import FLOAT
from .rounding import ceil_div, round_up
from .winograd import Products, Transform, scratch_size, value
from .winograd_code import ARGUMENTS, apply, constants, tile_pixels

# Inlined one after the other, gcc would read constants from the stack in each iteration: 4 % longer.
APART = "__attribute__((noinline))"
CHANNELS = 32  # between two looks at the next row: their kernels, for a register of outputs, and their V take 37 KB


def source(step: Products, isa: InstructionSet) -> str:
    """The C; a part is a register of output channels."""
    c = Emitter()
    conv, form = step.conv, step.form
    points = form.side**2
    c.comment(
        f"The second step of Winograd's {form.name} for {conv.height} x {conv.width} x {conv.channels} to "
        f"{conv.outputs} channels:",
        f"{step.tiles} tiles from their sums at {points} points. x is (points, tiles, channels), with a cache",
        f"line between the tiles. weight is (channels, 3, 3, {isa.lanes}) for each {isa.lanes} output channels; the",
        "values of a kernel's polynomial are computed when they are needed, and the sums are divided in their place.",
    )
    x, parts = prod(values(step).shape), ceil_div(conv.outputs, isa.lanes)
    weights, biases = packed_size(conv.outputs, conv.kernel_size, isa), round_up(conv.outputs, isa.lanes)
    preface(c, isa, (x, conv.output_size, weights, biases, scratch_size(step, isa), parts))
    constants(c, form)
    for i in range(form.side):
        row_function(c, step, isa, i)
    for lanes in widths(step, isa):
        tile_function(c, step, isa, lanes)
    c.comment(f"A part is {isa.lanes} output channels.")
    with c.function("EXPORTED void conv2d", *ARGUMENTS), c.block("for (ptrdiff_t part = first; part < end; part++)"):
        part(c, step, isa)
    return c.text()


def values(step: Products) -> Transform:
    """The step that makes V."""
    return Transform(step.conv, step.form, in_registers=True)


def row_function(c: Emitter, step: Products, isa: InstructionSet, i: int) -> None:
    """The function that adds the products of some channels to the sums at the points of row `i`."""
    form, tiles, kernel = step.form, range(step.tiles), 9 * isa.lanes
    pitch = values(step).shape[2]
    points = [(j, t, (i * form.side + j) * step.tiles + t) for j in range(form.side) for t in tiles]
    c.comment(f"{len(tiles)} tiles at the points of row {i}, for some channels.")
    with c.function(f"static {APART} void row_{i}", "float *restrict sums", *POINTERS[1:3], "ptrdiff_t channels"):
        for j, t, place in points:
            c.line(f"{isa.vector} sum{j}_{t} = {isa.load.format(f'sums{offset(place * isa.lanes)}')};")
        with c.block(f"for (ptrdiff_t k = 0; k < channels; k++, weight += {kernel})"):
            # All rows together ask for the kernels of the next channels, a cache line at a time.
            for line in range(i, ceil_div(kernel * FLOAT, CACHE_LINE), form.side):
                c.line(isa.prefetch.format(f"(intptr_t)weight + {CHANNELS * kernel * FLOAT + line * CACHE_LINE}"))
            kernel_row(c, step, isa, i)
            c.line(f"{isa.vector} number;")
            for sums in form.kernel:
                apply(c, isa, (sums,))
                for j, t, place in (point for point in points if f"u{point[0]} = " in sums):
                    c.line(f"number = {isa.broadcast.format(f'x[k{offset(place * pitch)}]')};")
                    c.line(f"sum{j}_{t} = {isa.multiply_add.format('number', f'u{j}', f'sum{j}_{t}')};")
        for j, t, place in points:
            c.line(isa.store.format(f"sums{offset(place * isa.lanes)}", f"sum{j}_{t}"))
    c.line()


def kernel_row(c: Emitter, step: Products, isa: InstructionSet, i: int) -> None:
    """Row `i` of G times g: the values of the three columns, as g0 to g2 for the other direction."""
    for column in range(3):
        c.line(f"{isa.vector} t{column};")
        with c.scope():
            for row in range(3):
                load = isa.load.format(f"weight{offset((3 * row + column) * isa.lanes)}")
                c.line(f"const {isa.vector} g{row} = {load};")
            apply(c, isa, (value(step.form, i),))
            c.line(f"t{column} = u{i};")
    c.line(f"const {isa.vector} g0 = t0, g1 = t1, g2 = t2;")


def tile_function(c: Emitter, step: Products, isa: InstructionSet, lanes: int) -> None:
    """The function from a tile's sums to its pixels, for a register of which the first `lanes` are output channels."""
    pixels = step.form.pixels
    across = ceil_div(step.conv.width, pixels)
    c.comment(f"The pixels of a tile, {lanes} output channels.")
    with c.function(f"static void tile_of_{lanes}", POINTERS[0], "const float *restrict sums", POINTERS[3],
                    "ptrdiff_t tile"):  # fmt: skip
        c.line(f"const ptrdiff_t top = tile / {across} * {pixels}, left = tile % {across} * {pixels};")
        tile_pixels(c, step, isa, step.tiles * isa.lanes, 0, lanes)
    c.line()


def part(c: Emitter, step: Products, isa: InstructionSet) -> None:
    """The C for a register of output channels: its sums at all points, then the pixels."""
    conv, kernel = step.conv, 9 * isa.lanes
    c.line(f"const float *kernels = weight + part * {conv.channels * kernel};")
    with c.block(f"for (ptrdiff_t i = 0; i < {scratch_size(step, isa)}; i++)"):
        c.line("scratch[i] = 0.0f;")
    with c.block(f"for (ptrdiff_t channel = 0; channel < {conv.channels}; channel += {CHANNELS})"):
        left = f"{conv.channels} - channel"
        c.line(f"const ptrdiff_t channels = {left} < {CHANNELS} ? {left} : {CHANNELS};")
        for i in range(step.form.side):
            c.line(f"row_{i}(scratch, x + channel, kernels + channel * {kernel}, channels);")
    with c.block(f"for (ptrdiff_t tile = 0; tile < {step.tiles}; tile++)"):
        full = conv.outputs // isa.lanes
        arguments = f"(output + part * {isa.lanes}, scratch + tile * {isa.lanes}, bias + part * {isa.lanes}, tile);"
        for lanes in widths(step, isa):
            test = f"if (part {'<' if lanes == isa.lanes else '=='} {full})"
            with c.block(test) if len(widths(step, isa)) > 1 else c.scope():
                c.line(f"tile_of_{lanes}{arguments}")


def widths(step: Products, isa: InstructionSet) -> list[int]:
    """How many output channels a register has: full ones, and the last one if it is not full."""
    full, rest = divmod(step.conv.outputs, isa.lanes)
    return [isa.lanes] * bool(full) + [rest] * bool(rest)
