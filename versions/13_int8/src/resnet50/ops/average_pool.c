/* Global average pooling: one byte for each channel. */
#include "operators.h"
#include "quad.h"

void average_pool(uint8_t *restrict output, const uint8_t *restrict x, ptrdiff_t pixels, ptrdiff_t quads, float factor,
                  ptrdiff_t first, ptrdiff_t end)
{
    for (ptrdiff_t quad = first; quad < end; quad++) {
        __m128i total = _mm_setzero_si128();
        for (ptrdiff_t i = quad; i < pixels * quads; i += quads)
            total = _mm_add_epi32(total, read_quad(x + i * QUAD));
        write_quad(output + quad * QUAD, _mm_mul_ps(_mm_cvtepi32_ps(total), _mm_set1_ps(factor)), 0.0f);
    }
}
