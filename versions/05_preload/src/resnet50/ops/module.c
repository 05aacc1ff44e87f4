/* Where Python meets C: checks what Python gives, allocates the output, and runs an operator without the
 * interpreter lock.  Tensors come and go through the buffer protocol; all errors are raised here. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "operators.h"

typedef struct {
    PyObject *empty; /* numpy.empty */
} module_state;

/* Raises UnsupportedProcessor unless this processor has the instructions that the operators are compiled to. */
static bool require_processor(void)
{
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return true;
    PyObject *errors = PyImport_ImportModule("resnet50.errors");
    PyObject *error = errors ? PyObject_GetAttrString(errors, "UnsupportedProcessor") : NULL;
    if (error != NULL)
        PyErr_SetString(error, "this processor lacks AVX2 or FMA, the instructions that this version is written in");
    Py_XDECREF(errors);
    Py_XDECREF(error);
    return false;
}

/* Opens `object` as a dense float32 tensor of `ndim` dimensions, all at least 1; else raises. */
static bool open_tensor(PyObject *object, const char *name, int ndim, Py_buffer *view)
{
    if (!require_processor() || PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0)
        return false;
    if (view->itemsize != sizeof(float) || view->format == NULL || strcmp(view->format, "f") != 0) {
        PyErr_Format(PyExc_TypeError, "%s must hold float32 numbers", name);
        return false;
    }
    if ((uintptr_t)view->buf % _Alignof(float) != 0) {
        PyErr_Format(PyExc_ValueError, "%s does not lie at an address that float32 numbers can have", name);
        return false;
    }
    if (view->ndim != ndim) {
        PyErr_Format(PyExc_ValueError, "%s must have %d dimensions, not %d", name, ndim, view->ndim);
        return false;
    }
    for (int i = 0; i < ndim; i++) {
        if (view->shape[i] < 1) {
            PyErr_Format(PyExc_ValueError, "%s has no element", name);
            return false;
        }
    }
    return true;
}

/* A new float32 array of `shape`, whose reference it takes, opened for writing in `view`; NULL if it raised. */
static PyObject *new_tensor(PyObject *module, PyObject *shape, Py_buffer *view)
{
    const module_state *state = PyModule_GetState(module);
    PyObject *tensor = shape ? PyObject_CallFunction(state->empty, "Os", shape, "float32") : NULL;
    Py_XDECREF(shape);
    if (tensor != NULL && PyObject_GetBuffer(tensor, view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) < 0)
        Py_CLEAR(tensor);
    return tensor;
}

static void close_tensors(Py_buffer *views, int count)
{
    for (int i = 0; i < count; i++)
        PyBuffer_Release(&views[i]); /* does nothing to a view that was never opened */
}

static bool require(bool condition, const char *message)
{
    if (!condition)
        PyErr_SetString(PyExc_ValueError, message);
    return condition;
}

/* How many windows of `kernel` fit along `size` padded at both ends; 0 if it raised because none does. */
static ptrdiff_t output_size(ptrdiff_t size, ptrdiff_t kernel, int stride, int padding)
{
    if (stride < 1 || padding < 0 || size > PY_SSIZE_T_MAX - 2 * (ptrdiff_t)padding ||
        size + 2 * (ptrdiff_t)padding < kernel) {
        PyErr_Format(PyExc_ValueError, "no window of %zd, stride %d, fits %zd padded by %d", kernel, stride, size,
                     padding);
        return 0;
    }
    return (size + 2 * (ptrdiff_t)padding - kernel) / stride + 1;
}

/* Completes `shape`, whose sizes of x and of the kernel are set; else raises. */
static bool slide(window_shape *shape, int stride, int padding)
{
    shape->stride = stride;
    shape->padding = padding;
    shape->out_height = output_size(shape->height, shape->kernel_height, stride, padding);
    shape->out_width = shape->out_height ? output_size(shape->width, shape->kernel_width, stride, padding) : 0;
    return shape->out_width != 0;
}

static PyObject *py_require_processor(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    return require_processor() ? Py_NewRef(Py_None) : NULL;
}

static PyObject *py_conv2d(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"x", "weight", "stride", "padding", NULL};
    PyObject *x, *weight, *output = NULL;
    int stride, padding;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOii:conv2d", names, &x, &weight, &stride, &padding))
        return NULL;
    Py_buffer views[3] = {{0}};
    if (open_tensor(x, "x", 3, &views[1]) && open_tensor(weight, "weight", 4, &views[2])) {
        const Py_ssize_t *in = views[1].shape, *kernel = views[2].shape;
        window_shape shape = {.height = in[0],
                              .width = in[1],
                              .channels = in[2],
                              .outputs = kernel[0],
                              .kernel_height = kernel[1],
                              .kernel_width = kernel[2]};
        if (require(kernel[3] == in[2], "kernel and x differ in channels") && slide(&shape, stride, padding) &&
            (output = new_tensor(module, Py_BuildValue("nnn", shape.out_height, shape.out_width, shape.outputs),
                                 &views[0]))) {
            Py_BEGIN_ALLOW_THREADS
            conv2d(views[0].buf, views[1].buf, views[2].buf, &shape);
            Py_END_ALLOW_THREADS
        }
    }
    close_tensors(views, 3);
    return output;
}

static PyObject *py_batch_norm(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"x", "weight", "bias", "mean", "variance", NULL};
    PyObject *x, *each[4], *output = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOO:batch_norm", names, &x, &each[0], &each[1], &each[2],
                                     &each[3]))
        return NULL;
    Py_buffer views[6] = {{0}};
    bool right = open_tensor(x, "x", 3, &views[1]);
    for (int i = 0; right && i < 4; i++)
        right = open_tensor(each[i], names[i + 1], 1, &views[i + 2]) &&
                require(views[i + 2].shape[0] == views[1].shape[2], "batch norm's channels differ");
    if (right) {
        const Py_ssize_t *in = views[1].shape;
        if ((output = new_tensor(module, Py_BuildValue("nnn", in[0], in[1], in[2]), &views[0]))) {
            Py_BEGIN_ALLOW_THREADS
            batch_norm(views[0].buf, views[1].buf, views[2].buf, views[3].buf, views[4].buf, views[5].buf,
                       in[0] * in[1], in[2]);
            Py_END_ALLOW_THREADS
        }
    }
    close_tensors(views, 6);
    return output;
}

static PyObject *py_relu(PyObject *module, PyObject *x)
{
    PyObject *output = NULL;
    Py_buffer views[2] = {{0}};
    if (open_tensor(x, "x", 3, &views[1])) {
        const Py_ssize_t *in = views[1].shape;
        if ((output = new_tensor(module, Py_BuildValue("nnn", in[0], in[1], in[2]), &views[0]))) {
            Py_BEGIN_ALLOW_THREADS
            relu(views[0].buf, views[1].buf, in[0] * in[1] * in[2]);
            Py_END_ALLOW_THREADS
        }
    }
    close_tensors(views, 2);
    return output;
}

static PyObject *py_max_pool(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"x", "kernel", "stride", "padding", NULL};
    PyObject *x, *output = NULL;
    int kernel, stride, padding;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "Oiii:max_pool", names, &x, &kernel, &stride, &padding))
        return NULL;
    Py_buffer views[2] = {{0}};
    if (open_tensor(x, "x", 3, &views[1])) {
        const Py_ssize_t *in = views[1].shape;
        window_shape shape = {.height = in[0],
                              .width = in[1],
                              .channels = in[2],
                              .outputs = in[2],
                              .kernel_height = kernel,
                              .kernel_width = kernel};
        if (require(padding < kernel, "so much padding leaves windows without a pixel") &&
            slide(&shape, stride, padding) &&
            (output = new_tensor(module, Py_BuildValue("nnn", shape.out_height, shape.out_width, shape.outputs),
                                 &views[0]))) {
            Py_BEGIN_ALLOW_THREADS
            max_pool(views[0].buf, views[1].buf, &shape);
            Py_END_ALLOW_THREADS
        }
    }
    close_tensors(views, 2);
    return output;
}

static PyObject *py_average_pool(PyObject *module, PyObject *x)
{
    PyObject *output = NULL;
    Py_buffer views[2] = {{0}};
    if (open_tensor(x, "x", 3, &views[1])) {
        const Py_ssize_t *in = views[1].shape;
        if ((output = new_tensor(module, Py_BuildValue("(n)", in[2]), &views[0]))) {
            Py_BEGIN_ALLOW_THREADS
            average_pool(views[0].buf, views[1].buf, in[0] * in[1], in[2]);
            Py_END_ALLOW_THREADS
        }
    }
    close_tensors(views, 2);
    return output;
}

static PyObject *py_linear(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"x", "weight", "bias", NULL};
    PyObject *x, *weight, *bias, *output = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO:linear", names, &x, &weight, &bias))
        return NULL;
    Py_buffer views[4] = {{0}};
    if (open_tensor(x, "x", 1, &views[1]) && open_tensor(weight, "weight", 2, &views[2]) &&
        open_tensor(bias, "bias", 1, &views[3])) {
        const Py_ssize_t inputs = views[1].shape[0], outputs = views[3].shape[0], *shape = views[2].shape;
        if (require(shape[0] == outputs && shape[1] == inputs, "weight does not take x to bias") &&
            (output = new_tensor(module, Py_BuildValue("(n)", outputs), &views[0]))) {
            Py_BEGIN_ALLOW_THREADS
            linear(views[0].buf, views[1].buf, views[2].buf, views[3].buf, inputs, outputs);
            Py_END_ALLOW_THREADS
        }
    }
    close_tensors(views, 4);
    return output;
}

static PyObject *py_add(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"x", "y", NULL};
    PyObject *x, *y, *output = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:add", names, &x, &y))
        return NULL;
    Py_buffer views[3] = {{0}};
    if (open_tensor(x, "x", 3, &views[1]) && open_tensor(y, "y", 3, &views[2])) {
        const Py_ssize_t *a = views[1].shape, *b = views[2].shape;
        if (require(a[0] == b[0] && a[1] == b[1] && a[2] == b[2], "cannot add tensors of different shapes") &&
            (output = new_tensor(module, Py_BuildValue("nnn", a[0], a[1], a[2]), &views[0]))) {
            Py_BEGIN_ALLOW_THREADS
            add(views[0].buf, views[1].buf, views[2].buf, a[0] * a[1] * a[2]);
            Py_END_ALLOW_THREADS
        }
    }
    close_tensors(views, 3);
    return output;
}

static int module_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    PyObject *numpy = PyImport_ImportModule("numpy");
    state->empty = numpy ? PyObject_GetAttrString(numpy, "empty") : NULL;
    Py_XDECREF(numpy);
    return state->empty ? 0 : -1;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(((module_state *)PyModule_GetState(module))->empty);
    return 0;
}

static int module_clear(PyObject *module)
{
    Py_CLEAR(((module_state *)PyModule_GetState(module))->empty);
    return 0;
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"require_processor", py_require_processor, METH_NOARGS,
     "Raises UnsupportedProcessor if this one lacks AVX2 or FMA."},
    {"conv2d", WITH_KEYWORDS(py_conv2d),
     "conv2d(x, weight, stride, padding): (height, width, channels) * (outputs, kernel_height, kernel_width, channels) "
     "-> (rows, columns, outputs)"},
    {"batch_norm", WITH_KEYWORDS(py_batch_norm),
     "batch_norm(x, weight, bias, mean, variance): (height, width, channels) and four times (channels,) -> (height, "
     "width, channels)"},
    {"relu", py_relu, METH_O, "relu(x): (height, width, channels) -> the same shape"},
    {"max_pool", WITH_KEYWORDS(py_max_pool),
     "max_pool(x, kernel, stride, padding): (height, width, channels) -> (rows, columns, channels)"},
    {"average_pool", py_average_pool, METH_O, "average_pool(x): (height, width, channels) -> (channels,)"},
    {"linear", WITH_KEYWORDS(py_linear),
     "linear(x, weight, bias): (inputs,), (outputs, inputs) and (outputs,) -> (outputs,)"},
    {"add", WITH_KEYWORDS(py_add), "add(x, y): two of (height, width, channels) -> the same shape"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ops",
    .m_doc = "The operators of ResNet-50, on float32 arrays. They raise ValueError where shapes do not fit.",
    .m_size = sizeof(module_state),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit_ops(void)
{
    return PyModuleDef_Init(&definition);
}
