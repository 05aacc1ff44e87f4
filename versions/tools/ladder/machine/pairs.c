/* Sums of products of bytes and signed bytes, with the two ways that AVX2 has.
 *
 * sums (pixels, outputs); x (pixels, size), bytes; weights (outputs, size), signed bytes.  `size` is a multiple of 32.
 * Whoever calls a function asks first whether the processor has AVX2. */
#if defined(__x86_64__)
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define AVX2 __attribute__((target("avx2")))
#define SUMS(name, step)                                                                                               \
    AVX2 void name(int32_t *sums, const uint8_t *x, const int8_t *weights, ptrdiff_t pixels, ptrdiff_t outputs,        \
                   ptrdiff_t size)                                                                                     \
    {                                                                                                                  \
        for (ptrdiff_t p = 0; p < pixels; p++)                                                                         \
            for (ptrdiff_t o = 0; o < outputs; o++) {                                                                  \
                __m256i sum = _mm256_setzero_si256();                                                                  \
                for (ptrdiff_t k = 0; k < size; k += 32)                                                               \
                    sum = step(sum, _mm256_loadu_si256((const __m256i *)(x + p * size + k)),                           \
                               _mm256_loadu_si256((const __m256i *)(weights + o * size + k)));                         \
                sums[p * outputs + o] = total(sum);                                                                    \
            }                                                                                                          \
    }

AVX2 static int32_t total(__m256i sum)
{
    int32_t lanes[8], result = 0;
    _mm256_storeu_si256((__m256i *)lanes, sum);
    for (int i = 0; i < 8; i++)
        result += lanes[i];
    return result;
}

/* The obvious way: vpmaddubsw adds two neighbouring products in 16 bits, and saturates at 32767 and -32768. */
AVX2 static inline __m256i pairs(__m256i sum, __m256i value, __m256i factor)
{
    const __m256i products = _mm256_maddubs_epi16(value, factor);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
}

/* The exact way, as 13_int8 does it: bytes become 16 bits wide, those in even places apart from those in odd ones. */
AVX2 static inline __m256i words(__m256i sum, __m256i value, __m256i factor)
{
    const __m256i even = _mm256_and_si256(value, _mm256_set1_epi32(0x00ff00ff)), odd = _mm256_srli_epi16(value, 8);
    const __m256i even_factor = _mm256_srai_epi16(_mm256_slli_epi16(factor, 8), 8);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(even, even_factor));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(odd, _mm256_srai_epi16(factor, 8)));
}

SUMS(sums_by_pairs, pairs)
SUMS(sums_by_words, words)
#endif
