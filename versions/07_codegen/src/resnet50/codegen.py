"""Writes the C for one convolution: sizes, strides and loop bounds are numbers in it, and every sum has a register.

Neither weights nor addresses are in it, so that all layers of the same shape share it.
"""

from collections import Counter
from dataclasses import astuple

from .instruction_sets import InstructionSet
from .tiles import Convolution, Kind, Run, Span, bands, most_pixels, packed_size, spans, strip

Lines = list[str]

PREFACE = """\
#include <immintrin.h>
#include <stddef.h>

#define EXPORTED __attribute__((visibility("default")))

/* height, width, channels, outputs, kernel_height, kernel_width, stride, padding; how many weights. */
EXPORTED const ptrdiff_t sizes[] = {%s};

"""
POINTERS = ["float *restrict output", "const float *restrict x", "const float *restrict weight"]


def source(conv: Convolution, isa: InstructionSet) -> str:
    """The C, to be read as well as compiled: exports `sizes` and the function `conv2d`, for operators.h's layouts."""
    full, rest = divmod(conv.outputs, strip(isa))
    widths = [strip(isa)] * (full > 0) + [rest] * (rest > 0)
    weights = packed_size(conv.outputs, conv.kernel_size, isa)
    lines = [
        *comment(heading(conv, isa)),
        *(PREFACE % ", ".join(map(str, (*astuple(conv), weights)))).splitlines(),
        *(line for width in widths for line in band_functions(conv, isa, width)),
        *function("EXPORTED void conv2d", POINTERS, all_bands(conv, isa)),
    ]
    return "\n".join(lines) + "\n"


def all_bands(conv: Convolution, isa: InstructionSet) -> Lines:
    """Strip after strip, so that its weights come from the L2 cache for all bands but the first."""
    full, rest = divmod(conv.outputs, strip(isa))
    size = strip(isa) * conv.kernel_size
    every = f"for (ptrdiff_t band = 0; band < {bands(conv, isa)}; band++)"
    lines: Lines = []
    if full:
        lines += [
            f"for (ptrdiff_t strip = 0; strip < {full}; strip++)",
            f"    {every}",
            f"        band_of_{strip(isa)}(output + strip * {strip(isa)}, x, weight + strip * {size}, band);",
        ]
    if rest:
        first = f"output{plus(full * strip(isa))}, x, weight{plus(full * size)}"
        lines += [every, f"    band_of_{rest}({first}, band);"]
    return lines


def heading(conv: Convolution, isa: InstructionSet) -> Lines:
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
    return [
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
    ]


def some(count: int, thing: str) -> str:
    """How many there are, for a reader."""
    return f"{count} {thing}{'s' * (count != 1)}"


def band_functions(conv: Convolution, isa: InstructionSet, outputs: int) -> Lines:
    """A function for each kind of tile, and one that calls them for `outputs` channels of a band."""
    row = spans(conv, isa)
    names: dict[Kind, str] = {}  # a kind that comes again has its function already
    lines: Lines = []
    for span in row:
        if span.kind not in names:
            names[span.kind] = f"tile_{span.kind.pixels}x{outputs}_{len(names)}"
            lines += tile_function(conv, isa, outputs, span.kind, names[span.kind])
    if conv.pointwise:
        calls = tile_call(conv, row, names)
    else:
        calls = [
            f"const ptrdiff_t top = {times('band', conv.stride)}{plus(-conv.padding)}; "
            f"/* of the windows, maybe above x */",
            "const ptrdiff_t first = top < 0 ? -top : 0;",
            f"const ptrdiff_t end = {conv.height} - top < {conv.kernel_height} ? {conv.height} - top "
            f": {conv.kernel_height};",
            *(line for span in row for line in row_calls(conv, span, names[span.kind])),
        ]
    return [
        *lines,
        *comment([f"{outputs} output channels of {'a tile' if conv.pointwise else 'a row'}."]),
        *function(f"static void band_of_{outputs}", [*POINTERS, "ptrdiff_t band"], calls),
        "",
    ]


def row_calls(conv: Convolution, span: Span, name: str) -> Lines:
    """Calls a tile's function for all the tiles of a span, in the row `band`."""
    if span.end - span.column == span.kind.pixels:
        column, left = plus(span.column), plus(span.column * conv.stride - conv.padding)
    else:
        column, left = " + column", f" + {times('column', conv.stride)}{plus(-conv.padding)}"
    pixel = f"(band * {conv.columns}{column})" if column else f"band * {conv.columns}"
    output = f"output + {pixel} * {conv.outputs}"
    call = f"{name}({output}, x, (top * {conv.width}{left}) * {conv.channels}, weight, first, end);"
    if column != " + column":
        return [call]
    step = span.kind.pixels
    return [f"for (ptrdiff_t column = {span.column}; column < {span.end}; column += {step})", f"    {call}"]


def tile_call(conv: Convolution, row: list[Span], names: dict[Kind, str]) -> Lines:
    """Calls the function of the tile `band`, a pointwise convolution's; the first ones may be a pixel wider."""
    lines: Lines = []
    done = 0
    for span in row:
        tiles = (span.end - span.column) // span.kind.pixels
        column = times(f"(band - {done})" if done else "band", span.kind.pixels) + plus(span.column)
        done += tiles
        call = [
            f"const ptrdiff_t column = {column};",
            f"{names[span.kind]}(output + column * {conv.outputs}, x, column * {conv.channels}, weight);",
        ]
        lines += loop(f"if (band < {done})", [*call, "return;"]) if span is not row[-1] else call
    return lines


def tile_function(conv: Convolution, isa: InstructionSet, outputs: int, kind: Kind, name: str) -> Lines:
    """The function for one kind of tile: its sums over kernel rows, kernel columns and channels."""
    registers = range(-(-outputs // isa.lanes))
    arguments = [*POINTERS[:2], "ptrdiff_t corner", POINTERS[2]]
    told = [f"{kind.pixels} pixels by {outputs} output channels; the first pixel's window begins at x + corner."]
    zero = f"{isa.prefix}_setzero_ps()"
    body = [f"{isa.vector} {', '.join(f'sum{p}_{r} = {zero}' for r in registers)};" for p in range(kind.pixels)]
    loops = [line for run in kind.runs for line in run_loop(conv, isa, registers, run, kind)]
    if conv.pointwise:
        body += loops
    else:
        arguments += ["ptrdiff_t first", "ptrdiff_t end"]
        told.append("Of the window, the rows from `first` to `end` lie in x.")
        body += loop("for (ptrdiff_t i = first; i < end; i++)", loops)
    for p in range(kind.pixels):
        body += [store(isa, outputs, r, p * conv.outputs, f"sum{p}_{r}") for r in registers]
    return [*comment(told), *function(f"static void {name}", arguments, body), ""]


def run_loop(conv: Convolution, isa: InstructionSet, registers: range, run: Run, kind: Kind) -> Lines:
    """The innermost loop, over the channels of neighbouring kernel columns: they lie one behind the other in x."""
    width = len(registers) * isa.lanes
    pixel = conv.stride * conv.channels  # from one pixel's number to the next one's
    values = plus(run.column * conv.channels + run.first * pixel)
    factors = plus(run.column * conv.channels * width)
    if not conv.pointwise:
        values = f" + i * {conv.width * conv.channels}{values}"
        factors = f" + i * {conv.kernel_width * conv.channels * width}{factors}"
    loads = ", ".join(f"factor{r} = {isa.prefix}_loadu_ps(factors{plus(r * isa.lanes)})" for r in registers)
    body = [f"const {isa.vector} {loads};", f"{isa.vector} value;"]
    for p in range(run.first, run.last):
        body.append(f"value = {isa.prefix}_set1_ps(values[k{plus((p - run.first) * pixel)}]);")
        body += [f"sum{p}_{r} = {isa.prefix}_fmadd_ps(value, factor{r}, sum{p}_{r});" for r in registers]
    lines = [
        f"const float *values = x + {f'(corner{values})' if values else 'corner'}, *factors = weight{factors};",
        *loop(f"for (ptrdiff_t k = 0; k < {(run.end - run.column) * conv.channels}; k++, factors += {width})", body),
    ]
    if len(kind.runs) == 1 and run.last - run.first == kind.pixels:
        return lines
    columns = numbered("Kernel column", run.column, run.end)
    pixels = "all pixels" if run.last - run.first == kind.pixels else numbered("pixel", run.first, run.last)
    told = f"{columns}, in x for {pixels}."
    return [*comment([told]), *loop("", lines)]


def numbered(thing: str, first: int, end: int) -> str:
    """Those from `first` to before `end`, for a reader."""
    return f"{thing} {first}" if end == first + 1 else f"{thing}s {first} to {end - 1}"


def store(isa: InstructionSet, outputs: int, register: int, place: int, value: str) -> str:
    """Writes a register of sums, but only the lanes that are output channels."""
    target = f"output{plus(place + register * isa.lanes)}"
    lanes = outputs - register * isa.lanes
    if lanes >= isa.lanes:
        return f"{isa.prefix}_storeu_ps({target}, {value});"
    if isa.lanes == 16:
        return f"_mm512_mask_storeu_ps({target}, {(1 << lanes) - 1:#06x}, {value});"
    mask = ", ".join("-1" if lane < lanes else "0" for lane in range(isa.lanes))
    return f"_mm256_maskstore_ps({target}, _mm256_setr_epi32({mask}), {value});"


def plus(number: int) -> str:
    """` + number` or ` - number`, and nothing for 0."""
    return f" {'+' if number > 0 else '-'} {abs(number)}" if number else ""


def times(name: str, number: int) -> str:
    """`name * number`, and the name alone for 1."""
    return f"{name} * {number}" if number != 1 else name


def comment(lines: Lines) -> Lines:
    """Lines as a C comment."""
    first, *others = lines
    return (
        [f"/* {first}", *(f" * {line}".rstrip() for line in others[:-1]), f" * {others[-1]} */"]
        if others
        else [f"/* {first} */"]
    )


def function(name: str, arguments: Lines, body: Lines) -> Lines:
    """A function; its arguments begin a second line where one would be too long."""
    first, second = ", ".join(arguments[:3]), ", ".join(arguments[3:])
    head = [f"{name}({first}, {second})"] if second else [f"{name}({first})"]
    if len(head[0]) > 120:
        head = [f"{name}({first},", f"{' ' * len(name)} {second})"]
    return [*head, "{", *(f"    {line}" for line in body), "}"]


def loop(head: str, body: Lines) -> Lines:
    """A loop, a condition or, without a head, a scope."""
    return [f"{head} {{".lstrip(), *(f"    {line}" for line in body), "}"]
