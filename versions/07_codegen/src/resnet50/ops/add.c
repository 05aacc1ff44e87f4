/* Residual sum: a block's output plus its input. */
#include "lanes.h"
#include "operators.h"

void add(float *restrict output, const float *x, const float *y, ptrdiff_t count)
{
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES)
        store(output + i, load(x + i) + load(y + i));
    for (; i < count; i++)
        output[i] = x[i] + y[i];
}
