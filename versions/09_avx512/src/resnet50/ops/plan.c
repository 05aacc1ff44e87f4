/* Runs a plan: one step after the other, each split among the workers of a pool. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime: strict C11 hides it */
#include "plan.h"

#include <string.h>
#include <time.h>

enum { LINE = 16 }; /* floats in a cache line, which no two workers should write to */

typedef struct {
    ptrdiff_t first, end;
} range;

/* What falls to a worker of `count` things: the shares of all are equal, or differ by one. */
static range share(ptrdiff_t count, const crew *me)
{
    return (range){count * me->worker / me->workers, count * (me->worker + 1) / me->workers};
}

static ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

/* Does the worker's part of a step.  Every number is computed by one worker, in the same way whichever it is, so that
 * the result does not depend on how many there are. */
static void run_part(const plan_step *step, float *arena, const crew *me)
{
    const window_shape *s = &step->shape;
    const ptrdiff_t pixels = s->height * s->width, count = pixels * s->channels;
    float *output = arena + step->output;
    const float *x = arena + step->x, *const *w = step->weights;
    switch (step->kind) {
    case CONV2D: {
        const range parts = share(step->parts, me);
        step->conv2d(output, x, w[0], parts.first, parts.end);
        break;
    }
    case LINEAR: {
        const range parts = share(step->parts, me); /* of a single pixel: strips of outputs */
        step->conv2d(output, x, w[0], parts.first, parts.end);
        for (ptrdiff_t o = parts.first * step->strip; o < smaller(parts.end * step->strip, s->outputs); o++)
            output[o] += w[1][o];
        break;
    }
    case BATCH_NORM: {
        const range mine = share(pixels, me);
        const ptrdiff_t start = mine.first * s->channels;
        batch_norm(output + start, x + start, w[0], w[1], w[2], w[3], mine.end - mine.first, s->channels);
        break;
    }
    case MAX_POOL: {
        const range rows = share(s->out_height, me);
        max_pool(output, x, s, rows.first, rows.end);
        break;
    }
    case AVERAGE_POOL: {
        const range channels = share(s->channels, me);
        average_pool(output, x, pixels, s->channels, channels.first, channels.end);
        break;
    }
    case RELU:
    case ADD: {
        const range lines = share((count + LINE - 1) / LINE, me);
        const ptrdiff_t start = lines.first * LINE, mine = smaller(lines.end * LINE, count) - start;
        if (step->kind == RELU)
            relu(output + start, x + start, mine);
        else
            add(output + start, x + start, arena + step->y + start, mine);
        break;
    }
    }
}

/* `seconds`: NULL, or what is told how long each step took; `start`: of the step that is being run. */
typedef struct {
    const plan_step *steps;
    ptrdiff_t count;
    float *arena, *seconds;
    double start;
} job;

/* In seconds, by a clock that nobody sets. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* All workers have ended a step. */
static void take_time(job *job, ptrdiff_t step)
{
    const double end = now();
    job->seconds[step] = (float)(end - job->start);
    job->start = end;
}

static void run_steps(void *argument, const crew *me)
{
    job *job = argument;
    for (ptrdiff_t i = 0; i < job->count; i++) {
        if (i > 0) {
            pool_barrier(me); /* a step reads what all workers have written */
            if (job->seconds != NULL && me->worker == 0)
                take_time(job, i - 1);
        }
        run_part(&job->steps[i], job->arena, me);
    }
}

void plan_run_step(const plan_step *step, float *arena, pool *pool)
{
    pool_run(pool, run_steps, &(job){.steps = step, .count = 1, .arena = arena});
}

void plan_run(const plan *plan, float *arena, pool *pool, const float *restrict input, float *restrict output,
              float *restrict seconds)
{
    memcpy(arena + plan->input, input, (size_t)plan->input_size * sizeof(float));
    job whole = {.steps = plan->steps, .count = plan->count, .arena = arena, .seconds = seconds};
    if (seconds != NULL)
        whole.start = now();
    pool_run(pool, run_steps, &whole);
    if (seconds != NULL && plan->count > 0)
        take_time(&whole, plan->count - 1);
    memcpy(output, arena + plan->output, (size_t)plan->output_size * sizeof(float));
}
