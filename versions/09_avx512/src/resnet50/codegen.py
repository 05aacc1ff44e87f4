"""Writes the C for one convolution: sizes, strides and loop bounds are numbers in it, and every sum has a register.

Neither weights nor addresses are in it, so that all layers of the same shape share it.
"""

from collections import Counter
from dataclasses import astuple

from .emitter import Emitter
from .instruction_sets import InstructionSet
from .tiles import Convolution, Kind, Run, Span, bands, most_pixels, packed_size, spans, strip

POINTERS = ("float *restrict output", "const float *restrict x", "const float *restrict weight")


def source(conv: Convolution, isa: InstructionSet) -> str:
    """The C, to be read as well as compiled: exports `sizes` and the function `conv2d`, for operators.h's layouts."""
    c = Emitter()
    full, rest = divmod(conv.outputs, strip(isa))
    heading(c, conv, isa)
    preface(c, conv, isa)
    for width in [strip(isa)] * (full > 0) + [rest] * (rest > 0):
        band_functions(c, conv, isa, width)
    c.comment("The parts from `first` to `end`: a part is a strip of a band.")
    with c.function("EXPORTED void conv2d", *POINTERS, "ptrdiff_t first", "ptrdiff_t end"):
        some_parts(c, conv, isa)
    return c.text()


def heading(c: Emitter, conv: Convolution, isa: InstructionSet) -> None:
    """What is computed, and why in these tiles."""
    row = spans(conv, isa)
    largest = row[0].kind.pixels
    outputs = min(conv.outputs, strip(isa))
    wide = -(-outputs // isa.lanes)
    sums = largest * wide
    widths = Counter({pixels: 0 for pixels in sorted({span.kind.pixels for span in row}, reverse=True)})
    for span in row:
        widths[span.kind.pixels] += (span.end - span.column) // span.kind.pixels
    parts = " + ".join(f"{count} x {pixels}" for pixels, count in widths.items())
    out = (conv.height, conv.width) if conv.pointwise else (conv.rows, conv.columns)
    c.comment(
        f"A {conv.kernel_height}x{conv.kernel_width} convolution of {conv.height} x {conv.width} x {conv.channels} to "
        f"{out[0]} x {out[1]} x {conv.outputs}, stride {conv.stride}, padding {conv.padding}.",
        "",
        f"The largest tile: {some(largest, 'pixel')} by {some(outputs, 'output channel')}, {some(wide, 'register')} of "
        f"{isa.lanes} ({isa.name}). Its {some(sums, 'sum')},",
        f"{some(wide, 'register')} of weights and a pixel's number take {sums + wide + 1} of {isa.registers} "
        f"registers; {largest} + {wide} loads serve {some(sums, 'multiply-add')}.",
        f"{'All pixels are taken as one row,' if conv.pointwise else 'A row has'} {conv.columns}: "
        f"{parts}, at most {most_pixels(isa)} at a time.",
        "",
        f"x and output are (height, width, channels). weight is, for each {strip(isa)} output channels,",
        f"({conv.kernel_height}, {conv.kernel_width}, {conv.channels}, {strip(isa)}); for the last ones that are left, "
        f"as many registers as they need.",
    )


def preface(c: Emitter, conv: Convolution, isa: InstructionSet) -> None:
    """What is included, and the sizes that ops.load reads."""
    parts = -(-conv.outputs // strip(isa)) * bands(conv, isa)
    numbers = (*astuple(conv), packed_size(conv.outputs, conv.kernel_size, isa), parts, strip(isa))
    c.line(f"#include <{isa.header}>")
    c.line("#include <stddef.h>")
    c.line()
    c.line('#define EXPORTED __attribute__((visibility("default")))')
    c.line()
    c.comment(
        "height, width, channels, outputs, kernel_height, kernel_width, stride, padding; how many weights; "
        "how many parts, and",
        "the output channels of one.",
    )
    c.line(f"EXPORTED const ptrdiff_t sizes[] = {{{', '.join(map(str, numbers))}}};")
    c.line()


def band_functions(c: Emitter, conv: Convolution, isa: InstructionSet, outputs: int) -> None:
    """A function for each kind of tile, and one that calls them for `outputs` channels of a band."""
    row = spans(conv, isa)
    names: dict[Kind, str] = {}  # a kind that comes again has its function already
    for span in row:
        if span.kind not in names:
            names[span.kind] = f"tile_{span.kind.pixels}x{outputs}_{len(names)}"
            tile_function(c, conv, isa, outputs, span.kind, names[span.kind])
    c.comment(f"{outputs} output channels of {'a tile' if conv.pointwise else 'a row'}.")
    with c.function(f"static void band_of_{outputs}", *POINTERS, "ptrdiff_t band"):
        if conv.pointwise:
            tile_call(c, conv, row, names)
        else:
            top = f"{times('band', conv.stride)}{plus(-conv.padding)}"
            c.line(f"const ptrdiff_t top = {top}; /* of the windows, maybe above x */")
            c.line("const ptrdiff_t first = top < 0 ? -top : 0;")
            below = f"{conv.height} - top"
            c.line(f"const ptrdiff_t end = {below} < {conv.kernel_height} ? {below} : {conv.kernel_height};")
            for span in row:
                row_calls(c, conv, span, names[span.kind])
    c.line()


def tile_function(c: Emitter, conv: Convolution, isa: InstructionSet, outputs: int, kind: Kind, name: str) -> None:
    """The function for one kind of tile: its sums over kernel rows, kernel columns and channels."""
    registers = range(-(-outputs // isa.lanes))
    about = [f"{kind.pixels} pixels by {outputs} output channels; the first pixel's window begins at x + corner."]
    arguments = [*POINTERS[:2], "ptrdiff_t corner", POINTERS[2]]
    if not conv.pointwise:
        about.append("Of the window, the rows from `first` to `end` lie in x.")
        arguments += ["ptrdiff_t first", "ptrdiff_t end"]
    c.comment(*about)
    with c.function(f"static void {name}", *arguments):
        for p in range(kind.pixels):
            c.line(f"{isa.vector} {', '.join(f'sum{p}_{r} = {isa.zero}' for r in registers)};")
        if conv.pointwise:
            runs_of_channels(c, conv, isa, registers, kind)
        else:
            with c.block("for (ptrdiff_t i = first; i < end; i++)"):
                runs_of_channels(c, conv, isa, registers, kind)
        for p in range(kind.pixels):
            for r in registers:
                store(c, isa, outputs - r * isa.lanes, f"output{plus(p * conv.outputs + r * isa.lanes)}", f"sum{p}_{r}")
    c.line()


def runs_of_channels(c: Emitter, conv: Convolution, isa: InstructionSet, registers: range, kind: Kind) -> None:
    """A loop for each run of a kernel row; several loops stand in a scope each, with a comment."""
    for run in kind.runs:
        if len(kind.runs) == 1 and run.last - run.first == kind.pixels:
            run_loop(c, conv, isa, registers, run)
            continue
        columns = numbered("Kernel column", run.column, run.end)
        pixels = "all pixels" if run.last - run.first == kind.pixels else numbered("pixel", run.first, run.last)
        c.comment(f"{columns}, in x for {pixels}.")
        with c.scope():
            run_loop(c, conv, isa, registers, run)


def run_loop(c: Emitter, conv: Convolution, isa: InstructionSet, registers: range, run: Run) -> None:
    """The innermost loop, over the channels of neighbouring kernel columns: they lie one behind the other in x."""
    width = len(registers) * isa.lanes
    pixel = conv.stride * conv.channels  # from one pixel's number to the next one's
    values = plus(run.column * conv.channels + run.first * pixel)
    factors = plus(run.column * conv.channels * width)
    if not conv.pointwise:
        values = f" + i * {conv.width * conv.channels}{values}"
        factors = f" + i * {conv.kernel_width * conv.channels * width}{factors}"
    start = f"(corner{values})" if values else "corner"
    c.line(f"const float *values = x + {start}, *factors = weight{factors};")
    with c.block(f"for (ptrdiff_t k = 0; k < {(run.end - run.column) * conv.channels}; k++, factors += {width})"):
        loads = (f"factor{r} = {isa.load.format(f'factors{plus(r * isa.lanes)}')}" for r in registers)
        c.line(f"const {isa.vector} {', '.join(loads)};")
        c.line(f"{isa.vector} value;")
        for p in range(run.first, run.last):
            c.line(f"value = {isa.broadcast.format(f'values[k{plus((p - run.first) * pixel)}]')};")
            for r in registers:
                c.line(f"sum{p}_{r} = {isa.multiply_add.format('value', f'factor{r}', f'sum{p}_{r}')};")


def store(c: Emitter, isa: InstructionSet, lanes: int, target: str, value: str) -> None:
    """Writes a register of sums, or its first `lanes` numbers if not all of them are output channels."""
    if lanes >= isa.lanes:
        c.line(isa.store.format(target, value))
    else:
        flags = ", ".join("-1" if lane < lanes else "0" for lane in range(isa.lanes))
        c.line(isa.store_first.format(target, value, bits=(1 << lanes) - 1, flags=flags))


def row_calls(c: Emitter, conv: Convolution, span: Span, name: str) -> None:
    """Calls a tile's function for all the tiles of a span, in the row `band`."""
    single = span.end - span.column == span.kind.pixels
    if single:
        column, left = plus(span.column), plus(span.column * conv.stride - conv.padding)
    else:
        column, left = " + column", f" + {times('column', conv.stride)}{plus(-conv.padding)}"
    pixel = f"(band * {conv.columns}{column})" if column else f"band * {conv.columns}"
    output = f"output + {pixel} * {conv.outputs}"
    call = f"{name}({output}, x, (top * {conv.width}{left}) * {conv.channels}, weight, first, end);"
    if single:
        c.line(call)
        return
    step = span.kind.pixels
    c.line(f"for (ptrdiff_t column = {span.column}; column < {span.end}; column += {step})")
    with c.indented():
        c.line(call)


def tile_call(c: Emitter, conv: Convolution, row: list[Span], names: dict[Kind, str]) -> None:
    """Calls the function of the tile `band`, a pointwise convolution's; the first ones may be a pixel wider."""
    done = 0
    for span in row:
        tiles = (span.end - span.column) // span.kind.pixels
        column = times(f"(band - {done})" if done else "band", span.kind.pixels) + plus(span.column)
        call = f"{names[span.kind]}(output + column * {conv.outputs}, x, column * {conv.channels}, weight);"
        done += tiles
        if span is row[-1]:
            c.line(f"const ptrdiff_t column = {column};")
            c.line(call)
        else:
            with c.block(f"if (band < {done})"):
                c.line(f"const ptrdiff_t column = {column};")
                c.line(call)
                c.line("return;")


def some_parts(c: Emitter, conv: Convolution, isa: InstructionSet) -> None:
    """A loop over parts in the order in which neighbours share the most: what is larger, x or the weights.

    So each of several threads that take their share of the parts reads its share of the larger, and all of the other.
    """
    full, rest = divmod(conv.outputs, strip(isa))
    size = strip(isa) * conv.kernel_size
    strips, rows = full + (rest > 0), bands(conv, isa)
    with c.block("for (ptrdiff_t part = first; part < end; part++)"):
        if conv.height * conv.width * conv.channels > conv.outputs * conv.kernel_size:
            outer, inner, count, why = "band", "strip", strips, "x is larger than the weights"
        else:
            outer, inner, count, why = "strip", "band", rows, "the weights are larger than x"
        c.line(f"const ptrdiff_t {outer} = part / {count}, {inner} = part % {count}; /* {why} */")
        call = f"(output + strip * {strip(isa)}, x, weight + strip * {size}, band);"
        if full and rest:
            c.line(f"if (strip < {full})")
            c.line(f"    band_of_{strip(isa)}{call}")
            c.line("else")
            c.line(f"    band_of_{rest}{call}")
        else:
            c.line(f"band_of_{strip(isa) if full else rest}{call}")


def some(count: int, thing: str) -> str:
    """How many there are, for a reader."""
    return f"{count} {thing}{'s' * (count != 1)}"


def numbered(thing: str, first: int, end: int) -> str:
    """Those from `first` to before `end`, for a reader."""
    return f"{thing} {first}" if end == first + 1 else f"{thing}s {first} to {end - 1}"


def plus(number: int) -> str:
    """` + number` or ` - number`, and nothing for 0."""
    return f" {'+' if number > 0 else '-'} {abs(number)}" if number else ""


def times(name: str, number: int) -> str:
    """`name * number`, and the name alone for 1."""
    return f"{name} * {number}" if number != 1 else name
