/* A picture's float32 numbers as bytes. */
#include <stdbool.h>

#include "operators.h"
#include "quad.h"

void quantise(uint8_t *restrict output, const float *restrict x, ptrdiff_t height, ptrdiff_t width, ptrdiff_t margin,
              const float *restrict scale, ptrdiff_t first, ptrdiff_t end)
{
    const ptrdiff_t wide = width + 2 * margin;
    for (ptrdiff_t row = first; row < end; row++) {
        const bool inside = row >= margin && row < margin + height;
        const float *pixel = inside ? x + (row - margin) * width * 3 : x;
        for (ptrdiff_t column = 0; column < wide; column++) {
            __m128 values = _mm_setzero_ps();
            if (inside && column >= margin && column < margin + width) {
                values = _mm_div_ps(_mm_setr_ps(pixel[0], pixel[1], pixel[2], 0.0f), _mm_set1_ps(scale[0]));
                pixel += 3;
            }
            write_quad(output + (row * wide + column) * QUAD, values, scale[1]);
        }
    }
}
