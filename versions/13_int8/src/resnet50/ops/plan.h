/* A network as a flat array of steps over one block of memory, the arena. */
#ifndef PLAN_H
#define PLAN_H

#include "crew.h"
#include "operators.h"

/* Numbers of four bytes in a cache line, which no two workers should write to: quads in a part of AVERAGE_POOL. */
enum { LINE = 16 };

typedef enum { QUANTISE, CONV2D, AVERAGE_POOL } operator_kind;

/* A convolution that was generated and compiled for one shape, with what is fused with it.  `weight` and
 * `constants` are packed for its tiles, see packing.py; `scratch` is the worker's own.
 * It computes the parts from `first` to `end` of the output. */
typedef void conv2d_function(uint8_t *restrict output, const int32_t *restrict x, const int32_t *restrict weight,
                             const int32_t *restrict constants, uint8_t *restrict scratch, ptrdiff_t first,
                             ptrdiff_t end);

/* Some layers in one: output, x and scratch are places in the arena, counted in numbers of four bytes.
 * Each part of the output is computed by one worker, in the same way whichever it is, so that the result does not
 * depend on how many there are. */
typedef struct {
    operator_kind kind;
    ptrdiff_t output, x;
    ptrdiff_t parts;
    conv2d_function *conv2d; /* of CONV2D, as the next four */
    const int32_t *weight, *constants;
    ptrdiff_t scratch, scratch_size; /* the first worker's; the others' follow */
    const float *scale;              /* of QUANTISE and AVERAGE_POOL, see operators.h, as the next five */
    ptrdiff_t height, width, margin;
    ptrdiff_t pixels, quads;
} plan_step;

typedef struct {
    ptrdiff_t floats;  /* the size of the arena, in numbers of four bytes */
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
