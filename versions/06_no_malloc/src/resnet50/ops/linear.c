/* Fully connected layer: every output sees every input. */
#include "operators.h"

void linear(float *restrict output, const float *restrict x, const float *restrict weight, const float *restrict bias,
            ptrdiff_t inputs, ptrdiff_t outputs)
{
    /* It is a 1x1 convolution of a single pixel. */
    const window_shape pixel = {.height = 1,
                                .width = 1,
                                .channels = inputs,
                                .out_height = 1,
                                .out_width = 1,
                                .outputs = outputs,
                                .kernel_height = 1,
                                .kernel_width = 1,
                                .stride = 1};
    conv2d(output, x, weight, &pixel);
    for (ptrdiff_t o = 0; o < outputs; o++)
        output[o] += bias[o];
}
