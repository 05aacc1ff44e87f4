/* Batch normalisation with the statistics of the training set: each channel is normalised, then scaled and shifted. */
#include "lanes.h"
#include "operators.h"

static const float EPSILON = 1e-5f; /* PyTorch's default, with which the weights were trained */

enum { BLOCK = 256 }; /* channels per block: their scales stay in cache while the picture is read in order */

void batch_norm(float *restrict output, const float *restrict x, const float *restrict weight,
                const float *restrict bias, const float *restrict mean, const float *restrict variance,
                ptrdiff_t pixels, ptrdiff_t channels)
{
    for (ptrdiff_t first = 0; first < channels; first += BLOCK) {
        const ptrdiff_t end = channels - first < BLOCK ? channels : first + BLOCK;
        float scale[BLOCK];
        for (ptrdiff_t c = first; c < end; c += LANES) {
            const lane_mask lanes = first_lanes(end - c);
            const vector spread = load_lanes(variance + c, lanes) + broadcast(EPSILON);
            const vector factor = load_lanes(weight + c, lanes) / square_root(spread);
            store(scale + c - first, factor);
        }
        for (ptrdiff_t pixel = 0; pixel < pixels; pixel++) {
            const float *values = x + pixel * channels;
            float *normalised = output + pixel * channels;
            for (ptrdiff_t c = first; c < end; c += LANES) {
                const lane_mask lanes = first_lanes(end - c);
                const vector center = load_lanes(mean + c, lanes), offset = load_lanes(bias + c, lanes);
                const vector difference = load_lanes(values + c, lanes) - center;
                const vector factor = load(scale + c - first);
                store_lanes(normalised + c, lanes, multiply_add(difference, factor, offset));
            }
        }
    }
}
