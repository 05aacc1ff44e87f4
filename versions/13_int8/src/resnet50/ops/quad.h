/* Four neighbouring channels of a pixel, as bytes. */
#ifndef QUAD_H
#define QUAD_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

enum { QUAD = 4 };

/* Writes values + zero_point, rounded and kept between 0 and 255.  Rounds before it adds: a tie goes to the even
 * neighbour, which is another one if the zero point is odd. */
static inline void write_quad(uint8_t *output, __m128 values, float zero_point)
{
    const __m128 most = _mm_set1_ps(255.0f - zero_point);
    const __m128i whole = _mm_cvtps_epi32(_mm_min_ps(values, most)); /* what is too small becomes -2^31 */
    const __m128i moved = _mm_add_epi32(whole, _mm_set1_epi32((int)zero_point));
    const __m128i words = _mm_packus_epi32(moved, moved);
    const int32_t quad = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    memcpy(output, &quad, QUAD);
}

/* The four channels, as whole numbers. */
static inline __m128i read_quad(const uint8_t *x)
{
    int32_t quad;
    memcpy(&quad, x, QUAD);
    return _mm_cvtepu8_epi32(_mm_cvtsi32_si128(quad));
}

#endif
