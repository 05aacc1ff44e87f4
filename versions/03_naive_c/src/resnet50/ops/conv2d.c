/* Convolution: each output pixel is a sum over the window of input pixels around it. */
#include "operators.h"

/* The sum for one output channel of the window whose corner is (top, left), which may lie outside x. */
static float window_sum(const float *restrict x, const float *restrict kernel, ptrdiff_t top, ptrdiff_t left,
                        const window_shape *s)
{
    float total = 0.0f;
    for (ptrdiff_t i = 0; i < s->kernel_height; i++) {
        if (top + i < 0 || top + i >= s->height)
            continue;
        for (ptrdiff_t j = 0; j < s->kernel_width; j++) {
            if (left + j < 0 || left + j >= s->width)
                continue;
            const float *values = x + ((top + i) * s->width + left + j) * s->channels;
            const float *factors = kernel + (i * s->kernel_width + j) * s->channels;
            for (ptrdiff_t k = 0; k < s->channels; k++)
                total += values[k] * factors[k];
        }
    }
    return total;
}

void conv2d(float *restrict output, const float *restrict x, const float *restrict weight, const window_shape *shape)
{
    const ptrdiff_t kernel_size = shape->kernel_height * shape->kernel_width * shape->channels;
    for (ptrdiff_t row = 0; row < shape->out_height; row++) {
        for (ptrdiff_t column = 0; column < shape->out_width; column++) {
            const ptrdiff_t top = row * shape->stride - shape->padding;
            const ptrdiff_t left = column * shape->stride - shape->padding;
            for (ptrdiff_t o = 0; o < shape->outputs; o++)
                *output++ = window_sum(x, weight + o * kernel_size, top, left, shape);
        }
    }
}
