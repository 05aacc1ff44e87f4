"""Writes the C for one convolution: sizes, strides and loop bounds are numbers in it, and every sum has a register.

Neither weights nor addresses are in it, so that all layers of the same shape share it.
"""

from dataclasses import astuple

from .instruction_sets import InstructionSet
from .tiles import WIDE, Convolution, Kind, Run, Span, most_pixels, packed_size, spans, strip

Lines = list[str]

PREFACE = """\
#include <immintrin.h>
#include <stddef.h>

#define EXPORTED __attribute__((visibility("default")))

/* height, width, channels, outputs, kernel_height, kernel_width, stride, padding; how many weights. */
EXPORTED const ptrdiff_t sizes[] = {%s};
"""


def source(conv: Convolution, isa: InstructionSet) -> str:
    """The C, to be read as well as compiled: exports `sizes` and the function `conv2d`, for operators.h's layouts."""
    full, rest = divmod(conv.outputs, strip(isa))
    size = strip(isa) * conv.kernel_size
    widths = [strip(isa)] * (full > 0) + [rest] * (rest > 0)
    calls: Lines = []
    if full:
        calls += [
            f"for (ptrdiff_t strip = 0; strip < {full}; strip++)",
            f"    strip_of_{strip(isa)}(output + strip * {strip(isa)}, x, weight + strip * {size});",
        ]
    if rest:
        calls.append(f"strip_of_{rest}(output{plus(full * strip(isa))}, x, weight{plus(full * size)});")
    weights = packed_size(conv.outputs, conv.kernel_size, isa)
    lines = [
        *comment(heading(conv, isa)),
        *(PREFACE % ", ".join(map(str, (*astuple(conv), weights)))).splitlines(),
        *(line for width in widths for line in strip_functions(conv, isa, width)),
        "EXPORTED void conv2d(float *restrict output, const float *restrict x, const float *restrict weight)",
        *block(calls),
    ]
    return "\n".join(lines) + "\n"


def heading(conv: Convolution, isa: InstructionSet) -> Lines:
    """What is computed, and why in these tiles."""
    row = spans(conv, isa)
    largest = row[0].kind.pixels
    sums = largest * WIDE
    parts = " + ".join(f"{(span.end - span.column) // span.kind.pixels} x {span.kind.pixels}" for span in row)
    out = (conv.height, conv.width) if conv.pointwise else (conv.rows, conv.columns)
    return [
        f"A {conv.kernel_height}x{conv.kernel_width} convolution of {conv.height} x {conv.width} x {conv.channels} to "
        f"{out[0]} x {out[1]} x {conv.outputs}, stride {conv.stride}, padding {conv.padding}.",
        "",
        f"The largest tile: {largest} pixels by {strip(isa)} output channels, which are {WIDE} registers of "
        f"{isa.lanes} ({isa.name}). Its {sums} sums,",
        f"{WIDE} registers of weights and a pixel's number take {sums + WIDE + 1} of {isa.registers} registers; "
        f"{largest} + {WIDE} loads serve {sums} multiply-adds.",
        f"A row has {conv.columns} pixels{' (all there are, since none needs its neighbours)' * conv.pointwise}: "
        f"{parts}, at most {most_pixels(isa)} at a time.",
        "",
        f"x and output are (height, width, channels). weight is, for each {strip(isa)} output channels,",
        f"({conv.kernel_height}, {conv.kernel_width}, {conv.channels}, {strip(isa)}); for the last ones that are left, "
        f"as many registers as they need.",
    ]


def strip_functions(conv: Convolution, isa: InstructionSet, outputs: int) -> Lines:
    """A function for each kind of tile, and one that calls them for `outputs` channels of all pixels."""
    row = spans(conv, isa)
    names: dict[Kind, str] = {}  # a kind that comes again has its function already
    lines: Lines = []
    for span in row:
        if span.kind not in names:
            names[span.kind] = f"tile_{span.kind.pixels}x{outputs}_{len(names)}"
            lines += tile_function(conv, isa, outputs, span.kind, names[span.kind])
    calls = [line for span in row for line in tile_calls(conv, span, names[span.kind])]
    if not conv.pointwise:
        top = f"row * {conv.stride} - {conv.padding}"
        bounds = [
            f"const ptrdiff_t top = {top}; /* where the windows of this row begin, which may be outside of x */",
            "const ptrdiff_t first = top < 0 ? -top : 0;",
            f"const ptrdiff_t end = {conv.height} - top < {conv.kernel_height} ? {conv.height} - top "
            f": {conv.kernel_height};",
        ]
        calls = [f"for (ptrdiff_t row = 0; row < {conv.rows}; row++)", *block([*bounds, *calls])]
    return [
        *lines,
        *comment([f"{outputs} output channels of all pixels."]),
        f"static void strip_of_{outputs}(float *restrict output, const float *restrict x, "
        f"const float *restrict weight)",
        *block(calls),
        "",
    ]


def tile_calls(conv: Convolution, span: Span, name: str) -> Lines:
    """Calls a tile's function for all the tiles of a span."""
    alone = span.end - span.column == span.kind.pixels
    column = str(span.column) if alone else "column"
    if conv.pointwise:
        line = f"{name}(output + {column} * {conv.outputs}, x, {column} * {conv.channels}, weight);"
    else:
        corner = f"(top * {conv.width} + {column} * {conv.stride} - {conv.padding}) * {conv.channels}"
        output = f"output + (row * {conv.columns} + {column}) * {conv.outputs}"
        line = f"{name}({output}, x, {corner}, weight, first, end);"
    if alone:
        return [line]
    step = span.kind.pixels
    return [f"for (ptrdiff_t column = {span.column}; column < {span.end}; column += {step})", f"    {line}"]


def tile_function(conv: Convolution, isa: InstructionSet, outputs: int, kind: Kind, name: str) -> Lines:
    """The function for one kind of tile: its sums over kernel rows, kernel columns and channels."""
    registers = range(-(-outputs // isa.lanes))
    arguments = "float *restrict output, const float *restrict x, ptrdiff_t corner, const float *restrict weight"
    told = [f"{kind.pixels} pixels by {outputs} output channels; the first pixel's window begins at x + corner."]
    zero = f"{isa.prefix}_setzero_ps()"
    body = [f"{isa.vector} {', '.join(f'sum{p}_{r} = {zero}' for r in registers)};" for p in range(kind.pixels)]
    loops = [line for run in kind.runs for line in run_loop(conv, isa, registers, run, kind)]
    if conv.pointwise:
        body += loops
    else:
        arguments += ", ptrdiff_t first, ptrdiff_t end"
        told.append("Of the window, the rows from `first` to `end` lie in x.")
        body += ["for (ptrdiff_t i = first; i < end; i++)", *block(loops)]
    for p in range(kind.pixels):
        body += [store(isa, outputs, r, p * conv.outputs, f"sum{p}_{r}") for r in registers]
    return [*comment(told), f"static void {name}({arguments})", *block(body), ""]


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
    loop = [
        f"const float *values = x + (corner{values}), *factors = weight{factors};",
        f"for (ptrdiff_t k = 0; k < {(run.end - run.column) * conv.channels}; k++, factors += {width})",
        *block(body),
    ]
    if len(kind.runs) == 1 and run.last - run.first == kind.pixels:
        return loop
    told = f"Kernel columns {run.column} to {run.end - 1}: pixels {run.first} to {run.last - 1} have them in x."
    return [*comment([told]), *block(loop)]


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
    """` + number`, and nothing for 0."""
    return f" + {number}" if number else ""


def comment(lines: Lines) -> Lines:
    """Lines as a C comment."""
    first, *others = lines
    return (
        [f"/* {first}", *(f" * {line}".rstrip() for line in others[:-1]), f" * {others[-1]} */"]
        if others
        else [f"/* {first} */"]
    )


def block(lines: Lines) -> Lines:
    """Lines in braces, four spaces further in."""
    return ["{", *(f"    {line}" for line in lines), "}"]
