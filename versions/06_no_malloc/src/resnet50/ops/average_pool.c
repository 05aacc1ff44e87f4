/* Global average pooling: one number for each channel. */
#include "lanes.h"
#include "operators.h"

void average_pool(float *restrict output, const float *restrict x, ptrdiff_t pixels, ptrdiff_t channels)
{
    for (ptrdiff_t channel = 0; channel < channels; channel += LANES) {
        const __m256i lanes = first_lanes(channels - channel);
        __m256 total = _mm256_setzero_ps();
        for (ptrdiff_t i = channel; i < pixels * channels; i += channels)
            total = _mm256_add_ps(total, _mm256_maskload_ps(x + i, lanes));
        _mm256_maskstore_ps(output + channel, lanes, _mm256_div_ps(total, _mm256_set1_ps((float)pixels)));
    }
}
