/* Max pooling: the largest value of each window, channel by channel. */
#include <math.h>

#include "lanes.h"
#include "operators.h"

/* The larger of each lane; NaN wins. max_ps alone gives its second operand when either is NaN. */
static __m256 larger(__m256 best, __m256 value)
{
    return _mm256_blendv_ps(_mm256_max_ps(best, value), best, _mm256_cmp_ps(best, best, _CMP_UNORD_Q));
}

/* The largest values of up to 8 channels in the window whose corner is (top, left), which may lie outside x. */
static __m256 window_max(const float *restrict x, __m256i lanes, ptrdiff_t top, ptrdiff_t left, const window_shape *s)
{
    __m256 best = _mm256_set1_ps(-INFINITY);
    for (ptrdiff_t i = 0; i < s->kernel_height; i++) {
        if (top + i < 0 || top + i >= s->height)
            continue;
        for (ptrdiff_t j = 0; j < s->kernel_width; j++) {
            if (left + j < 0 || left + j >= s->width)
                continue;
            const float *values = x + ((top + i) * s->width + left + j) * s->channels;
            best = larger(best, _mm256_maskload_ps(values, lanes));
        }
    }
    return best;
}

void max_pool(float *restrict output, const float *restrict x, const window_shape *shape)
{
    for (ptrdiff_t row = 0; row < shape->out_height; row++) {
        for (ptrdiff_t column = 0; column < shape->out_width; column++, output += shape->channels) {
            const ptrdiff_t top = row * shape->stride - shape->padding;
            const ptrdiff_t left = column * shape->stride - shape->padding;
            for (ptrdiff_t channel = 0; channel < shape->channels; channel += LANES) {
                const __m256i lanes = first_lanes(shape->channels - channel);
                _mm256_maskstore_ps(output + channel, lanes, window_max(x + channel, lanes, top, left, shape));
            }
        }
    }
}
