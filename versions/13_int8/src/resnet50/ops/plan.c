/* Runs a plan: one step after the other, each shared by a crew. */
#define _POSIX_C_SOURCE 199309L /* clock_gettime: strict C11 hides it */
#include "plan.h"

#include <string.h>
#include <time.h>

static ptrdiff_t least(ptrdiff_t a, ptrdiff_t b)
{
    return a < b ? a : b;
}

/* A plan's steps as a job for a crew.  `began`: when the step did, if its time is measured. */
typedef struct {
    crew_job job;
    const plan_step *steps;
    float *arena, *seconds;
    double began;
} plan_job;

static ptrdiff_t parts(const crew_job *job, ptrdiff_t step)
{
    return ((const plan_job *)job)->steps[step].parts;
}

static void compute(const crew_job *job, ptrdiff_t index, int worker, ptrdiff_t first, ptrdiff_t end)
{
    const plan_job *mine = (const plan_job *)job;
    const plan_step *step = &mine->steps[index];
    uint8_t *output = (uint8_t *)(mine->arena + step->output);
    uint8_t *scratch = (uint8_t *)(mine->arena + step->scratch + worker * step->scratch_size);
    const void *x = mine->arena + step->x;
    switch (step->kind) {
    case QUANTISE:
        quantise(output, x, step->height, step->width, step->margin, step->scale, first, end);
        break;
    case CONV2D:
        step->conv2d(output, x, step->weight, step->constants, scratch, first, end);
        break;
    case AVERAGE_POOL:
        average_pool(output, x, step->pixels, step->quads, step->scale[0], first * LINE,
                     least(end * LINE, step->quads));
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

static void note_time(crew_job *job, ptrdiff_t step)
{
    plan_job *mine = (plan_job *)job;
    const double ended = now();
    mine->seconds[step] = (float)(ended - mine->began);
    mine->began = ended;
}

void plan_run_steps(const plan_step *steps, ptrdiff_t count, float *arena, crew *crew, float *seconds)
{
    const crew_job job = {count, parts, compute, seconds != NULL ? note_time : NULL};
    crew_run(crew, &(plan_job){job, steps, arena, seconds, seconds != NULL ? now() : 0.0}.job);
}

void plan_run(const plan *plan, float *arena, crew *crew, const float *restrict input, float *restrict output,
              float *restrict seconds)
{
    memcpy(arena + plan->input, input, (size_t)plan->input_size * sizeof(float));
    plan_run_steps(plan->steps, plan->count, arena, crew, seconds);
    memcpy(output, arena + plan->output, (size_t)plan->output_size * sizeof(float));
}
