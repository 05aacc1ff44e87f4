/* Reads the steps of a program: tuples from Python become the steps of a plan, checked once and for all. */
#ifndef STEPS_H
#define STEPS_H

#include "border.h"
#include "plan.h"

enum { MOST_WEIGHTS = 2 }; /* kernels and constants */

/* As open_floats, for at least `count` numbers. */
bool open_numbers(PyObject *object, const char *name, Py_ssize_t count, int flags, Py_buffer *view);

/* Whether the arena has `size` numbers at `place`; else raises. */
bool inside(const plan *plan, ptrdiff_t place, ptrdiff_t size);

/* Fills `step` from a tuple (operator, output, x, scratch, sizes, weights), see Program's documentation; else raises.
 * `views`: MOST_WEIGHTS, all closed; those of the weights are left open, even if it raised. */
bool read_step(const plan *plan, PyObject *tuple, plan_step *step, Py_buffer *views);

#endif
