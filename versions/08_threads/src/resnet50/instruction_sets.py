"""The vector instructions that generated C may use, and which of them this processor has."""

import os
from dataclasses import dataclass

from . import ops

ARM = os.uname().machine in ("aarch64", "arm64")  # as Linux and macOS call it


@dataclass(frozen=True)
class InstructionSet:
    """A row of the table: the registers of a processor, and the C for everything that a tile does with them.

    `lanes`: float32 numbers in a register. `flags`: the compiler's. `vector`: the C type of a register. The rest are
    templates: `zero`, `load`, `broadcast` and `multiply_add` of expressions, `store` and `store_first`, which writes
    only the first lanes, of statements. {0}, {1} and {2} are their operands. Which lanes {bits} and {flags} say: a
    number with a bit for each lane, and a -1 or 0 for each.
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
    # Half the lanes, twice the registers: tiles of 14 pixels. Compilers fuse the broadcast with the multiply-add, which
    # takes a lane of one register for all of another: so no port is needed for it.
    "neon": InstructionSet(
        name="NEON",
        lanes=4,
        registers=32,
        # Else gcc loads so far ahead, or keeps so much for what is around an inlined tile, that sums go to the stack.
        flags=("-fno-schedule-insns", "-fno-inline"),
        header="arm_neon.h",
        vector="float32x4_t",
        zero="vdupq_n_f32(0)",
        load="vld1q_f32({0})",
        broadcast="vdupq_n_f32({0})",
        multiply_add="vfmaq_f32({2}, {0}, {1})",
        store="vst1q_f32({0}, {1});",
        store_first="for (int lane = 0; {bits:#x} >> lane; lane++) ({0})[lane] = ({1})[lane];",
    ),
}


def instruction_set() -> InstructionSet:
    """The row for this processor; raises `UnsupportedProcessor` if there is none."""
    ops.require_processor()
    return INSTRUCTION_SETS["neon" if ARM else "avx2"]
