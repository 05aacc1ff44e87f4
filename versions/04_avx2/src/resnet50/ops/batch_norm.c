/* Batch normalisation with the statistics of the training set: each channel is normalised, then scaled and shifted. */
#include "lanes.h"
#include "operators.h"

static const float EPSILON = 1e-5f; /* PyTorch's default, with which the weights were trained */

enum { BLOCK = 256 }; /* channels per block: their scales stay in cache while the picture is read in order */

void batch_norm(float *restrict output, const float *restrict x, const float *restrict weight,
                const float *restrict bias, const float *restrict mean, const float *restrict variance,
                ptrdiff_t pixels, ptrdiff_t channels)
{
    for (ptrdiff_t first = 0; first < channels; first += BLOCK) {
        const ptrdiff_t end = channels - first < BLOCK ? channels : first + BLOCK;
        float scale[BLOCK];
        for (ptrdiff_t c = first; c < end; c += LANES) {
            const __m256i lanes = first_lanes(end - c);
            const __m256 spread = _mm256_add_ps(_mm256_maskload_ps(variance + c, lanes), _mm256_set1_ps(EPSILON));
            const __m256 factor = _mm256_div_ps(_mm256_maskload_ps(weight + c, lanes), _mm256_sqrt_ps(spread));
            _mm256_storeu_ps(scale + c - first, factor);
        }
        for (ptrdiff_t pixel = 0; pixel < pixels; pixel++) {
            const float *values = x + pixel * channels;
            float *normalised = output + pixel * channels;
            for (ptrdiff_t c = first; c < end; c += LANES) {
                const __m256i lanes = first_lanes(end - c);
                const __m256 center = _mm256_maskload_ps(mean + c, lanes), offset = _mm256_maskload_ps(bias + c, lanes);
                const __m256 difference = _mm256_sub_ps(_mm256_maskload_ps(values + c, lanes), center);
                const __m256 factor = _mm256_loadu_ps(scale + c - first);
                _mm256_maskstore_ps(normalised + c, lanes, _mm256_fmadd_ps(difference, factor, offset));
            }
        }
    }
}
