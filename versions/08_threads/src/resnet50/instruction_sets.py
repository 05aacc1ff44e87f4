"""The registers that generated C may use, and which of them this processor has."""

import os
from dataclasses import dataclass

from . import ops
from .errors import UnsupportedProcessor

VARIABLE = "RESNET50_ISA"


@dataclass(frozen=True)
class InstructionSet:
    """A row of the table: the registers that the C may use, and its words for what it does with them.

    `lanes`: float32 numbers in a register. `flags`: what the compiler is told. `vector`: the C type of a register;
    `zero`, `load`, `broadcast`, `multiply_add`: expressions of that type, and `store`, `store_first` (only some lanes)
    statements, as templates: {0}, {1} ... are what they work on; {bits} and {flags} say which lanes, as a number of
    which each bit is a lane, and as -1 or 0 for each.
    """

    name: str
    lanes: int
    registers: int
    flags: tuple[str, ...]
    header: str
    vector: str
    zero: str
    load: str
    broadcast: str
    multiply_add: str
    store: str
    store_first: str


INSTRUCTION_SETS = {
    "avx512": InstructionSet(
        name="AVX-512",
        lanes=16,
        registers=32,
        flags=("-mavx2", "-mfma", "-mavx512f"),
        header="immintrin.h",
        vector="__m512",
        zero="_mm512_setzero_ps()",
        load="_mm512_loadu_ps({0})",
        broadcast="_mm512_set1_ps({0})",
        multiply_add="_mm512_fmadd_ps({0}, {1}, {2})",
        store="_mm512_storeu_ps({0}, {1});",
        store_first="_mm512_mask_storeu_ps({0}, {bits:#06x}, {1});",
    ),
    "avx2": InstructionSet(
        name="AVX2",
        lanes=8,
        registers=16,
        flags=("-mavx2", "-mfma"),
        header="immintrin.h",
        vector="__m256",
        zero="_mm256_setzero_ps()",
        load="_mm256_loadu_ps({0})",
        broadcast="_mm256_set1_ps({0})",
        multiply_add="_mm256_fmadd_ps({0}, {1}, {2})",
        store="_mm256_storeu_ps({0}, {1});",
        store_first="_mm256_maskstore_ps({0}, _mm256_setr_epi32({flags}), {1});",
    ),
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
