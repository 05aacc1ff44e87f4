/* Batch normalisation with the statistics of the training set: every channel to mean 0, variance 1, then its own. */
#include <math.h>

#include "operators.h"

static const float EPSILON = 1e-5f; /* PyTorch's default, with which the weights were trained */

void batch_norm(float *restrict output, const float *restrict x, const float *restrict weight,
                const float *restrict bias, const float *restrict mean, const float *restrict variance,
                ptrdiff_t pixels, ptrdiff_t channels)
{
    for (ptrdiff_t channel = 0; channel < channels; channel++) {
        const float scale = weight[channel] / sqrtf(variance[channel] + EPSILON);
        for (ptrdiff_t i = channel; i < pixels * channels; i += channels)
            output[i] = (x[i] - mean[channel]) * scale + bias[channel];
    }
}
