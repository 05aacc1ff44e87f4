"""Writes the C of what happens to a register of sums when all products have been added: it becomes bytes.

The rounding is that of ONNX Runtime's operators. For a convolution:

    y = clip(rint(sum * multiplier) + zero point)

where the products' sum is exact, and clip keeps it between 0 and 255. For a residual sum of a, that y, and b, the byte
that stands in the output:

    z = clip(rint(a * factor of a + (b * factor of b + summand)))

with a single rounding for each product and sum.
"""

from .emitter import Emitter
from .instruction_sets import InstructionSet
from .phrases import offset
from .rounding import ceil_div, round_up
from .tiles import QUAD, Convolution


def rule(conv: Convolution) -> dict[str, int | None]:
    """What `finish` takes of Scales.rule, and the place of each; None: it is 255, as no zero point moves it."""
    if conv.logits:
        return {}
    if conv.residual:
        return {"least": 0, "most": 1, "zero": 2, "factor_a": 3, "factor_b": 4, "summand": 5}
    return {"most": None} if conv.relu else {"most": 1, "zero": 2}


def finish_functions(c: Emitter, conv: Convolution, isa: InstructionSet) -> None:
    """A function for full registers, and one for the last register if it is not full."""
    full, rest = divmod(conv.outputs, isa.lanes)
    if full or conv.pool:
        finish_function(c, conv, isa, isa.lanes)
    if rest and not conv.pool:
        finish_function(c, conv, isa, rest)


def finish_name(lanes: int) -> str:
    """The name of the function for a register of which `lanes` are output channels."""
    return f"finish_{lanes}"


def finish_function(c: Emitter, conv: Convolution, isa: InstructionSet, lanes: int) -> None:
    """The function that turns a register of sums into the output's bytes, or into float32 logits."""
    arguments = [f"{isa.floats} {name}" for name in ("multiplier", *rule(conv))]
    c.comment(f"{lanes} output channels of a pixel.")
    with c.function(f"INLINE void {finish_name(lanes)}", "uint8_t *restrict output", f"{isa.vector} sum", *arguments):
        c.line(f"{isa.floats} value = {isa.multiply.format(isa.to_floats.format('sum'), 'multiplier')};")
        if conv.logits:
            store = isa.store_floats if lanes == isa.lanes else isa.store_floats_first
            c.line(store.format("output", "value", **isa.first(lanes)))
        elif conv.residual:
            residual(c, isa, lanes)
        else:
            c.line(f"value = {isa.smaller.format('value', 'most')};")
            store_bytes(c, isa, lanes, zero=not conv.relu)
    c.line()


def residual(c: Emitter, isa: InstructionSet, lanes: int) -> None:
    """The rest of `finish` for a residual sum: `value` becomes a byte's number first, in a float32 register."""
    load = isa.load_bytes if round_up(lanes, QUAD) == isa.lanes else isa.load_bytes_first
    added = load.format("output", **isa.first(round_up(lanes, QUAD)))
    c.line(f"value = {isa.smaller.format(isa.larger.format('value', 'least'), 'most')};")
    c.line(f"value = {isa.add_floats.format(isa.rounded.format('value'), 'zero')};")
    c.line(f"const {isa.floats} added = {isa.widen.format(added)};")
    c.line(f"value = {isa.fused.format('value', 'factor_a', isa.fused.format('added', 'factor_b', 'summand'))};")
    c.line(f"value = {isa.smaller.format('value', isa.broadcast_float.format(255))};")
    store_bytes(c, isa, lanes, zero=False)


def store_bytes(c: Emitter, isa: InstructionSet, lanes: int, zero: bool) -> None:
    """Rounds `value`, adds the zero point if there may be one, and writes whole quads of bytes."""
    whole = isa.to_whole.format("value")
    if zero:
        whole = isa.add.format(whole, isa.to_whole.format("zero"))
    c.line(f"const {isa.vector} whole = {whole}; /* what is too small becomes -2^31 */")
    written = round_up(lanes, QUAD)
    store = isa.store if written == isa.lanes else isa.store_first
    c.line(f"const {isa.bytes} made =")
    c.line(f"    {isa.narrow.format('whole')};")
    c.line(store.format("output", "made", **isa.first(written)))


def finish_calls(c: Emitter, conv: Convolution, isa: InstructionSet, outputs: int, pixels: int, pitch: int) -> None:
    """The end of a tile of a strip of `outputs` channels; `pitch`: from one pixel's bytes to the next's."""
    registers = range(ceil_div(outputs, isa.lanes))
    width = len(registers) * isa.lanes
    for name, index in rule(conv).items():
        number = 255 if index is None else f"((const float *)constants)[{2 * width + index}]"
        c.line(f"const {isa.floats} {name} = {isa.broadcast_float.format(number)};")
    for r in registers:
        multiplier = isa.load_floats.format(f"constants{offset(width + r * isa.lanes)}")
        c.line(f"const {isa.floats} multiplier{r} = {multiplier};")
    size = QUAD if conv.logits else 1
    for p in range(pixels):
        for r in registers:
            # In the ring of a pooling there is room for whole registers.
            lanes = isa.lanes if conv.pool else min(isa.lanes, outputs - r * isa.lanes)
            place = f"output{offset(p * pitch + r * isa.lanes * size)}"
            arguments = ", ".join([place, f"sum{p}_{r}", f"multiplier{r}", *rule(conv)])
            c.line(f"{finish_name(lanes)}({arguments});")
