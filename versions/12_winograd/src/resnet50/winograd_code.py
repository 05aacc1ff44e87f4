"""Writes the C for a convolution in one of Winograd's forms, see winograd.py."""

from itertools import product as pairs

import numpy as np

from .codegen import AHEAD, POINTERS, preface, taps_loop
from .emitter import Emitter
from .instruction_sets import InstructionSet
from .memory import LINE
from .packing import packed_size
from .phrases import offset
from .prefetch import FLOAT
from .rounding import ceil_div, round_up
from .tiles import Convolution, spans, strip_channels
from .winograd import Form, Products, Transform, scratch_size

ARGUMENTS = (*POINTERS, "float *restrict scratch", "ptrdiff_t first", "ptrdiff_t end")


def transform_source(step: Transform, isa: InstructionSet) -> str:
    """The C of the first step; a part is a row of tiles."""
    c = Emitter()
    conv, form = step.conv, step.form
    (points, tiles, pitch), channels = step.shape, conv.channels
    across, down = ceil_div(conv.columns, form.pixels), ceil_div(conv.rows, form.pixels)
    c.comment(
        f"The first step of Winograd's {form.name}: {tiles} patches of {form.side} x {form.side} pixels",
        f"of a picture of {conv.height} x {conv.width} x {channels}, at {points} points each. The output is",
        f"(points, tiles, channels){', with a cache line between the tiles' * (pitch > channels)}.",
    )
    preface(c, isa, (conv.height * conv.width * channels, points * tiles * pitch, 0, 0, 0, down))
    constants(c, form)
    c.line(f"static const float outside[{channels}]; /* a pixel beyond the edge: zeros */")
    c.line()
    c.comment("A part is a row of tiles.")
    with c.function("EXPORTED void conv2d", *ARGUMENTS):
        c.line("(void)weight, (void)bias, (void)scratch;")
        with c.block(f"for (ptrdiff_t tile = first * {across}; tile < end * {across}; tile++)"):
            patch(c, conv, form, across)
            c.line(f"float *values = output + tile * {pitch};")
            full, rest = divmod(channels, isa.lanes)
            if full:
                with c.block(f"for (ptrdiff_t k = 0; k < {full * isa.lanes}; k += {isa.lanes})"):
                    patch_transform(c, step, isa, isa.lanes)
            if rest:
                c.line(f"const ptrdiff_t k = {full * isa.lanes};")
                patch_transform(c, step, isa, rest)
    return c.text()


def constants(c: Emitter, form: Form) -> None:
    """The constants of a form, if it has some."""
    if form.constants:
        c.line(form.constants)
        c.line()


def patch(c: Emitter, conv: Convolution, form: Form, across: int) -> None:
    """Where each pixel of the patch lies, so that the loop over the channels need not look for the edges."""
    side, apart = form.side, form.stride * form.pixels
    c.line(f"const ptrdiff_t top = tile / {across} * {apart} - 1, left = tile % {across} * {apart} - 1;")
    c.line(f"const float *pixel[{side}][{side}];")
    with c.block(f"for (ptrdiff_t i = 0; i < {side}; i++)"):
        c.line(f"const int row = top + i >= 0 && top + i < {conv.height};")
        with c.block(f"for (ptrdiff_t j = 0; j < {side}; j++)"):
            c.line(f"const int inside = row && left + j >= 0 && left + j < {conv.width};")
            place = f"x + ((top + i) * {conv.width} + left + j) * {conv.channels}"
            c.line(f"pixel[i][j] = inside ? {place} : outside;")


def patch_transform(c: Emitter, step: Transform, isa: InstructionSet, lanes: int) -> None:
    """V = B^T d B for the first `lanes` channels from k on: column by column, then row by row."""
    form = step.form
    side, (_, tiles, pitch) = range(form.side), step.shape
    load = isa.load if lanes == isa.lanes else isa.load_first
    store = isa.store if lanes == isa.lanes else isa.store_first
    first = isa.first(lanes)
    for j in side:
        c.line(f"{isa.vector} {', '.join(f'c{i}_{j}' for i in side)};")
        with c.scope():
            for i in side:
                c.line(f"const {isa.vector} d{i} = {load.format(f'pixel[{i}][{j}] + k', **first)};")
            apply(c, isa, form.input)
            c.line(" ".join(f"c{i}_{j} = v{i};" for i in side))
    for i in side:
        with c.scope():
            c.line(f"const {isa.vector} {', '.join(f'd{j} = c{i}_{j}' for j in side)};")
            apply(c, isa, form.input)
            for j in side:
                place = (i * form.side + j) * tiles * pitch
                c.line(store.format(f"values{offset(place)} + k", f"v{j}", **first))


def apply(c: Emitter, isa: InstructionSet, sums: tuple[str, ...]) -> None:
    """One direction of a transform. gcc and clang have the operators + - * for vectors, too."""
    for line in sums:
        c.line(f"const {isa.vector} {line};")


def products_source(step: Products, isa: InstructionSet) -> str:
    """The C of the second step; a part is a block of tiles in a strip of output channels."""
    c = Emitter()
    conv, form, strip = step.conv, step.form, strip_channels(isa)
    points = form.side**2
    c.comment(
        f"The second step of Winograd's {form.name} for {conv.height} x {conv.width} x {conv.channels} to "
        f"{conv.outputs} channels:",
        f"{step.tiles} tiles from their sums at {points} points. x is (points, tiles, channels), weight is, for each",
        f"{strip} output channels, ({form.numbers}, channels, {strip}); the last have as many registers as they need.",
    )
    weights, biases = packed_size(conv.outputs, form.numbers * conv.channels, isa), round_up(conv.outputs, isa.lanes)
    parts = ceil_div(conv.outputs, strip) * step.blocks
    x = points * step.tiles * conv.channels
    preface(c, isa, (x, conv.output_size, weights, biases, scratch_size(step, isa), parts))
    constants(c, form)
    for outputs in strip_widths(conv, isa):
        product_functions(c, step, isa, outputs)
        for size in block_sizes(step):
            block_function(c, step, isa, outputs, size)
    c.comment("A part is a block of tiles in a strip of output channels.")
    with c.function("EXPORTED void conv2d", *ARGUMENTS):
        block_calls(c, step, isa)
    return c.text()


def strip_widths(conv: Convolution, isa: InstructionSet) -> list[int]:
    """How many output channels a strip has: full ones, and the last one if it is not full."""
    full, rest = divmod(conv.outputs, strip_channels(isa))
    return [strip_channels(isa)] * bool(full) + [rest] * bool(rest)


def block_sizes(step: Products) -> list[int]:
    """How many tiles a block has: one number, or two that differ by one, the larger one first."""
    return list(dict.fromkeys([step.largest, step.tiles // step.blocks]))


def block_calls(c: Emitter, step: Products, isa: InstructionSet) -> None:
    """A loop over parts, in the order in which neighbours share the larger of x and the weights."""
    conv, strip = step.conv, strip_channels(isa)
    strips, widths, sizes = ceil_div(conv.outputs, strip), strip_widths(conv, isa), block_sizes(step)
    narrow, wider = divmod(step.tiles, step.blocks)
    with c.block("for (ptrdiff_t part = first; part < end; part++)"):
        if weights_inner(step):
            c.line(f"const ptrdiff_t block = part / {strips}, strip = part % {strips}; /* x is larger */")
        else:
            c.line(f"const ptrdiff_t strip = part / {step.blocks}, block = part % {step.blocks}; /* x is smaller */")
        begin = f"block * {narrow}" + f" + (block < {wider} ? block : {wider})" * bool(wider)
        c.line(f"const ptrdiff_t begin = {begin};")
        weight = f"weight + strip * {strip * conv.channels * step.form.numbers}"
        call = f"(output + strip * {strip}, x, {weight}, bias + strip * {strip}, scratch, begin);"
        for outputs, size in pairs(widths, sizes):
            tests = [f"strip {'<' if outputs == strip else '=='} {conv.outputs // strip}"] * (len(widths) > 1)
            tests += [f"block {'<' if size > narrow else '>='} {wider}"] * (len(sizes) > 1)
            with c.block(f"if ({' && '.join(tests)})") if tests else c.scope():
                c.line(f"block_{size}_of_{outputs}{call}")


def matrix_product(step: Products, size: int, outputs: int) -> Convolution:
    """The product of matrices for a point, (size, channels) by (channels, outputs), as a pointwise convolution."""
    return Convolution(1, size, step.conv.channels, outputs, 1, 1, 1, 0)


def calls(step: Products, isa: InstructionSet, size: int, outputs: int) -> list[tuple[int, int]]:
    """How a block of `size` tiles is cut for the registers: for each piece, how many tiles, and the first one."""
    row = spans(matrix_product(step, size, outputs), isa)
    return [(span.tile.pixels, column) for span in row for column in range(span.column, span.end, span.tile.pixels)]


def asks(step: Products, isa: InstructionSet, outputs: int) -> int:
    """How many bytes each iteration prefetches, so that the pieces of a block ask for the next point's weights.

    0 if all weights are read for each block: then they are in a cache.
    """
    if weights_inner(step):
        return 0
    width = round_up(outputs, isa.lanes)
    return FLOAT * min(ceil_div(width, len(calls(step, isa, step.largest, outputs))), LINE)


def weights_inner(step: Products) -> bool:
    """Whether a block of tiles takes all its strips one after the other, because x is larger than the weights."""
    return step.tiles > step.conv.outputs


def product_functions(c: Emitter, step: Products, isa: InstructionSet, outputs: int) -> None:
    """A function for each number of tiles whose sums are in registers at a time."""
    registers = range(ceil_div(outputs, isa.lanes))
    width = len(registers) * isa.lanes
    found = {count for size in block_sizes(step) for count, _ in calls(step, isa, size, outputs)}
    asked = asks(step, isa, outputs)
    for count in sorted(found, reverse=True):
        product = matrix_product(step, count, outputs)
        c.comment(f"The sums of {count} tiles by {outputs} output channels at a point.")
        with c.function(f"static void sums_{count}x{outputs}", *POINTERS[:2], "ptrdiff_t corner", POINTERS[2],
                        *AHEAD * bool(asked)):  # fmt: skip
            for p in range(count):
                c.line(f"{isa.vector} {', '.join(f'sum{p}_{r} = {{0}}' for r in registers)};")
            taps_loop(c, product, isa, registers, spans(product, isa)[0].tile.taps[0], asked)
            for p in range(count):
                for r in registers:
                    c.line(isa.store.format(f"output{offset(p * width + r * isa.lanes)}", f"sum{p}_{r}"))
        c.line()


def block_function(c: Emitter, step: Products, isa: InstructionSet, outputs: int, size: int) -> None:
    """The function for a block of `size` tiles: their sums at all points, then the pixels."""
    conv, form = step.conv, step.form
    points, kernel = form.side**2, "point"
    registers = range(ceil_div(outputs, isa.lanes))
    width = len(registers) * isa.lanes
    asked = asks(step, isa, outputs)
    c.comment(f"{size} tiles from `begin` on, by {outputs} output channels.")
    with c.function(f"static void block_{size}_of_{outputs}", *ARGUMENTS[:-2], "ptrdiff_t begin"):
        if form.numbers < points:
            c.comment("The row of G of each point of a direction: some share one.")
            c.line(f"static const ptrdiff_t row[] = {{{', '.join(map(str, form.rows))}}};")
            kernel = f"(row[point / {form.side}] * {len(form.G)} + row[point % {form.side}])"
        with c.block(f"for (ptrdiff_t point = 0; point < {points}; point++)"):
            c.line(f"const float *values = x + (point * {step.tiles} + begin) * {conv.channels};")
            c.line(f"const float *factors = weight + {kernel} * {conv.channels * width};")
            c.line(f"float *sums = scratch + point * {size * width};")
            for number, (count, column) in enumerate(calls(step, isa, size, outputs)):
                ahead = f", (intptr_t)factors + {conv.channels * (width * FLOAT + number * asked)}" * bool(asked)
                c.line(
                    f"sums_{count}x{outputs}(sums{offset(column * width)}, values, {column * conv.channels}, "
                    f"factors{ahead});"
                )
        with c.block(f"for (ptrdiff_t i = 0; i < {size}; i++)"):
            across = ceil_div(conv.columns, form.pixels)
            c.line("const ptrdiff_t tile = begin + i;")
            c.line(f"const ptrdiff_t top = tile / {across} * {form.pixels}, left = tile % {across} * {form.pixels};")
            for r in registers:
                with c.scope():
                    c.line(f"const float *sums = scratch + i * {width}{offset(r * isa.lanes)};")
                    tile_pixels(c, step, isa, size * width, r, outputs - r * isa.lanes)
    c.line()


def tile_pixels(c: Emitter, step: Products, isa: InstructionSet, distance: int, r: int, lanes: int) -> None:
    """y = A^T M A for a register of channels, and the epilogue; pixels beyond the edge are left out.

    `distance`: from the sums at one point to those at the next one.
    """
    conv, form = step.conv, step.form
    divided = np.outer(1 / form.distances, 1 / form.distances).astype(np.float32)  # what U was not
    side, pixels = range(form.side), range(form.pixels)
    for j in side:
        c.line(f"{isa.vector} {', '.join(f'c{i}_{j}' for i in pixels)};")
        with c.scope():
            for i in side:
                place = offset((i * form.side + j) * distance)
                factor = f" * {divided[i, j]}f" if step.in_registers else ""
                c.line(f"const {isa.vector} m{i} = {isa.load.format(f'sums{place}')}{factor};")
            apply(c, isa, form.output)
            c.line(" ".join(f"c{i}_{j} = y{i};" for i in pixels))
    c.line(f"const {isa.vector} shift = {isa.load.format(f'bias{offset(r * isa.lanes)}')};")
    store = isa.store if lanes >= isa.lanes else isa.store_first
    for i in pixels:
        with c.block(f"if (top + {i} < {conv.rows})") if i and conv.rows % form.pixels else c.scope():
            pixel = f"((top + {i}) * {conv.columns} + left)"
            c.line(f"float *row = output + {pixel} * {conv.outputs}{offset(r * isa.lanes)};")
            c.line(f"const {isa.vector} {', '.join(f'm{j} = c{i}_{j}' for j in side)};")
            apply(c, isa, form.output)
            for j in pixels:
                c.line(f"const {isa.vector} pixel{j} = {isa.add.format(f'y{j}', 'shift')};")
                # ReLU alone would make 0 of minus infinity, which is a sum that was too large on the way.
                value = f"{isa.relu.format(f'pixel{j}')} + 0.0f * pixel{j}" if conv.relu else f"pixel{j}"
                text = store.format(f"row{offset(j * conv.outputs)}", value, **isa.first(lanes))
                if j and conv.columns % form.pixels:
                    c.line(f"if (left + {j} < {conv.columns})")
                    with c.indented():
                        c.line(text)
                else:
                    c.line(text)
