/* Rectified linear unit: negative numbers become zero. */
#include "lanes.h"
#include "operators.h"

void relu(float *restrict output, const float *restrict x, ptrdiff_t count)
{
    const vector zero = broadcast(0.0f);
    ptrdiff_t i = 0;
    for (; i + LANES <= count; i += LANES)
        store(output + i, maximum(zero, load(x + i)));
    for (; i < count; i++)
        output[i] = x[i] < 0.0f ? 0.0f : x[i];
}
