/* A plan with every kind of step, run by several crews and callers at once, under ThreadSanitizer; the logits must be
 * the same each time. The generated functions stem, conv2d, sum and matrix are linked in. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

enum { CLASSES = 70, ARENA = 1 << 16, TIMES = 20, STEPS = 6, MOST_WORKERS = 12, HEIGHT = 33, WIDTH = 30, MARGIN = 1 };

extern const ptrdiff_t stem_sizes[], conv2d_sizes[], sum_sizes[], matrix_sizes[]; /* see kernel_sizes in kernel.h */
enum { X, OUTPUT, WEIGHT, CONSTANTS, SCRATCH, PARTS };
conv2d_function stem, conv2d, sum, matrix;

static float random_number(void)
{
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / (float)(1 << 24) - 0.5f;
}

static void *random_numbers(ptrdiff_t count)
{
    float *numbers = malloc((size_t)count * sizeof(float));
    for (ptrdiff_t i = 0; i < count; i++)
        numbers[i] = random_number();
    return numbers;
}

/* A step of generated C. */
static plan_step generated(conv2d_function *run, const ptrdiff_t *sizes, ptrdiff_t output, ptrdiff_t x)
{
    return (plan_step){.kind = CONV2D,
                       .output = output,
                       .x = x,
                       .parts = sizes[PARTS],
                       .conv2d = run,
                       .weight = random_numbers(sizes[WEIGHT]),
                       .constants = random_numbers(sizes[CONSTANTS]),
                       .scratch_size = sizes[SCRATCH]};
}

/* The values lie one after another; the fourth step adds to what the second one made. */
static plan network(void)
{
    static plan_step steps[STEPS];
    static const float scale[] = {1.0f / 64, 32};
    const ptrdiff_t image = 0, bytes = image + HEIGHT * WIDTH * 3, pooled = bytes + stem_sizes[X];
    const ptrdiff_t wide = pooled + stem_sizes[OUTPUT], mean = wide + conv2d_sizes[OUTPUT];
    const ptrdiff_t logits = mean + matrix_sizes[X], scratch = logits + matrix_sizes[OUTPUT];
    const ptrdiff_t end = scratch + MOST_WORKERS * stem_sizes[SCRATCH];
    const ptrdiff_t quads = matrix_sizes[X], pixels = sum_sizes[OUTPUT] / quads;
    if (end > ARENA || stem_sizes[OUTPUT] != conv2d_sizes[X] || conv2d_sizes[OUTPUT] != sum_sizes[X] ||
        sum_sizes[OUTPUT] != stem_sizes[OUTPUT] || matrix_sizes[OUTPUT] != CLASSES ||
        stem_sizes[X] != (HEIGHT + 2 * MARGIN) * (WIDTH + 2 * MARGIN)) {
        puts("the steps do not fit");
        exit(1);
    }
    steps[0] = (plan_step){.kind = QUANTISE, .output = bytes, .x = image, .height = HEIGHT, .width = WIDTH};
    steps[0].margin = MARGIN;
    steps[0].parts = HEIGHT + 2 * MARGIN;
    steps[0].scale = scale;
    steps[1] = generated(stem, stem_sizes, pooled, bytes);
    steps[1].scratch = scratch;
    steps[2] = generated(conv2d, conv2d_sizes, wide, pooled);
    steps[3] = generated(sum, sum_sizes, pooled, wide);
    steps[4] = (plan_step){.kind = AVERAGE_POOL, .output = mean, .x = pooled, .pixels = pixels, .quads = quads};
    steps[4].parts = (quads + LINE - 1) / LINE;
    steps[4].scale = scale;
    steps[5] = generated(matrix, matrix_sizes, logits, mean);
    return (plan){.floats = ARENA,
                  .input = image,
                  .input_size = HEIGHT * WIDTH * 3,
                  .output = logits,
                  .output_size = CLASSES,
                  .count = STEPS,
                  .steps = steps};
}

static plan made;
static float *image, expected[CLASSES];

static void *infer(void *argument)
{
    crew *crew = argument;
    float *arena = malloc(ARENA * sizeof(float)), logits[CLASSES], seconds[STEPS];
    for (int i = 0; i < TIMES; i++) {
        memset(logits, 0, sizeof logits);
        plan_run(&made, arena, crew, image, logits, seconds);
        if (memcmp(logits, expected, sizeof logits) != 0) {
            puts("the logits differ");
            exit(1);
        }
    }
    free(arena);
    return NULL;
}

int main(void)
{
    made = network();
    image = random_numbers(made.input_size);
    float *arena = malloc(ARENA * sizeof(float));
    crew *alone = crew_new(1, false);
    plan_run(&made, arena, alone, image, expected, NULL);
    crew_delete(alone);
    free(arena);

    const int workers[] = {2, 3, 5, MOST_WORKERS}; /* each crew is shared by two callers; all run at the same time */
    crew *crews[4];
    pthread_t callers[8];
    for (int i = 0; i < 4; i++)
        crews[i] = crew_new(workers[i], i % 2 == 0);
    for (int i = 0; i < 8; i++)
        pthread_create(&callers[i], NULL, infer, crews[i / 2]);
    for (int i = 0; i < 8; i++)
        pthread_join(callers[i], NULL);
    for (int i = 0; i < 4; i++)
        crew_delete(crews[i]);
    puts("all the same");
    return 0;
}
