/* Convolution: each output pixel is a sum over the window of input pixels around it. */
#include <math.h>

#include "lanes.h"
#include "operators.h"

/* An FMA takes 4 cycles and 2 start in each, so 8 sums must be under way at once, which is called
 * instruction-level parallelism: one pixel by 8 registers of output channels.  With AVX2 they make a strip of 64, with
 * NEON half of one. */
enum { STRIP = 64, WIDTH = 8 * LANES };

/* The sums for 8 registers of output channels of a strip.  Lanes lie along the output channels, which the strip holds
 * side by side: each input number meets 8 * LANES kernels at once, and no lane is ever added to its neighbour. */
static void strip_sums(float *restrict output, const float *restrict x, const float *restrict strip, ptrdiff_t top,
                       ptrdiff_t left, const window_shape *s)
{
    vector sum0 = broadcast(0.0f), sum1 = sum0, sum2 = sum0, sum3 = sum0;
    vector sum4 = sum0, sum5 = sum0, sum6 = sum0, sum7 = sum0;
    for (ptrdiff_t i = 0; i < s->kernel_height; i++) {
        if (top + i < 0 || top + i >= s->height)
            continue;
        for (ptrdiff_t j = 0; j < s->kernel_width; j++) {
            if (left + j < 0 || left + j >= s->width)
                continue;
            const float *values = x + ((top + i) * s->width + left + j) * s->channels;
            const float *factors = strip + (i * s->kernel_width + j) * s->channels * STRIP;
            for (ptrdiff_t k = 0; k < s->channels; k++, factors += STRIP) {
                const vector value = broadcast(values[k]);
                sum0 = multiply_add(value, load(factors), sum0);
                sum1 = multiply_add(value, load(factors + LANES), sum1);
                sum2 = multiply_add(value, load(factors + 2 * LANES), sum2);
                sum3 = multiply_add(value, load(factors + 3 * LANES), sum3);
                sum4 = multiply_add(value, load(factors + 4 * LANES), sum4);
                sum5 = multiply_add(value, load(factors + 5 * LANES), sum5);
                sum6 = multiply_add(value, load(factors + 6 * LANES), sum6);
                sum7 = multiply_add(value, load(factors + 7 * LANES), sum7);
            }
        }
    }
    store(output, sum0);
    store(output + LANES, sum1);
    store(output + 2 * LANES, sum2);
    store(output + 3 * LANES, sum3);
    store(output + 4 * LANES, sum4);
    store(output + 5 * LANES, sum5);
    store(output + 6 * LANES, sum6);
    store(output + 7 * LANES, sum7);
}

/* The sum for one output channel of the window whose corner is (top, left), which may lie outside x.  It is rounded
 * as a lane of strip_sums is: equal kernels give equal sums, wherever they stand. */
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
                total = fmaf(values[k], factors[k], total);
        }
    }
    return total;
}

/* Strip after strip, so that its kernels (up to 1.2 MB: 64 of 3x3x512) come from the L2 cache for all pixels but the
 * first.  The channels left over from the strips are summed one by one; a full ResNet-50's convolutions have none. */
void conv2d(float *restrict output, const float *restrict x, const float *restrict weight, const window_shape *shape)
{
    const ptrdiff_t kernel_size = shape->kernel_height * shape->kernel_width * shape->channels;
    for (ptrdiff_t o = 0; o < shape->outputs;) {
        const ptrdiff_t width = shape->outputs - o < STRIP ? 1 : STRIP;
        for (ptrdiff_t row = 0; row < shape->out_height; row++) {
            for (ptrdiff_t column = 0; column < shape->out_width; column++) {
                const ptrdiff_t top = row * shape->stride - shape->padding;
                const ptrdiff_t left = column * shape->stride - shape->padding;
                float *pixel = output + (row * shape->out_width + column) * shape->outputs + o;
                if (width == STRIP)
                    for (ptrdiff_t c = 0; c < STRIP; c += WIDTH)
                        strip_sums(pixel + c, x, weight + o * kernel_size + c, top, left, shape);
                else
                    *pixel = window_sum(x, weight + o * kernel_size, top, left, shape);
            }
        }
        o += width;
    }
}
