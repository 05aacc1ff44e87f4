"""The registers that generated C may use, and which of them this processor has."""

import os
from dataclasses import dataclass

from . import ops
from .errors import UnsupportedProcessor

VARIABLE = "RESNET50_ISA"


@dataclass(frozen=True)
class InstructionSet:
    """The registers that the C may use: how many, how many float32 numbers in each, and what the compiler is told.

    `vector`: the C type of a register; `prefix`: of the intrinsics that work on it.
    """

    name: str
    lanes: int
    registers: int
    flags: tuple[str, ...]
    vector: str
    prefix: str


INSTRUCTION_SETS = {
    "avx512": InstructionSet("AVX-512", 16, 32, ("-mavx2", "-mfma", "-mavx512f"), "__m512", "_mm512"),
    "avx2": InstructionSet("AVX2", 8, 16, ("-mavx2", "-mfma"), "__m256", "_mm256"),
}


def instruction_set() -> InstructionSet:
    """The one with the widest registers that this processor has, or the one that $RESNET50_ISA names.

    Raises `UnsupportedProcessor` if it has none, or not that one.
    """
    ops.require_processor()
    wanted = os.environ.get(VARIABLE) or ("avx512" if ops.has_avx512() else "avx2")
    if wanted not in INSTRUCTION_SETS:
        raise UnsupportedProcessor(f"{VARIABLE} is {wanted!r}; it can be {' or '.join(INSTRUCTION_SETS)}")
    if wanted == "avx512" and not ops.has_avx512():
        raise UnsupportedProcessor(f"{VARIABLE} is {wanted!r}, but this processor lacks AVX-512")
    return INSTRUCTION_SETS[wanted]
