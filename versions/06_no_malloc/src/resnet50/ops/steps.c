/* Reads the steps of a program. */
#include "steps.h"

#include <string.h>

/* clang-format off: one operator per line */
static const struct {
    const char *name;
    operator_kind kind;
    Py_ssize_t weights;
} OPERATORS[] = {
    {"conv2d", CONV2D, 1},     {"batch_norm", BATCH_NORM, 4},     {"relu", RELU, 0},
    {"max_pool", MAX_POOL, 0}, {"average_pool", AVERAGE_POOL, 0}, {"linear", LINEAR, 2},
    {"add", ADD, 0},
};
/* clang-format on */

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

static bool apart(ptrdiff_t a, ptrdiff_t a_size, ptrdiff_t b, ptrdiff_t b_size)
{
    return require(a + a_size <= b || b + b_size <= a, "a step's output overlaps what it reads");
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

/* Sets the sizes, and the number of weights in the first array; else raises. */
static bool read_sizes(plan_step *step, PyObject *tuple, ptrdiff_t *first)
{
    window_shape *s = &step->shape;
    if (!require(PyTuple_Check(tuple), "a step's sizes must be a tuple") ||
        !PyArg_ParseTuple(tuple, "nnnnnnnn:sizes", &s->height, &s->width, &s->channels, &s->outputs, &s->kernel_height,
                          &s->kernel_width, &s->stride, &s->padding))
        return false;
    const ptrdiff_t kernel = product((ptrdiff_t[]){s->outputs, s->kernel_height, s->kernel_width, s->channels}, 4);
    *first = step->kind == BATCH_NORM ? s->channels : kernel;
    return kernel != 0;
}

/* Sets the sizes of the output, from the others; else raises. */
static bool set_output(plan_step *step)
{
    window_shape *s = &step->shape;
    const operator_kind kind = step->kind;
    const bool pointwise = s->kernel_height == 1 && s->kernel_width == 1 && s->stride == 1 && s->padding == 0;
    if (kind == LINEAR &&
        !require(s->height == 1 && s->width == 1 && pointwise, "linear takes a single pixel and a 1x1 kernel"))
        return false;
    if (kind != CONV2D && kind != LINEAR &&
        !require(s->outputs == s->channels, "this operator must have as many outputs as channels"))
        return false;
    if (kind == MAX_POOL && !require(s->padding < s->kernel_height && s->padding < s->kernel_width,
                                     "padding must be smaller than the kernel"))
        return false;
    if (kind == CONV2D || kind == MAX_POOL)
        return slide(s);
    s->out_height = kind == AVERAGE_POOL ? 1 : s->height;
    s->out_width = kind == AVERAGE_POOL ? 1 : s->width;
    return true;
}

/* Whether a step's tensors lie inside the arena, its output apart from the others; else raises. */
static bool places_fit(const plan *plan, const plan_step *step)
{
    const window_shape *s = &step->shape;
    const ptrdiff_t in = product((ptrdiff_t[]){s->height, s->width, s->channels}, 3);
    const ptrdiff_t out = product((ptrdiff_t[]){s->out_height, s->out_width, s->outputs}, 3);
    return in && out && inside(plan, step->x, in) && inside(plan, step->output, out) &&
           apart(step->output, out, step->x, in) &&
           (step->kind != ADD || (inside(plan, step->y, in) && apart(step->output, out, step->y, in)));
}

/* Opens a step's weights, a tuple of arrays that must have as many numbers as the operator reads: `first` in the first
 * array, one per output in the others.  Else raises. */
static bool open_weights(plan_step *step, PyObject *tuple, Py_ssize_t count, ptrdiff_t first, Py_buffer *views)
{
    if (!require(PyTuple_Size(tuple) == count, "a step does not have as many weights as its operator takes"))
        return false;
    for (Py_ssize_t i = 0; i < count; i++) {
        const ptrdiff_t size = i == 0 ? first : step->shape.outputs;
        if (!open_numbers(PyTuple_GetItem(tuple, i), "a weight", size, 0, &views[i]) ||
            !require(views[i].len / (Py_ssize_t)sizeof(float) == size, "a weight has too many numbers"))
            return false;
        step->weights[i] = views[i].buf;
    }
    return true;
}

bool read_step(const plan *plan, PyObject *tuple, plan_step *step, Py_buffer *views)
{
    const char *name;
    PyObject *sizes, *weights;
    ptrdiff_t first;
    if (!require(PyTuple_Check(tuple), "a step must be a tuple") ||
        !PyArg_ParseTuple(tuple, "snnnOO!:step", &name, &step->output, &step->x, &step->y, &sizes, &PyTuple_Type,
                          &weights))
        return false;
    for (size_t i = 0; i < sizeof OPERATORS / sizeof OPERATORS[0]; i++) {
        if (strcmp(name, OPERATORS[i].name) == 0) {
            step->kind = OPERATORS[i].kind;
            return read_sizes(step, sizes, &first) && set_output(step) && places_fit(plan, step) &&
                   open_weights(step, weights, OPERATORS[i].weights, first, views);
        }
    }
    PyErr_Format(PyExc_ValueError, "there is no operator %s", name);
    return false;
}
