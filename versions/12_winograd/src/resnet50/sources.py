"""What C is generated for, and by whom."""

from . import codegen, winograd_registers
from .instruction_sets import InstructionSet
from .tiles import Convolution
from .winograd import Products, Transform
from .winograd_code import products_source, transform_source

Generated = Convolution | Transform | Products


def source(step: Generated, isa: InstructionSet) -> str:
    """The C for a step of a plan."""
    if isinstance(step, Transform):
        return transform_source(step, isa)
    if isinstance(step, Products):
        return winograd_registers.source(step, isa) if step.in_registers else products_source(step, isa)
    return codegen.source(step, isa)
