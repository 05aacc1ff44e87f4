/* Batch normalisation with the statistics of the training set: each channel is normalised, then scaled and shifted. */
#include <math.h>

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
        for (ptrdiff_t c = first; c < end; c++)
            scale[c - first] = weight[c] / sqrtf(variance[c] + EPSILON);
        for (ptrdiff_t pixel = 0; pixel < pixels; pixel++) {
            const float *values = x + pixel * channels;
            float *normalised = output + pixel * channels;
            for (ptrdiff_t c = first; c < end; c++)
                normalised[c] = (values[c] - mean[c]) * scale[c - first] + bias[c];
        }
    }
}
