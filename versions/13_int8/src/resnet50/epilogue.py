"""Writes the C of what happens to the sums of a tile when all products have been added: they become bytes.

The rounding is that of ONNX Runtime's operators. For a convolution:

    y = clip(rint(sum * multiplier) + zero point)

where the products' sum is exact, and clip keeps it between 0 and 255. For a residual sum of a, that y, and b, the byte
that stands in the output:

    z = clip(rint(a * factor of a + (b * factor of b + summand)))

with a single rounding for each product and sum. What is larger than 255 becomes 255 before it is a whole number of 32
bits, which it might not fit. What is too small becomes -2^31 there, and the instructions that pack the whole numbers of
two pixels into bytes make 0 of all that is negative, and 255 of what a zero point made larger.
"""

from itertools import product as pairs

from .emitter import Emitter
from .instruction_sets import InstructionSet
from .phrases import offset
from .rounding import ceil_div, round_up
from .tiles import QUAD, Convolution, strip_channels

PACKED = 2  # pixels whose bytes are packed together


def rule(conv: Convolution) -> dict[str, int]:
    """What `finish` takes of Scales.rule, and the place of each."""
    if conv.residual:
        return {"zero": 0, "factor_a": 1, "factor_b": 2, "summand": 3}
    return {} if conv.relu or conv.logits else {"zero": 0}


def finish_functions(c: Emitter, conv: Convolution, isa: InstructionSet) -> None:
    """A function for full registers, and one for the last register if it is not full."""
    full, rest = divmod(conv.outputs, isa.lanes)
    if full:
        finish_function(c, conv, isa, isa.lanes)
    if rest:
        finish_function(c, conv, isa, rest)


def finish_name(lanes: int) -> str:
    """The name of the function for a register of which `lanes` are output channels."""
    return f"finish_{lanes}"


def finish_function(c: Emitter, conv: Convolution, isa: InstructionSet, lanes: int) -> None:
    """The function that turns a register of sums into whole numbers, which are still to be packed, or into logits."""
    arguments = [f"{isa.floats} {name}" for name in ("multiplier", *rule(conv))]
    arguments += ["const uint8_t *restrict output"] * conv.residual
    c.comment(f"{lanes} output channels of a pixel.")
    result = isa.floats if conv.logits else isa.vector
    with c.function(f"INLINE {result} {finish_name(lanes)}", f"{isa.vector} sum", *arguments):
        c.line(f"{isa.floats} value = {isa.multiply.format(isa.to_floats.format('sum'), 'multiplier')};")
        if conv.residual:
            residual(c, isa, lanes)
        if conv.logits:
            c.line("return value;")
        else:
            c.line(f"value = {isa.smaller.format('value', isa.broadcast_float.format(255))};")
            c.line(f"const {isa.vector} whole = {isa.to_whole.format('value')}; /* what is too small becomes -2^31 */")
            moved = not (conv.relu or conv.residual)
            c.line(f"return {isa.add.format('whole', isa.to_whole.format('zero')) if moved else 'whole'};")
    c.line()


def residual(c: Emitter, isa: InstructionSet, lanes: int) -> None:
    """The part of `finish` for a residual sum: `value` becomes a byte's number first, in a float32 register."""
    read = round_up(lanes, QUAD)
    widen = isa.widen if read == isa.lanes else isa.widen_first
    c.line(f"value = {isa.add_floats.format(isa.rounded.format('value'), 'zero')};")
    c.line(f"value = {isa.positive.format('value')};")
    c.line(f"value = {isa.smaller.format('value', isa.broadcast_float.format(255))};")
    c.line(f"const {isa.floats} added = {widen.format('output', **isa.first(read // QUAD))};")
    c.line(f"value = {isa.fused.format('value', 'factor_a', isa.fused.format('added', 'factor_b', 'summand'))};")


def finish_calls(c: Emitter, conv: Convolution, isa: InstructionSet, outputs: int, pixels: int, pitch: int) -> None:
    """The end of a tile of a strip of `outputs` channels; `pitch`: from one pixel's bytes to the next's."""
    registers = range(ceil_div(outputs, isa.lanes))
    width = len(registers) * isa.lanes
    for name, index in rule(conv).items():
        number = f"((const float *)constants)[{2 * width + index}]"
        c.line(f"const {isa.floats} {name} = {isa.broadcast_float.format(number)};")
    for r in registers:
        multiplier = isa.load_floats.format(f"constants{offset(width + r * isa.lanes)}")
        c.line(f"const {isa.floats} multiplier{r} = {multiplier};")
    if conv.logits:
        store_logits(c, isa, outputs, pixels, pitch)
        return
    c.line(f"{isa.vector} made;")
    for first in range(0, pixels, PACKED):
        pair = range(first, min(first + PACKED, pixels))
        for p, r in pairs(pair, registers):
            arguments = [f"sum{p}_{r}", f"multiplier{r}", *rule(conv)]
            arguments += [f"output{offset(p * pitch + r * isa.lanes)}"] * conv.residual
            lanes = min(isa.lanes, outputs - r * isa.lanes)
            c.line(f"sum{p}_{r} = {finish_name(lanes)}({', '.join(arguments)});")
        # Always four registers: if the pixel or the register has no neighbour, it takes both places.
        ends = pairs((pair[0], pair[-1]), (registers[0], registers[-1]))
        c.line(f"made = {isa.narrow.format(*(f'sum{p}_{r}' for p, r in ends))};")
        for p, half in zip(pair, (isa.lower, isa.upper), strict=False):  # the last pixel may be alone
            store_pixel(c, isa, f"output{offset(p * pitch)}", half.format("made"), pitch if conv.pool else outputs)


def store_pixel(c: Emitter, isa: InstructionSet, place: str, made: str, outputs: int) -> None:
    """Writes whole quads of a pixel's bytes for a strip of `outputs` channels."""
    written = round_up(outputs, QUAD)
    store = isa.store if written == strip_channels(isa) else isa.store_first
    c.line(store.format(place, made, **isa.first(written // QUAD)))


def store_logits(c: Emitter, isa: InstructionSet, outputs: int, pixels: int, pitch: int) -> None:
    """Writes what `finish` makes of the sums of a tile, float32."""
    for p, r in pairs(range(pixels), range(ceil_div(outputs, isa.lanes))):
        lanes = min(isa.lanes, outputs - r * isa.lanes)
        store = isa.store_floats if lanes == isa.lanes else isa.store_floats_first
        made = f"{finish_name(lanes)}(sum{p}_{r}, multiplier{r})"
        c.line(store.format(f"output{offset(p * pitch + r * isa.lanes * QUAD)}", made, **isa.first(lanes)))
