/* Global average pooling: one number for each channel. */
#include "operators.h"

void average_pool(float *restrict output, const float *restrict x, ptrdiff_t pixels, ptrdiff_t channels,
                  ptrdiff_t first, ptrdiff_t end)
{
    for (ptrdiff_t channel = first; channel < end; channel++)
        output[channel] = 0.0f;
    for (ptrdiff_t pixel = 0; pixel < pixels; pixel++)
        for (ptrdiff_t channel = first; channel < end; channel++)
            output[channel] += x[pixel * channels + channel];
    for (ptrdiff_t channel = first; channel < end; channel++)
        output[channel] /= (float)pixels;
}
