/* Generated C: a convolution that was compiled for one shape, as a library. */
#ifndef KERNEL_H
#define KERNEL_H

#include "border.h"
#include "plan.h"

/* Loads a library and returns a capsule, which keeps it loaded. */
PyObject *py_load(PyObject *module, PyObject *path);

/* What a library exports as `sizes`: how many numbers of four bytes each argument has; how many parts. */
typedef struct {
    ptrdiff_t x, output, weight, constants, scratch, parts;
} kernel_sizes;

/* Sets the function of a step, its scratch memory and parts, and `sizes`, from what `load` returned; else raises. */
bool read_kernel(plan_step *step, PyObject *capsule, kernel_sizes *sizes);

#endif
