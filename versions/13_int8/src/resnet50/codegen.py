"""Writes the C for one convolution: its sizes, strides and loop bounds are constants, and every sum has a register.

It contains neither weights nor addresses, so all layers of the same shape share it. tiles.py explains the words.
"""

from collections import Counter

from .emitter import Emitter
from .epilogue import finish_calls, finish_functions
from .instruction_sets import InstructionSet
from .packing import constants_size, packed_size
from .phrases import numbered, offset, plural, product
from .pooling import pool_function, pooled_calls
from .prefetch import ahead, announcement, prefetches, step
from .rounding import ceil_div
from .tiles import QUAD, Convolution, Span, Taps, Tile, bands, most_pixels, ring_size, spans, strip_channels

POINTERS = ("uint8_t *restrict output", "const int32_t *restrict x", "const int32_t *restrict weight",
            "const int32_t *restrict constants")  # fmt: skip
AHEAD = ["intptr_t ahead"]  # the argument for the address at which a tile begins to prefetch


def source(conv: Convolution, isa: InstructionSet) -> str:
    """The C, for readers as well as the compiler. It exports `sizes` and `conv2d`, for the layouts of operators.h."""
    c = Emitter()
    full, rest = divmod(conv.outputs, strip_channels(isa))
    heading(c, conv, isa)
    preface(c, conv, isa)
    finish_functions(c, conv, isa)
    if full:
        band_functions(c, conv, isa, strip_channels(isa))
    if rest:
        band_functions(c, conv, isa, rest)
    c.comment("The parts from `first` to `end`: a part is a strip of a band.")
    with c.function("EXPORTED void conv2d", *POINTERS, "uint8_t *restrict scratch", "ptrdiff_t first", "ptrdiff_t end"):
        if conv.pool:
            pooled_calls(c, conv, conv.pool, isa)
        else:
            c.line("(void)scratch;")
            band_calls(c, conv, isa)
    return c.text()


def heading(c: Emitter, conv: Convolution, isa: InstructionSet) -> None:
    """A comment that says what is computed, and why in these tiles."""
    row = spans(conv, isa)
    largest = row[0].tile.pixels
    strip = strip_channels(isa)
    outputs = min(conv.outputs, strip)
    wide = ceil_div(outputs, isa.lanes)
    sums = largest * wide
    widths: Counter[int] = Counter()
    for span in row:
        widths[span.tile.pixels] += span.tiles
    tiles = " + ".join(f"{count} x {pixels}" for pixels, count in sorted(widths.items(), reverse=True))
    out = (conv.height, conv.width) if conv.pointwise else (conv.rows, conv.columns)
    c.comment(
        f"A {conv.kernel_height}x{conv.kernel_width} convolution of {conv.height} x {conv.width} x {conv.channels} to "
        f"{out[0]} x {out[1]} x {conv.outputs}, stride {conv.stride}, padding {conv.padding}.",
        "",
        f"The largest tile: {plural(largest, 'pixel')} by {plural(outputs, 'output channel')}, "
        f"{plural(wide, 'register')} of {isa.lanes} ({isa.name}). Its {plural(sums, 'sum')},",
        f"the weights and a pixel's number take {sums + len(isa.terms) * (wide + 1) + isa.temporaries} of "
        f"{isa.registers} registers; {largest} + {wide} loads serve "
        f"{plural(sums * QUAD, 'multiply-add')} in each lane.",
        f"{'All pixels are taken as one row,' if conv.pointwise else 'A row has'} {conv.columns}: "
        f"{tiles}, at most {most_pixels(conv, isa)} at a time.",
        "",
        "x and output are (height, width, channels), bytes; a number of x is a quad: four channels. weight: for each",
        f"{strip} output channels, ({conv.kernel_height}, {conv.kernel_width}, {conv.quads}, {strip}, 4) signed bytes; "
        f"for the last ones that are left, as many registers as they need.",
        f"{epilogue(conv)}.",
        *[f"{announcement(conv, isa)}."] * prefetches(conv),
    )


def epilogue(conv: Convolution) -> str:
    """What happens to the sums, for a reader."""
    steps = ["A sum begins with its channel's bias", f"times a multiplier it is a {'logit' if conv.logits else 'byte'}"]
    if conv.residual:
        steps.append("what stands in the output is added")
    if conv.relu:
        steps.append("what is negative becomes 0")
    if conv.pool:
        steps.append(f"the largest in {conv.pool.kernel} x {conv.pool.kernel} is the output")
    return "; ".join(steps)


def preface(c: Emitter, conv: Convolution, isa: InstructionSet) -> None:
    """The header files, and the sizes that ops.load reads."""
    numbers = (
        conv.height * conv.width * conv.quads,
        conv.output_size,
        packed_size(conv.outputs, conv.kernel_size, isa),
        constants_size(conv.outputs, isa),
        ring_size(conv, isa),
        ceil_div(conv.outputs, strip_channels(isa)) * bands(conv, isa),
    )
    c.line(f"#include <{isa.header}>")
    c.line("#include <stddef.h>")
    c.line("#include <stdint.h>")
    c.line()
    c.line('#define EXPORTED __attribute__((visibility("default")))')
    c.line("#define INLINE static inline __attribute__((always_inline))")
    c.line("#define TILE static __attribute__((noinline)) void")
    c.line()
    c.comment("How many numbers of four bytes x, output, weight, constants and scratch have; how many parts.")
    c.line(f"EXPORTED const ptrdiff_t sizes[] = {{{', '.join(map(str, numbers))}}};")
    c.line()
    if isa.helper:
        for line in isa.helper:
            c.line(line)
        c.line()


def band_functions(c: Emitter, conv: Convolution, isa: InstructionSet, outputs: int) -> None:
    """A function for each tile that differs, and one that calls them for a band of a strip of `outputs` channels."""
    row = spans(conv, isa)
    names: dict[Tile, str] = {}
    for span in row:
        if span.tile not in names:
            names[span.tile] = f"tile_{span.tile.pixels}x{outputs}_{len(names)}"
            tile_function(c, conv, isa, outputs, span.tile, names[span.tile])
    c.comment(f"{outputs} output channels of {'a tile' if conv.pointwise else 'a row, which begins at output'}.")
    with c.function(f"static void band_of_{outputs}", *POINTERS, "ptrdiff_t band", *AHEAD * prefetches(conv)):
        if conv.pointwise:
            pointwise_call(c, conv, row, names)
        else:
            top = f"{product('band', conv.stride)}{offset(-conv.padding)}"
            c.line(f"const ptrdiff_t top = {top}; /* of the windows, maybe above x */")
            c.line("const ptrdiff_t first = top < 0 ? -top : 0;")
            below = f"{conv.height} - top"
            c.line(f"const ptrdiff_t end = {below} < {conv.kernel_height} ? {below} : {conv.kernel_height};")
            for span in row:
                span_calls(c, conv, span, names[span.tile], pitch(conv, isa))
    c.line()
    if conv.pool:
        pool_function(c, conv, conv.pool, isa, outputs)


def pitch(conv: Convolution, isa: InstructionSet) -> int:
    """From one pixel's bytes to the next one's where a strip writes them: the ring of a pooling has only the strip."""
    return strip_channels(isa) if conv.pool else conv.pitch


def tile_function(c: Emitter, conv: Convolution, isa: InstructionSet, outputs: int, tile: Tile, name: str) -> None:
    """The function for one tile: its sums over kernel rows, kernel columns and channels."""
    registers = range(ceil_div(outputs, isa.lanes))
    about = [f"{tile.pixels} pixels by {outputs} output channels; the first pixel's window begins at x + corner."]
    arguments = [*POINTERS[:2], "ptrdiff_t corner", *POINTERS[2:]]
    if not conv.pointwise:
        about.append("Of the window, the rows from `first` to `end` lie in x.")
        arguments += ["ptrdiff_t first", "ptrdiff_t end"]
    arguments += AHEAD * prefetches(conv)
    about.append("Not inlined: gcc would take the constants out of the loop over tiles, into registers that sums need.")
    c.comment(*about)
    with c.function(f"TILE {name}", *arguments):
        for r in registers:
            c.line(f"const {isa.vector} bias{r} = {isa.load.format(f'constants{offset(r * isa.lanes)}')};")
        for p in range(tile.pixels):
            c.line(f"{isa.vector} {', '.join(f'sum{p}_{r} = bias{r}' for r in registers)};")
        if conv.pointwise:
            kernel_row(c, conv, isa, registers, tile)
        else:
            with c.block("for (ptrdiff_t i = first; i < end; i++)"):
                kernel_row(c, conv, isa, registers, tile)
        finish_calls(c, conv, isa, outputs, tile.pixels, pitch(conv, isa))
    c.line()


def kernel_row(c: Emitter, conv: Convolution, isa: InstructionSet, registers: range, tile: Tile) -> None:
    """A loop for all taps that the same pixels read; if there are several, each is in a scope, with a comment."""
    for taps in tile.taps:
        if len(tile.taps) == 1 and taps.last - taps.first == tile.pixels:
            taps_loop(c, conv, isa, registers, taps)
            continue
        columns = numbered("Kernel column", taps.column, taps.end)
        pixels = "all pixels" if taps.last - taps.first == tile.pixels else numbered("pixel", taps.first, taps.last)
        c.comment(f"{columns}, in x for {pixels}.")
        with c.scope():
            taps_loop(c, conv, isa, registers, taps)


def taps_loop(c: Emitter, conv: Convolution, isa: InstructionSet, registers: range, taps: Taps) -> None:
    """The innermost loop, over the quads of neighbouring kernel columns, which are contiguous in x."""
    width, asked = len(registers) * isa.lanes, step(conv, isa)
    pixel = conv.stride * conv.quads  # from one pixel's number to the next one's
    values = offset(taps.column * conv.quads + taps.first * pixel)
    factors = offset(taps.column * conv.quads * width)
    if not conv.pointwise:
        values = f" + i * {conv.width * conv.quads}{values}"
        factors = f" + i * {conv.kernel_width * conv.quads * width}{factors}"
    start = f"(corner{values})" if values else "corner"
    c.line(f"const int32_t *values = x + {start}, *factors = weight{factors};")
    if prefetches(conv):
        row = "" if conv.pointwise else f" + i * {conv.kernel_width * conv.quads * asked}"
        c.line(f"const intptr_t next = ahead{row}{offset(taps.column * conv.quads * asked)};")
    with c.block(f"for (ptrdiff_t k = 0; k < {(taps.end - taps.column) * conv.quads}; k++, factors += {width})"):
        if prefetches(conv):
            c.line(isa.prefetch.format(f"next + k * {asked}"))
        for r in registers:
            c.line(f"const {isa.vector} factor{r} = {isa.load.format(f'factors{offset(r * isa.lanes)}')};")
            for name, _, factor in isa.terms:
                if name != "factor":
                    c.line(f"const {isa.vector} {name}{r} = {factor.format(f'factor{r}')};")
        c.line(f"{isa.vector} value;")
        for p in range(taps.first, taps.last):
            c.line(f"value = {isa.broadcast.format(f'values[k{offset((p - taps.first) * pixel)}]')};")
            for name, term, _ in isa.terms:
                for r in registers:
                    products = isa.multiply_add.format(term.format("value"), f"{name}{r}", f"sum{p}_{r}")
                    c.line(f"sum{p}_{r} = {products};")


def span_calls(c: Emitter, conv: Convolution, span: Span, name: str, step: int) -> None:
    """Calls a tile's function for all tiles of a span, in the row `band`; `step`: from one output pixel to the next."""
    if span.tiles == 1:
        output, left = offset(span.column * step), offset(span.column * conv.stride - conv.padding)
    else:
        output = f" + {product('column', step)}"
        left = f" + {product('column', conv.stride)}{offset(-conv.padding)}"
    corner, last = f"(top * {conv.width}{left}) * {conv.quads}", ", ahead" * prefetches(conv)
    call = f"{name}(output{output}, x, {corner}, weight, constants, first, end{last});"
    if span.tiles == 1:
        c.line(call)
        return
    c.line(f"for (ptrdiff_t column = {span.column}; column < {span.end}; column += {span.tile.pixels})")
    with c.indented():
        c.line(call)


def pointwise_call(c: Emitter, conv: Convolution, row: list[Span], names: dict[Tile, str]) -> None:
    """Calls the function of the tile `band` of a pointwise convolution; the first tiles may be a pixel wider."""
    done = 0
    for span in row:
        column = product(f"(band - {done})" if done else "band", span.tile.pixels) + offset(span.column)
        arguments = f"output + column * {conv.pitch}, x, column * {conv.quads}, weight, constants"
        call = f"{names[span.tile]}({arguments}{', ahead' * prefetches(conv)});"
        done += span.tiles
        if span is row[-1]:
            c.line(f"const ptrdiff_t column = {column};")
            c.line(call)
        else:
            with c.block(f"if (band < {done})"):
                c.line(f"const ptrdiff_t column = {column};")
                c.line(call)
                c.line("return;")


def band_calls(c: Emitter, conv: Convolution, isa: InstructionSet) -> None:
    """A loop over parts, in the order in which neighbours share the larger of x and the weights.

    So a thread that computes some of the parts reads only its share of the larger one, and all of the other.
    """
    channels = strip_channels(isa)
    full, rest = divmod(conv.outputs, channels)
    size = channels * conv.kernel_size
    strips, rows = ceil_div(conv.outputs, channels), bands(conv, isa)
    with c.block("for (ptrdiff_t part = first; part < end; part++)"):
        if conv.bands_outer:
            outer, inner, count, why = "band", "strip", strips, "x is larger than the weights"
        else:
            outer, inner, count, why = "strip", "band", rows, "the weights are larger than x"
        c.line(f"const ptrdiff_t {outer} = part / {count}, {inner} = part % {count}; /* {why} */")
        if prefetches(conv):
            c.line(f"const intptr_t ahead = {ahead(conv, isa)};")
        row = "" if conv.pointwise else f" + band * {conv.columns * conv.pitch}"
        constants = f"constants + strip * {constants_size(channels, isa)}"
        target = f"output{row} + strip * {channels * (QUAD if conv.logits else 1)}"
        arguments = f"{target}, x, weight + strip * {size}, {constants}, band"
        call = f"({arguments}{', ahead' * prefetches(conv)});"
        if full and rest:
            c.line(f"if (strip < {full})")
            c.line(f"    band_of_{channels}{call}")
            c.line("else")
            c.line(f"    band_of_{rest}{call}")
        else:
            c.line(f"band_of_{channels if full else rest}{call}")
