"""The vector instructions that generated C may use, and which of them this processor has."""

import os
from dataclasses import dataclass, replace

from . import ops
from .errors import UnsupportedProcessor


@dataclass(frozen=True)
class InstructionSet:
    """A row of the table: the registers of a processor, and the C for everything that a tile does with them.

    `lanes`: sums, of 32 bits, in a register. `flags`: the compiler's. `vector`, `floats`, `bytes`: the C types of a
    register of whole numbers, of float32 numbers, and of the bytes of two registers. `terms`: what of a number and of a
    register of weights is multiplied, one term after the other, each with a name; `temporaries`: registers that this
    needs in addition. `helper`: C that comes before all else.

    The rest are templates: those that store, of which some write only the first lanes, and `prefetch`, which asks for
    the cache line of an address but reads nothing, of statements; the others of expressions. {0} to {3} are their
    operands. Which lanes {bits} and {flags} say: a number with a bit for each lane, and a -1 or 0 for each; {quads} is
    a -1 or 0 for each quad of 128 bits.

    `smaller`, `positive`: the smaller of two numbers, of which the second is not negative, and the larger of one and 0.
    They compare the bits, as whole numbers: among numbers that are not negative the order is the same, and the bits of
    negative ones are negative. Zen 4 starts two such instructions in a cycle, but only one of those for float32.

    `narrow`: four registers of whole numbers become bytes, 0 what is negative, and 255 what is larger. The first two
    are the `lower` half of the result, the others the `upper` one. `widen` takes an address of bytes.
    """

    name: str
    lanes: int
    registers: int
    temporaries: int
    flags: tuple[str, ...]
    header: str
    vector: str
    floats: str
    bytes: str
    load: str
    broadcast: str
    terms: tuple[tuple[str, str, str], ...]
    helper: tuple[str, ...]
    multiply_add: str
    add: str
    load_floats: str
    broadcast_float: str
    to_floats: str
    multiply: str
    fused: str
    positive: str
    smaller: str
    add_floats: str
    rounded: str
    to_whole: str
    narrow: str
    lower: str
    upper: str
    widen: str
    widen_first: str
    larger_bytes: str
    load_bytes: str
    store: str
    store_first: str
    store_floats: str
    store_floats_first: str
    prefetch: str

    def first(self, lanes: int) -> dict[str, int | str]:
        """The operands that say which lanes, or quads: the first `lanes`."""
        flags = ["-1" if lane < lanes else "0" for lane in range(self.lanes)]
        return {"bits": (1 << lanes) - 1, "flags": ", ".join(flags), "quads": ", ".join(flags[:4])}


# Multiplies and adds, in place of intrinsics: with these gcc 12 keeps the sums on the stack, where the innermost loop
# writes them in each iteration. A 1x1 convolution of 56 x 56 x 64 to 256 took 702 us in place of 395 with AVX-512 VNNI.
DOT = (
    "/* Adds products to the sum in each lane. */",
    "INLINE {vector} dot({vector} sum, {vector} value, {vector} factor)",
    "{{",
    "    {assembly}",
    "    return sum;",
    "}}",
)


def dot(vector: str, assembly: str) -> tuple[str, ...]:
    """DOT for registers of the C type `vector`."""
    return tuple(line.format(vector=vector, assembly=assembly) for line in DOT)


# Each of these instructions packs 128 bits of one register beside the same 128 bits of the other. So in the end the
# quads are in the wrong order.
NARROW = (
    "",
    "/* Packs whole numbers into bytes: what is negative becomes 0, and what is larger than 255 becomes 255. */",
    "INLINE {vector} narrow({vector} a, {vector} b, {vector} c, {vector} d)",
    "{{",
    "    const {vector} ab = {packs}(a, b), cd = {packs}(c, d); /* 16 bits each */",
    "    const {vector} quads = {packus}(ab, cd);",
    "    return {permute};",
    "}}",
)


def narrow(vector: str, packs: str, packus: str, permute: str) -> tuple[str, ...]:
    """NARROW for registers of the C type `vector`."""
    return tuple(line.format(vector=vector, packs=packs, packus=packus, permute=permute) for line in NARROW)


PREFETCH = "_mm_prefetch((const void *)({0}), _MM_HINT_T1);"  # into the second-level cache, past the first

AVX512_VNNI = InstructionSet(
    name="AVX-512 VNNI",
    lanes=16,
    registers=32,
    temporaries=0,
    flags=("-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512vnni"),
    header="immintrin.h",
    vector="__m512i",
    floats="__m512",
    bytes="__m256i",
    load="_mm512_loadu_si512({0})",
    broadcast="_mm512_set1_epi32({0})",
    terms=(("factor", "{0}", "{0}"),),
    helper=(
        *dot("__m512i", '__asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(value), "v"(factor));'),
        *narrow(
            "__m512i",
            "_mm512_packs_epi32",
            "_mm512_packus_epi16",
            "_mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), quads)",
        ),
    ),
    multiply_add="dot({2}, {0}, {1})",
    add="_mm512_add_epi32({0}, {1})",
    load_floats="_mm512_loadu_ps({0})",
    broadcast_float="_mm512_set1_ps({0})",
    to_floats="_mm512_cvtepi32_ps({0})",
    multiply="_mm512_mul_ps({0}, {1})",
    fused="_mm512_fmadd_ps({0}, {1}, {2})",
    positive="_mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512({0}), _mm512_setzero_si512()))",
    smaller="_mm512_castsi512_ps(_mm512_min_epi32(_mm512_castps_si512({0}), _mm512_castps_si512({1})))",
    add_floats="_mm512_add_ps({0}, {1})",
    rounded="_mm512_roundscale_ps({0}, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)",
    to_whole="_mm512_cvtps_epi32({0})",
    narrow="narrow({0}, {1}, {2}, {3})",
    lower="_mm512_castsi512_si256({0})",
    upper="_mm512_extracti64x4_epi64({0}, 1)",
    widen="_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)({0}))))",
    widen_first="_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi32({bits:#06x}, {0})))",
    larger_bytes="_mm256_max_epu8({0}, {1})",
    load_bytes="_mm256_loadu_si256((const __m256i *)({0}))",
    store="_mm256_storeu_si256((__m256i *)({0}), {1});",
    store_first="_mm256_mask_storeu_epi32({0}, {bits:#06x}, {1});",
    store_floats="_mm512_storeu_ps({0}, {1});",
    store_floats_first="_mm512_mask_storeu_ps({0}, {bits:#06x}, {1});",
    prefetch=PREFETCH,
)
NARROW_AVX2 = narrow(
    "__m256i",
    "_mm256_packs_epi32",
    "_mm256_packus_epi16",
    "_mm256_permutevar8x32_epi32(quads, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7))",
)
AVX_VNNI = InstructionSet(
    name="AVX-VNNI",
    lanes=8,
    registers=16,
    temporaries=0,
    flags=("-mavx2", "-mfma", "-mavxvnni"),
    header="immintrin.h",
    vector="__m256i",
    floats="__m256",
    bytes="__m128i",
    load="_mm256_loadu_si256((const __m256i *)({0}))",
    broadcast="_mm256_set1_epi32({0})",
    terms=(("factor", "{0}", "{0}"),),
    # {vex}: not AVX-512's form of the instruction
    helper=(
        *dot("__m256i", '__asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(value), "x"(factor));'),
        *NARROW_AVX2,
    ),
    multiply_add="dot({2}, {0}, {1})",
    add="_mm256_add_epi32({0}, {1})",
    load_floats="_mm256_loadu_ps((const float *)({0}))",
    broadcast_float="_mm256_set1_ps({0})",
    to_floats="_mm256_cvtepi32_ps({0})",
    multiply="_mm256_mul_ps({0}, {1})",
    fused="_mm256_fmadd_ps({0}, {1}, {2})",
    positive="_mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256({0}), _mm256_setzero_si256()))",
    smaller="_mm256_castsi256_ps(_mm256_min_epi32(_mm256_castps_si256({0}), _mm256_castps_si256({1})))",
    add_floats="_mm256_add_ps({0}, {1})",
    rounded="_mm256_round_ps({0}, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)",
    to_whole="_mm256_cvtps_epi32({0})",
    narrow="narrow({0}, {1}, {2}, {3})",
    lower="_mm256_castsi256_si128({0})",
    upper="_mm256_extracti128_si256({0}, 1)",
    widen="_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)({0}))))",
    widen_first="_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_maskload_epi32((const int *)({0}), "
    "_mm_setr_epi32({quads}))))",
    larger_bytes="_mm_max_epu8({0}, {1})",
    load_bytes="_mm_loadu_si128((const __m128i *)({0}))",
    store="_mm_storeu_si128((__m128i *)({0}), {1});",
    store_first="_mm_maskstore_epi32((int *)({0}), _mm_setr_epi32({quads}), {1});",
    store_floats="_mm256_storeu_ps((float *)({0}), {1});",
    store_floats_first="_mm256_maskstore_ps((float *)({0}), _mm256_setr_epi32({flags}), {1});",
    prefetch=PREFETCH,
)
# Without VNNI `vpmaddubsw` would add two products in 16 bits, and saturate: wrong sums. Here bytes become 16 bits wide
# before they are multiplied, those in even places apart from those in odd ones: exact, but with four instructions in
# place of one, another two for each number, and three for each register of weights.
AVX2 = replace(
    AVX_VNNI,
    name="AVX2",
    temporaries=2,  # a product, and the mask
    flags=("-mavx2", "-mfma"),
    terms=(
        (
            "even",
            "_mm256_and_si256({0}, _mm256_set1_epi32(0x00ff00ff))",
            "_mm256_srai_epi16(_mm256_slli_epi16({0}, 8), 8)",
        ),
        ("odd", "_mm256_srli_epi16({0}, 8)", "_mm256_srai_epi16({0}, 8)"),
    ),
    helper=(
        *dot(
            "__m256i",
            '__m256i pairs; __asm__("vpmaddwd %3, %2, %1; vpaddd %1, %0, %0" : "+x"(sum), "=&x"(pairs) '
            ': "x"(value), "x"(factor));',
        ),
        *NARROW_AVX2,
    ),
    multiply_add="dot({2}, {0}, {1})",
)
INSTRUCTION_SETS = {"avx512vnni": AVX512_VNNI, "avxvnni": AVX_VNNI, "avx2": AVX2}


def instruction_set() -> InstructionSet:
    """The first row that this processor can run, or the one that $RESNET50_ISA names.

    Raises `UnsupportedProcessor` if it can run none, or not that one.
    """
    ops.require_processor()
    has = {"avx512vnni": ops.has_avx512_vnni(), "avxvnni": ops.has_avx_vnni(), "avx2": True}
    able = [name for name in INSTRUCTION_SETS if has[name]]
    wanted = os.environ.get("RESNET50_ISA") or able[0]
    if wanted not in able:
        raise UnsupportedProcessor(f"RESNET50_ISA is {wanted!r}, but on this processor it must be {' or '.join(able)}")
    return INSTRUCTION_SETS[wanted]
