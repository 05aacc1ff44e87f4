/* Fully connected layer: every output sees every input. */
#include "operators.h"

void linear(float *restrict output, const float *restrict x, const float *restrict weight, const float *restrict bias,
            ptrdiff_t inputs, ptrdiff_t outputs)
{
    for (ptrdiff_t o = 0; o < outputs; o++) {
        float total = 0.0f;
        for (ptrdiff_t i = 0; i < inputs; i++)
            total += x[i] * weight[o * inputs + i];
        output[o] = total + bias[o];
    }
}
