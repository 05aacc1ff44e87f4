/* A plan with every operator, run by several crews and callers at once, under ThreadSanitizer; the logits must be the
 * same each time. The two generated functions, conv2d and matrix, are linked in. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

enum { SIDE = 16, CHANNELS = 5, OUTPUTS = 37, CLASSES = 70, HALF = SIDE / 2, ARENA = 1 << 16, TIMES = 20, STEPS = 7 };

extern const ptrdiff_t conv2d_sizes[], matrix_sizes[];
conv2d_function conv2d, matrix;

static float random_number(void)
{
    static unsigned state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / (float)(1 << 24) - 0.5f;
}

static float *random_numbers(ptrdiff_t count)
{
    float *numbers = malloc((size_t)count * sizeof(float));
    for (ptrdiff_t i = 0; i < count; i++)
        numbers[i] = random_number();
    return numbers;
}

static float *positive_numbers(ptrdiff_t count)
{
    float *numbers = random_numbers(count);
    for (ptrdiff_t i = 0; i < count; i++)
        numbers[i] += 1.0f;
    return numbers;
}

/* The places of the values, one after another. */
enum {
    IMAGE = 0,
    SUMS = IMAGE + SIDE * SIDE * CHANNELS,
    NORMAL = SUMS + SIDE * SIDE * OUTPUTS,
    POSITIVE = NORMAL + SIDE * SIDE * OUTPUTS,
    BOTH = POSITIVE + SIDE * SIDE * OUTPUTS,
    LARGEST = BOTH + SIDE * SIDE * OUTPUTS,
    MEAN = LARGEST + HALF * HALF * OUTPUTS,
    LOGITS = MEAN + OUTPUTS,
    END = LOGITS + CLASSES
};
_Static_assert(END <= ARENA, "the arena is too small");

static plan network(void)
{
    const window_shape whole = {.height = SIDE, .width = SIDE, .channels = OUTPUTS, .outputs = OUTPUTS};
    static plan_step steps[STEPS];
    const float *kernels = random_numbers(conv2d_sizes[8]), *rows = random_numbers(matrix_sizes[8]);
    steps[0] = (plan_step){CONV2D, SUMS, IMAGE, 0, {kernels}, whole, conv2d, conv2d_sizes[9], conv2d_sizes[10]};
    steps[1] = (plan_step){BATCH_NORM, NORMAL, SUMS, 0, {positive_numbers(OUTPUTS), random_numbers(OUTPUTS)}, whole};
    steps[1].weights[2] = random_numbers(OUTPUTS);
    steps[1].weights[3] = positive_numbers(OUTPUTS);
    steps[2] = (plan_step){.kind = RELU, .output = POSITIVE, .x = NORMAL, .shape = whole};
    steps[3] = (plan_step){.kind = ADD, .output = BOTH, .x = POSITIVE, .y = SUMS, .shape = whole};
    window_shape window = whole;
    window.out_height = window.out_width = HALF;
    window.kernel_height = window.kernel_width = 3;
    window.stride = 2;
    window.padding = 1;
    steps[4] = (plan_step){.kind = MAX_POOL, .output = LARGEST, .x = BOTH, .shape = window};
    const window_shape half = {.height = HALF, .width = HALF, .channels = OUTPUTS, .outputs = OUTPUTS};
    steps[5] = (plan_step){.kind = AVERAGE_POOL, .output = MEAN, .x = LARGEST, .shape = half};
    const window_shape pixel = {.height = 1, .width = 1, .channels = OUTPUTS, .outputs = CLASSES};
    steps[6] = (plan_step){LINEAR,          LOGITS,          MEAN, 0, {rows, random_numbers(CLASSES)}, pixel, matrix,
                           matrix_sizes[9], matrix_sizes[10]};
    return (plan){ARENA, IMAGE, SIDE * SIDE * CHANNELS, LOGITS, CLASSES, STEPS, steps};
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

    const int workers[] = {2, 3, 5, 12}; /* each crew is shared by two callers; all run at the same time */
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
