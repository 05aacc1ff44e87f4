/* A network as a flat array of steps over one block of memory, the arena. */
#ifndef PLAN_H
#define PLAN_H

#include "operators.h"
#include "pool.h"

typedef enum { CONV2D, BATCH_NORM, RELU, MAX_POOL, AVERAGE_POOL, LINEAR, ADD } operator_kind;

/* The parts from `first` to `end` of a convolution that was written and compiled for one shape.  `weight` is packed for
 * its tiles, see tiles.py. */
typedef void conv2d_function(float *restrict output, const float *restrict x, const float *restrict weight,
                             ptrdiff_t first, ptrdiff_t end);

/* One layer: x, y (only ADD has it) and output are places in the arena, counted in floats; `weights` are what the
 * operator takes beside them, in its order, at most the four of BATCH_NORM.  `shape` is complete for every kind. */
typedef struct {
    operator_kind kind;
    ptrdiff_t output, x, y;
    const float *weights[4];
    window_shape shape;
    conv2d_function *conv2d; /* of CONV2D and LINEAR */
    ptrdiff_t parts, strip;  /* how many the function has; how many output channels a part has at most */
} plan_step;

typedef struct {
    ptrdiff_t floats; /* the size of the arena */
    ptrdiff_t input, input_size, output, output_size;
    ptrdiff_t count;
    plan_step *steps;
} plan;

/* Runs one step in `arena`, split among the workers of the pool. */
void plan_run_step(const plan_step *step, float *arena, pool *pool);

/* Runs the whole network from `input` (input_size) to `output` (output_size), each step split among the workers of the
 * pool.  It allocates nothing, calls the system only to put workers to sleep and to wake them, and changes only `arena`
 * and `output`, so that one plan serves several threads, each with an arena of its own.  Neither the weights nor the
 * input lie in the arena.  `seconds`, unless it is NULL, is told how long each step took, up to the last worker; for
 * that the clock is read. */
void plan_run(const plan *plan, float *arena, pool *pool, const float *restrict input, float *restrict output,
              float *restrict seconds);

#endif
