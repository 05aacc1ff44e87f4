/* Generated C: a convolution that was compiled for one shape, as a library. */
#ifndef KERNEL_H
#define KERNEL_H

#include "border.h"
#include "plan.h"

/* Loads a library and returns a capsule, which keeps it loaded. */
PyObject *py_load(PyObject *module, PyObject *path);

/* Sets the function and the sizes of a step, and the number of its weights, from what `load` returned; else raises. */
bool read_kernel(plan_step *step, PyObject *capsule, ptrdiff_t *weights);

#endif
