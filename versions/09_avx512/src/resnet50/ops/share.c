/* Splits a step among the workers of a crew. */
#include "share.h"

enum { LINE = 16 }; /* floats in a cache line, which no two workers should write to */

/* Gives the worker its share of `count` things; the shares of all are equal, or differ by one. */
static void divide(plan_step *mine, ptrdiff_t count, const worker *me)
{
    mine->first = count * me->number / me->count;
    mine->end = count * (me->number + 1) / me->count;
}

/* Makes the step one over the pixels from `first` to `end`, of `channels` each. */
static void narrow(plan_step *mine, ptrdiff_t first, ptrdiff_t end, ptrdiff_t channels)
{
    mine->output += first * channels;
    mine->x += first * channels;
    mine->y += first * channels;
    mine->shape.height = 1;
    mine->shape.width = end - first;
    mine->shape.channels = channels;
}

plan_step share(const plan_step *step, const worker *me)
{
    plan_step mine = *step;
    const window_shape *s = &step->shape;
    const ptrdiff_t pixels = s->height * s->width, count = pixels * s->channels;
    switch (step->kind) {
    case CONV2D:
    case LINEAR:
        divide(&mine, step->parts, me);
        break;
    case MAX_POOL:
        divide(&mine, s->out_height, me); /* rows */
        break;
    case AVERAGE_POOL:
        divide(&mine, s->channels, me);
        break;
    case BATCH_NORM:
        divide(&mine, pixels, me);
        narrow(&mine, mine.first, mine.end, s->channels);
        break;
    case RELU:
    case ADD: /* cache lines; the last one may be cut off */
        divide(&mine, (count + LINE - 1) / LINE, me);
        narrow(&mine, mine.first * LINE, mine.end * LINE < count ? mine.end * LINE : count, 1);
        break;
    }
    return mine;
}
