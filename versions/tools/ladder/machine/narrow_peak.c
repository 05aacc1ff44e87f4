/* The most multiply-adds of narrow numbers that one core of this processor can start, as in peak.c for float32.
 *
 * A file of its own, since a compiler that does not know these instructions may still measure float32.  Each function
 * adds the products of ones to 12 independent sums, `rounds` times, and returns the total of one lane.  The sums have
 * names, since gcc 12 keeps arrays of integer registers in memory. */
#if defined(__x86_64__)
#include <immintrin.h>

#define EACH(step) step(a) step(b) step(c) step(d) step(e) step(f) step(g) step(h) step(i) step(j) step(k) step(l)

/* Bytes: vpdpbusd adds four products to each lane at once. */
__attribute__((target("avx512f,avx512vnni"))) float peak_avx512_vnni(long rounds)
{
    const __m512i ones = _mm512_set1_epi8(1);
#define START(x) __m512i x = _mm512_setzero_si512();
#define STEP(x) __asm__("vpdpbusd %1, %1, %0" : "+v"(x) : "v"(ones));
#define TOTAL(x) total += _mm_cvtsi128_si32(_mm512_castsi512_si128(x));
    EACH(START)
    for (long round = 0; round < rounds; round++) {
        EACH(STEP)
    }
    int total = 0;
    EACH(TOTAL)
    return (float)total;
#undef START
#undef STEP
#undef TOTAL
}

/* The same with 256 bits, on processors that have no AVX-512. */
__attribute__((target("avx2,avxvnni"))) float peak_avx_vnni(long rounds)
{
    const __m256i ones = _mm256_set1_epi8(1);
#define START(x) __m256i x = _mm256_setzero_si256();
#define STEP(x) __asm__("%{vex%} vpdpbusd %1, %1, %0" : "+x"(x) : "x"(ones));
#define TOTAL(x) total += _mm_cvtsi128_si32(_mm256_castsi256_si128(x));
    EACH(START)
    for (long round = 0; round < rounds; round++) {
        EACH(STEP)
    }
    int total = 0;
    EACH(TOTAL)
    return (float)total;
#undef STEP
}

/* Without VNNI, exactly: bytes are widened to 16 bits, vpmaddwd makes a sum of two products, and vpaddd adds it. */
__attribute__((target("avx2"))) float peak_avx2_words(long rounds)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i products;
#define STEP(x) __asm__("vpmaddwd %2, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(x), "=&x"(products) : "x"(ones));
    EACH(START)
    for (long round = 0; round < rounds; round++) {
        EACH(STEP)
    }
    int total = 0;
    EACH(TOTAL)
    return (float)total;
#undef START
#undef STEP
#undef TOTAL
}

/* bfloat16: vdpbf16ps adds two products to each lane, which is a float32. */
__attribute__((target("avx512f,avx512bf16"))) float peak_avx512_bf16(long rounds)
{
    const __m512i ones = _mm512_set1_epi16(0x3f80);
#define START(x) __m512 x = _mm512_setzero_ps();
#define STEP(x) __asm__("vdpbf16ps %1, %1, %0" : "+v"(x) : "v"(ones));
#define TOTAL(x) total += (int)_mm512_cvtss_f32(x);
    EACH(START)
    for (long round = 0; round < rounds; round++) {
        EACH(STEP)
    }
    int total = 0;
    EACH(TOTAL)
    return (float)total;
}
#endif
