/* Runs a plan: one step after the other, each shared by a crew. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime: strict C11 hides it */
#include "plan.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { CLAIMS = 8 }; /* of each worker in a step: so that the last one is waited for only for a fraction of it */

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

/* Computes the parts from `first` to `end` of a step. */
static void run_parts(const plan_step *step, float *arena, ptrdiff_t worker, ptrdiff_t first, ptrdiff_t end)
{
    float *output = arena + step->output, *scratch = arena + step->scratch + worker * step->scratch_size;
    const float *x = arena + step->x;
    switch (step->kind) {
    case CONV2D:
        step->conv2d(output, x, step->weight, step->bias, scratch, first, end);
        break;
    case AVERAGE_POOL:
        average_pool(output, x, step->pixels, step->channels, first * LINE, least(end * LINE, step->channels));
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

/* What the workers of a crew are to do.  `claimed` counts the claims of all of them in all steps. */
typedef struct {
    const plan_step *steps;
    ptrdiff_t count;
    float *arena, *seconds;
    _Alignas(64) atomic_ptrdiff_t claimed; /* in a cache line of its own: the others are only read */
} job;

/* Runs the steps together with the other workers: each claims some parts of a step, computes them, and claims again.  So
 * a worker that comes late, because its processor was busy, finds less to do.
 *
 * A worker knows that a step is done when its claim lies behind the last one.  That happens to each once, so in the end
 * a step has been counted `claims` + workers times: this is where the next one's claims begin. */
static void run_steps(void *argument, const worker *me)
{
    job *job = argument;
    float *seconds = me->number == 0 ? job->seconds : NULL;
    ptrdiff_t begin = 0;
    for (ptrdiff_t i = 0; i < job->count; i++) {
        const plan_step *step = &job->steps[i];
        const double start = seconds != NULL ? now() : 0.0;
        const ptrdiff_t most = me->count == 1 ? 1 : CLAIMS * me->count;
        const ptrdiff_t size = (step->parts + most - 1) / most, claims = (step->parts + size - 1) / size;
        for (;;) {
            const ptrdiff_t claim = atomic_fetch_add(&job->claimed, 1) - begin;
            if (claim >= claims)
                break;
            run_parts(step, job->arena, me->number, claim * size, least((claim + 1) * size, step->parts));
        }
        begin += claims + me->count;
        crew_barrier(me); /* the next step reads what all workers have written */
        if (seconds != NULL)
            seconds[i] = (float)(now() - start);
    }
}

void plan_run_steps(const plan_step *steps, ptrdiff_t count, float *arena, crew *crew, float *seconds)
{
    crew_run(crew, run_steps, &(job){.steps = steps, .count = count, .arena = arena, .seconds = seconds});
}

void plan_run(const plan *plan, float *arena, crew *crew, const float *restrict input, float *restrict output,
              float *restrict seconds)
{
    memcpy(arena + plan->input, input, (size_t)plan->input_size * sizeof(float));
    plan_run_steps(plan->steps, plan->count, arena, crew, seconds);
    memcpy(output, arena + plan->output, (size_t)plan->output_size * sizeof(float));
}
