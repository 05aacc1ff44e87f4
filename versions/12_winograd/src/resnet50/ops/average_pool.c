/* Global average pooling: one number for each channel. */
#include "operators.h"

void average_pool(float *restrict output, const float *restrict x, ptrdiff_t pixels, ptrdiff_t channels,
                  ptrdiff_t first, ptrdiff_t end)
{
    for (ptrdiff_t channel = first; channel < end; channel++) {
        float total = 0.0f;
        for (ptrdiff_t i = channel; i < pixels * channels; i += channels)
            total += x[i];
        output[channel] = total / (float)pixels;
    }
}
