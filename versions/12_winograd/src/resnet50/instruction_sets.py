"""The vector instructions that generated C may use, and which of them this processor has."""

import os
from dataclasses import dataclass

from . import ops
from .errors import UnsupportedProcessor

ARM = os.uname().machine in ("aarch64", "arm64")  # as Linux and macOS call it


@dataclass(frozen=True)
class InstructionSet:
    """A row of the table: the registers of a processor, and the C for everything that a tile does with them.

    `lanes`: float32 numbers in a register. `flags`: the compiler's. `vector`: the C type of a register. The rest are
    templates: `store`, `store_first`, which writes only the first lanes, and `prefetch`, which asks for the cache line
    of an address but reads nothing, of statements; the others of expressions, where `load_first` reads only the first
    lanes, `relu` leaves NaN as it is and `larger` gives NaN if either is. {0}, {1} and {2} are their operands. Which
    lanes {bits} and {flags} say: a number with a bit for each lane, and a -1 or 0 for each.
    """

    name: str
    lanes: int
    registers: int
    flags: tuple[str, ...]
    header: str
    vector: str
    load: str
    load_first: str
    broadcast: str
    multiply_add: str
    add: str
    relu: str
    larger: str
    store: str
    store_first: str
    prefetch: str

    def first(self, lanes: int) -> dict[str, int | str]:
        """The operands that say which lanes: the first `lanes`."""
        flags = ", ".join("-1" if lane < lanes else "0" for lane in range(self.lanes))
        return {"bits": (1 << lanes) - 1, "flags": flags}


PREFETCH = "__builtin_prefetch((const void *)({0}), 0, 2);"  # to read, into the second-level cache, past the first

INSTRUCTION_SETS = {
    "avx512": InstructionSet(
        name="AVX-512",
        lanes=16,
        registers=32,
        flags=("-mavx2", "-mfma", "-mavx512f"),
        header="immintrin.h",
        vector="__m512",
        load="_mm512_loadu_ps({0})",
        load_first="_mm512_maskz_loadu_ps({bits:#06x}, {0})",
        broadcast="_mm512_set1_ps({0})",
        multiply_add="_mm512_fmadd_ps({0}, {1}, {2})",
        add="_mm512_add_ps({0}, {1})",
        relu="_mm512_max_ps(_mm512_setzero_ps(), {0})",  # if either is NaN: the second
        larger="_mm512_mask_max_ps({0}, _mm512_cmp_ps_mask({0}, {0}, _CMP_ORD_Q), {0}, {1})",
        store="_mm512_storeu_ps({0}, {1});",
        store_first="_mm512_mask_storeu_ps({0}, {bits:#06x}, {1});",
        prefetch=PREFETCH,
    ),
    "avx2": InstructionSet(
        name="AVX2",
        lanes=8,
        registers=16,
        flags=("-mavx2", "-mfma"),
        header="immintrin.h",
        vector="__m256",
        load="_mm256_loadu_ps({0})",
        load_first="_mm256_maskload_ps({0}, _mm256_setr_epi32({flags}))",
        broadcast="_mm256_set1_ps({0})",
        multiply_add="_mm256_fmadd_ps({0}, {1}, {2})",
        add="_mm256_add_ps({0}, {1})",
        relu="_mm256_max_ps(_mm256_setzero_ps(), {0})",
        larger="_mm256_blendv_ps(_mm256_max_ps({0}, {1}), {0}, _mm256_cmp_ps({0}, {0}, _CMP_UNORD_Q))",
        store="_mm256_storeu_ps({0}, {1});",
        store_first="_mm256_maskstore_ps({0}, _mm256_setr_epi32({flags}), {1});",
        prefetch=PREFETCH,
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
        load="vld1q_f32({0})",
        load_first="(float32x4_t){{({0})[0], {bits} & 2 ? ({0})[1] : 0, {bits} & 4 ? ({0})[2] : 0, 0}}",
        broadcast="vdupq_n_f32({0})",
        multiply_add="vfmaq_f32({2}, {0}, {1})",
        add="vaddq_f32({0}, {1})",
        relu="vmaxq_f32({0}, vdupq_n_f32(0))",  # NaN if either is
        larger="vmaxq_f32({0}, {1})",
        store="vst1q_f32({0}, {1});",
        store_first="for (int lane = 0; {bits:#x} >> lane; lane++) ({0})[lane] = ({1})[lane];",
        prefetch=PREFETCH,
    ),
}


def runnable() -> list[str]:
    """The rows that this processor can run, the first choice first."""
    return ["neon"] if ARM else ["avx512"] * ops.has_avx512() + ["avx2"]


def instruction_set() -> InstructionSet:
    """The first row that this processor can run, or the one that $RESNET50_ISA names.

    Raises `UnsupportedProcessor` if it can run none, or not that one.
    """
    ops.require_processor()
    able = runnable()
    wanted = os.environ.get("RESNET50_ISA") or able[0]
    if wanted not in able:
        raise UnsupportedProcessor(f"RESNET50_ISA is {wanted!r}, but on this processor it must be {' or '.join(able)}")
    return INSTRUCTION_SETS[wanted]
