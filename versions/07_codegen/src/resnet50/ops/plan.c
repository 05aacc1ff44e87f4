/* Runs a plan: one step after the other. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime: strict C11 hides it */
#include "plan.h"

#include <string.h>
#include <time.h>

static void run_step(const plan_step *step, float *arena)
{
    const window_shape *s = &step->shape;
    const ptrdiff_t pixels = s->height * s->width;
    float *output = arena + step->output;
    const float *x = arena + step->x, *const *w = step->weights;
    switch (step->kind) {
    case CONV2D:
        step->conv2d(output, x, w[0]);
        break;
    case BATCH_NORM:
        batch_norm(output, x, w[0], w[1], w[2], w[3], pixels, s->channels);
        break;
    case RELU:
        relu(output, x, pixels * s->channels);
        break;
    case MAX_POOL:
        max_pool(output, x, s);
        break;
    case AVERAGE_POOL:
        average_pool(output, x, pixels, s->channels);
        break;
    case LINEAR:
        step->conv2d(output, x, w[0]); /* a 1x1 convolution of a single pixel */
        for (ptrdiff_t o = 0; o < s->outputs; o++)
            output[o] += w[1][o];
        break;
    case ADD:
        add(output, x, arena + step->y, pixels * s->channels);
        break;
    }
}

/* In seconds, on a clock that is never set. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void plan_run_steps(const plan_step *steps, ptrdiff_t count, float *arena, float *seconds)
{
    for (ptrdiff_t i = 0; i < count; i++) {
        const double start = seconds != NULL ? now() : 0.0;
        run_step(&steps[i], arena);
        if (seconds != NULL)
            seconds[i] = (float)(now() - start);
    }
}

void plan_run(const plan *plan, float *arena, const float *restrict input, float *restrict output,
              float *restrict seconds)
{
    memcpy(arena + plan->input, input, (size_t)plan->input_size * sizeof(float));
    plan_run_steps(plan->steps, plan->count, arena, seconds);
    memcpy(output, arena + plan->output, (size_t)plan->output_size * sizeof(float));
}
