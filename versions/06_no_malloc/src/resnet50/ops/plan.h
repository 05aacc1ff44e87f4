/* A network as a flat array of steps over one block of memory, the arena. */
#ifndef PLAN_H
#define PLAN_H

#include "operators.h"

typedef enum { CONV2D, BATCH_NORM, RELU, MAX_POOL, AVERAGE_POOL, LINEAR, ADD } operator_kind;

/* One layer: output, x and y (of ADD only) are places in the arena, counted in floats; `weights` are the operator's
 * other arguments, in its order, at most the four of BATCH_NORM.  `shape` is complete for every kind. */
typedef struct {
    operator_kind kind;
    ptrdiff_t output, x, y;
    const float *weights[4];
    window_shape shape;
} plan_step;

typedef struct {
    ptrdiff_t floats; /* the size of the arena */
    ptrdiff_t input, input_size, output, output_size;
    ptrdiff_t count;
    plan_step *steps;
} plan;

/* Runs `count` steps in `arena`.
 * It writes to `seconds`, unless that is NULL, how long each step took; only then does it read the clock. */
void plan_run_steps(const plan_step *steps, ptrdiff_t count, float *arena, float *seconds);

/* Runs the whole network from `input` (input_size) to `output` (output_size).
 * It allocates nothing and makes no system call.
 * It changes only `arena` and `output`, so that one plan serves several threads, each with an arena of its own.
 * Neither the weights nor the input lie in the arena.  `seconds`: as above. */
void plan_run(const plan *plan, float *arena, const float *restrict input, float *restrict output,
              float *restrict seconds);

#endif
