/* The one operator of ResNet-50 whose C is not generated: a plain function over pointers and sizes, which knows nothing
 * of Python and cannot fail.
 *
 * Tensors are float32, row-major and dense; activations are (height, width, channels).  The output comes first, is
 * written completely, and overlaps no input; sizes are at least 1. */
#ifndef OPERATORS_H
#define OPERATORS_H

#include <stddef.h>

/* output (channels) is the mean over x (pixels, channels); only the channels from `first` to `end` are computed. */
void average_pool(float *restrict output, const float *restrict x, ptrdiff_t pixels, ptrdiff_t channels,
                  ptrdiff_t first, ptrdiff_t end);

#endif
