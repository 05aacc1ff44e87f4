/* The operators of ResNet-50 whose C is not generated: plain functions over pointers and sizes, which know nothing of
 * Python and cannot fail.
 *
 * Tensors are row-major and dense; activations are (height, width, channels).  A pixel of bytes is filled up to whole
 * quads: four channels, 32 bits.  The output comes first, is written completely, and overlaps no input; sizes are at
 * least 1. */
#ifndef OPERATORS_H
#define OPERATORS_H

#include <stddef.h>
#include <stdint.h>

/* output (height + 2 margin, width + 2 margin, 1 quad) is x (height, width, 3), float32, as bytes, inside a margin of
 * zeros; the fourth channel is zero too.  Zero is the byte scale[1], and scale[0] what one more means.  Only the rows
 * from `first` to `end` of the output are computed. */
void quantise(uint8_t *restrict output, const float *restrict x, ptrdiff_t height, ptrdiff_t width, ptrdiff_t margin,
              const float *restrict scale, ptrdiff_t first, ptrdiff_t end);

/* output (quads) is the sum over x (pixels, quads), bytes, times `factor`; only the quads from `first` to `end` are
 * computed. */
void average_pool(uint8_t *restrict output, const uint8_t *restrict x, ptrdiff_t pixels, ptrdiff_t quads, float factor,
                  ptrdiff_t first, ptrdiff_t end);

#endif
