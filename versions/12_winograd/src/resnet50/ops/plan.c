/* Runs a plan: one step after the other, each shared by a crew. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime: strict C11 hides it */
#include "plan.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* A step has a share for each worker, but at most SHARES.  A share is claimed in PIECES: the more, the shorter is the
 * wait for the last one, but each has rows of the stem that its neighbour computes too. */
enum { SHARES = 16, PIECES = 8 };

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

/* How many pieces of a share have been claimed, of all steps together; in a cache line that only claims touch. */
typedef struct {
    _Alignas(64) atomic_ptrdiff_t claimed;
} share;

/* What the workers of a crew are to do. */
typedef struct {
    const plan_step *steps;
    ptrdiff_t count;
    float *arena, *seconds;
    share shares[SHARES];
} job;

/* Claims pieces of a share, the parts from `first` to `end`, and computes them, until none is left.
 *
 * A worker sees that none is left when its claim lies behind the last.  That happens to each of them once in every
 * step. So after it a share has been claimed `pieces` + workers times more than the `before` times of the earlier
 * steps: this sum, which is returned, is where the claims of the next step begin, and nothing must be set back. */
static ptrdiff_t run_share(const job *job, ptrdiff_t step, share *share, ptrdiff_t before, ptrdiff_t first,
                           ptrdiff_t end, const worker *me)
{
    const ptrdiff_t size = (end - first + PIECES - 1) / PIECES, pieces = size ? (end - first + size - 1) / size : 0;
    for (;;) {
        const ptrdiff_t piece = atomic_fetch_add(&share->claimed, 1) - before;
        if (piece >= pieces)
            return before + pieces + me->count;
        const ptrdiff_t from = first + piece * size;
        run_parts(&job->steps[step], job->arena, me->number, from, least(from + size, end));
    }
}

/* Runs the steps together with the other workers.  Each begins with its own share, which is the same part of every
 * output, so that it finds in its caches what it wrote in the step before; then it helps with the others'.  So whoever
 * is slower, or comes late, finds less to do. */
static void run_steps(void *argument, const worker *me)
{
    job *job = argument;
    float *seconds = me->number == 0 ? job->seconds : NULL;
    const ptrdiff_t shares = least(me->count, SHARES);
    ptrdiff_t before[SHARES] = {0};
    for (ptrdiff_t i = 0; i < job->count; i++) {
        const ptrdiff_t parts = job->steps[i].parts;
        const double start = seconds != NULL ? now() : 0.0;
        if (me->count == 1)
            run_parts(&job->steps[i], job->arena, 0, 0, parts);
        for (ptrdiff_t j = 0; me->count > 1 && j < shares; j++) {
            const ptrdiff_t k = (me->number + j) % shares, first = parts * k / shares, end = parts * (k + 1) / shares;
            before[k] = run_share(job, i, &job->shares[k], before[k], first, end, me);
        }
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
