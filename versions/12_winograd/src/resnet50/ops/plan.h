/* A network as a flat array of steps over one block of memory, the arena. */
#ifndef PLAN_H
#define PLAN_H

#include "crew.h"
#include "operators.h"

/* Floats in a cache line, which no two workers should write to: channels in a part of AVERAGE_POOL. */
enum { LINE = 16 };

typedef enum { CONV2D, AVERAGE_POOL } operator_kind;

/* A convolution that was generated and compiled for one shape, with what is fused with it.  `weight` and `bias` are
 * packed for its tiles, see tiles.py; `scratch` is the worker's own.
 * It computes the parts from `first` to `end` of the output. */
typedef void conv2d_function(float *restrict output, const float *restrict x, const float *restrict weight,
                             const float *restrict bias, float *restrict scratch, ptrdiff_t first, ptrdiff_t end);

/* Some layers in one: output, x and scratch are places in the arena, counted in floats.
 * Each part of the output is computed by one worker, in the same way whichever it is, so that the result does not
 * depend on how many there are. */
typedef struct {
    operator_kind kind;
    ptrdiff_t output, x;
    ptrdiff_t parts;
    conv2d_function *conv2d; /* of CONV2D, as the next four */
    const float *weight, *bias;
    ptrdiff_t scratch, scratch_size; /* the first worker's; the others' follow */
    ptrdiff_t pixels, channels;      /* of AVERAGE_POOL */
} plan_step;

typedef struct {
    ptrdiff_t floats;  /* the size of the arena */
    ptrdiff_t workers; /* how many of a crew may share a step that has scratch memory */
    bool scratch;      /* whether one has */
    ptrdiff_t input, input_size, output, output_size;
    ptrdiff_t count;
    plan_step *steps;
} plan;

/* Runs `count` steps in `arena`.
 * The crew shares each step.
 * It writes to `seconds`, unless that is NULL, how long each step took; only then does it read the clock. */
void plan_run_steps(const plan_step *steps, ptrdiff_t count, float *arena, crew *crew, float *seconds);

/* Runs the whole network from `input` (input_size) to `output` (output_size).
 * It allocates nothing and makes no system call but to put workers to sleep and to wake them.
 * It changes only `arena` and `output`, so that one plan serves several threads, each with an arena of its own.
 * Neither the weights nor the input lie in the arena.  `seconds`: as above. */
void plan_run(const plan *plan, float *arena, crew *crew, const float *restrict input, float *restrict output,
              float *restrict seconds);

#endif
