/* Rectified linear unit: negative numbers become zero. */
#include "operators.h"

void relu(float *restrict output, const float *restrict x, ptrdiff_t count)
{
    for (ptrdiff_t i = 0; i < count; i++)
        output[i] = x[i] < 0.0f ? 0.0f : x[i];
}
