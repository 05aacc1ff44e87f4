/* Max pooling: the largest value of each window, channel by channel. */
#include <math.h>

#include "lanes.h"
#include "operators.h"

/* The largest values of a register of channels in the window whose corner is (top, left), which may lie outside x. */
static vector window_max(const float *restrict x, lane_mask lanes, ptrdiff_t top, ptrdiff_t left, const window_shape *s)
{
    vector best = broadcast(-INFINITY);
    for (ptrdiff_t i = 0; i < s->kernel_height; i++) {
        if (top + i < 0 || top + i >= s->height)
            continue;
        for (ptrdiff_t j = 0; j < s->kernel_width; j++) {
            if (left + j < 0 || left + j >= s->width)
                continue;
            const float *values = x + ((top + i) * s->width + left + j) * s->channels;
            best = larger(best, load_lanes(values, lanes));
        }
    }
    return best;
}

void max_pool(float *restrict output, const float *restrict x, const window_shape *shape)
{
    for (ptrdiff_t row = 0; row < shape->out_height; row++) {
        for (ptrdiff_t column = 0; column < shape->out_width; column++, output += shape->channels) {
            const ptrdiff_t top = row * shape->stride - shape->padding;
            const ptrdiff_t left = column * shape->stride - shape->padding;
            for (ptrdiff_t channel = 0; channel < shape->channels; channel += LANES) {
                const lane_mask lanes = first_lanes(shape->channels - channel);
                store_lanes(output + channel, lanes, window_max(x + channel, lanes, top, left, shape));
            }
        }
    }
}
