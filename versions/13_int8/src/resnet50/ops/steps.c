/* Reads the steps of a program. */
#include "steps.h"

#include <string.h>

#include "kernel.h"

enum { MOST_MARGIN = 1024 };

static const char SCRATCH[] = "a step's scratch memory overlaps what it reads or writes";

bool open_numbers(PyObject *object, const char *name, Py_ssize_t count, int flags, Py_buffer *view)
{
    if (!open_floats(object, name, flags, view))
        return false;
    const Py_ssize_t found = view->len / (Py_ssize_t)sizeof(float);
    if (found < count)
        PyErr_Format(PyExc_ValueError, "%s has %zd numbers, but the plan needs %zd", name, found, count);
    return found >= count;
}

bool inside(const plan *plan, ptrdiff_t place, ptrdiff_t size)
{
    return require(place >= 0 && size <= plan->floats && place <= plan->floats - size,
                   "a step reaches outside the arena");
}

static bool apart(ptrdiff_t a, ptrdiff_t a_size, ptrdiff_t b, ptrdiff_t b_size, const char *message)
{
    return require(a + a_size <= b || b + b_size <= a, message);
}

/* The product of sizes, all at least 1; 0 if it raised because one is not, or because the product is too large. */
static ptrdiff_t product(const ptrdiff_t *sizes, int count)
{
    ptrdiff_t total = 1;
    for (int i = 0; i < count; i++) {
        if (sizes[i] < 1) {
            PyErr_Format(PyExc_ValueError, "a step's sizes must be at least 1, not %zd", sizes[i]);
            return 0;
        }
        if (!require(!__builtin_mul_overflow(total, sizes[i], &total), "a step's sizes are too large"))
            return 0;
    }
    return total;
}

/* Opens the weights of a step, `count` arrays of `sizes` numbers; else raises. */
static bool open_weights(PyObject *weights, const ptrdiff_t *sizes, Py_ssize_t count, Py_buffer *views)
{
    if (PyTuple_Size(weights) != count) {
        PyErr_Format(PyExc_ValueError, "the step has %zd weights, not %zd", count, PyTuple_Size(weights));
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!open_numbers(PyTuple_GetItem(weights, i), "a weight", sizes[i], 0, &views[i]) ||
            !require(views[i].len / (Py_ssize_t)sizeof(float) == sizes[i], "a weight has too many numbers"))
            return false;
    }
    return true;
}

/* Sets the function of a convolution and its weights; else raises. */
static bool read_convolution(plan_step *step, PyObject *capsule, PyObject *weights, kernel_sizes *sizes,
                             Py_buffer *views)
{
    if (!read_kernel(step, capsule, sizes) ||
        !open_weights(weights, (ptrdiff_t[]){sizes->weight, sizes->constants}, MOST_WEIGHTS, views))
        return false;
    step->weight = views[0].buf;
    step->constants = views[1].buf;
    return true;
}

/* Sets the sizes of a quantisation, and its scale and zero point; else raises. */
static bool read_quantise(plan_step *step, PyObject *tuple, PyObject *weights, kernel_sizes *sizes, Py_buffer *views)
{
    if (!require(PyTuple_Check(tuple), "a step's sizes must be a tuple") ||
        !PyArg_ParseTuple(tuple, "nnn:sizes", &step->height, &step->width, &step->margin) ||
        !require(step->margin >= 0 && step->margin <= MOST_MARGIN, "a margin must be small and not negative") ||
        !open_weights(weights, (ptrdiff_t[]){2}, 1, views))
        return false;
    sizes->x = product((ptrdiff_t[]){step->height, step->width, 3}, 3);
    if (sizes->x == 0)
        return false;
    step->parts = step->height + 2 * step->margin;
    sizes->output = product((ptrdiff_t[]){step->parts, step->width + 2 * step->margin}, 2);
    step->scale = views[0].buf;
    return sizes->output != 0;
}

/* Sets the sizes of an average pooling, and its factor; else raises. */
static bool read_average_pool(plan_step *step, PyObject *tuple, PyObject *weights, kernel_sizes *sizes,
                              Py_buffer *views)
{
    if (!require(PyTuple_Check(tuple), "a step's sizes must be a tuple") ||
        !PyArg_ParseTuple(tuple, "nn:sizes", &step->pixels, &step->quads) ||
        !open_weights(weights, (ptrdiff_t[]){1}, 1, views))
        return false;
    sizes->x = product((ptrdiff_t[]){step->pixels, step->quads}, 2);
    if (sizes->x == 0)
        return false;
    sizes->output = step->quads;
    step->parts = (step->quads - 1) / LINE + 1;
    step->scale = views[0].buf;
    return true;
}

/* Whether a step's tensors lie inside the arena, and apart from one another; else raises. */
static bool places_fit(const plan *plan, const plan_step *step, const kernel_sizes *sizes)
{
    const ptrdiff_t scratch = sizes->scratch ? product((ptrdiff_t[]){sizes->scratch, plan->workers}, 2) : 0;
    return inside(plan, step->x, sizes->x) && inside(plan, step->output, sizes->output) &&
           apart(step->output, sizes->output, step->x, sizes->x, "a step's output overlaps what it reads") &&
           (!sizes->scratch || (scratch && inside(plan, step->scratch, scratch) &&
                                apart(step->scratch, scratch, step->x, sizes->x, SCRATCH) &&
                                apart(step->scratch, scratch, step->output, sizes->output, SCRATCH)));
}

bool read_step(const plan *plan, PyObject *tuple, plan_step *step, Py_buffer *views)
{
    const char *name;
    PyObject *sizes, *weights;
    kernel_sizes counts = {0};
    if (!require(PyTuple_Check(tuple), "a step must be a tuple") ||
        !PyArg_ParseTuple(tuple, "snnnOO!:step", &name, &step->output, &step->x, &step->scratch, &sizes, &PyTuple_Type,
                          &weights))
        return false;
    if (strcmp(name, "conv2d") == 0) {
        step->kind = CONV2D;
        return read_convolution(step, sizes, weights, &counts, views) && places_fit(plan, step, &counts);
    }
    if (strcmp(name, "quantise") == 0) {
        step->kind = QUANTISE;
        return read_quantise(step, sizes, weights, &counts, views) && places_fit(plan, step, &counts);
    }
    if (strcmp(name, "average_pool") == 0) {
        step->kind = AVERAGE_POOL;
        return read_average_pool(step, sizes, weights, &counts, views) && places_fit(plan, step, &counts);
    }
    PyErr_Format(PyExc_ValueError, "there is no operator %s", name);
    return false;
}
