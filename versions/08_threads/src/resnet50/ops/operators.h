/* The operators of ResNet-50: plain functions over pointers and sizes, which know nothing of Python and cannot fail.
 *
 * Tensors are float32, row-major and dense; activations are (height, width, channels).  The output comes first, is
 * written completely, and overlaps no input; sizes are at least 1.
 *
 * A worker's share, which may be empty, is the rows or channels from `first` to `end`, or some of the pixels.
 * Convolution and linear layer are missing: their C is generated. */
#ifndef OPERATORS_H
#define OPERATORS_H

#include <stddef.h>

/* A window of kernel_height x kernel_width that moves over `height` x `width` in steps of `stride`. */
typedef struct {
    ptrdiff_t height, width, channels;
    ptrdiff_t out_height, out_width, outputs;
    ptrdiff_t kernel_height, kernel_width, stride, padding;
} window_shape;

/* output, x (pixels, channels); weight, bias, mean, variance (channels). */
void batch_norm(float *restrict output, const float *restrict x, const float *restrict weight,
                const float *restrict bias, const float *restrict mean, const float *restrict variance,
                ptrdiff_t pixels, ptrdiff_t channels);

/* output, x (count); NaN stays NaN. */
void relu(float *restrict output, const float *restrict x, ptrdiff_t count);

/* output (out_height, out_width, channels); outside x lies minus infinity; NaN wins over all. */
void max_pool(float *restrict output, const float *restrict x, const window_shape *shape, ptrdiff_t first,
              ptrdiff_t end);

/* output (channels) is the mean over x (pixels, channels). */
void average_pool(float *restrict output, const float *restrict x, ptrdiff_t pixels, ptrdiff_t channels,
                  ptrdiff_t first, ptrdiff_t end);

/* output, x, y (count); x and y may be the same. */
void add(float *restrict output, const float *x, const float *y, ptrdiff_t count);

#endif
