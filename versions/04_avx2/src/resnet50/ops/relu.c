/* Rectified linear unit: negative numbers become zero. */
#include "lanes.h"
#include "operators.h"

void relu(float *restrict output, const float *restrict x, ptrdiff_t count)
{
    const __m256 zero = _mm256_setzero_ps();
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES)
        _mm256_storeu_ps(output + i, _mm256_max_ps(zero, _mm256_loadu_ps(x + i))); /* if one is NaN: the second */
    for (; i < count; i++)
        output[i] = x[i] < 0.0f ? 0.0f : x[i];
}
