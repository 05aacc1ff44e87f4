/* The operators as Python calls them: each checks its tensors, allocates its output, and runs without the interpreter
 * lock.  Tensors come and go through the buffer protocol. */
#include "wrappers.h"

/* Opens `object` as a dense float32 tensor of `ndim` dimensions, all at least 1; else raises. */
static bool open_tensor(PyObject *object, const char *name, int ndim, Py_buffer *view)
{
    if (!open_floats(object, name, 0, view))
        return false;
    if (view->ndim != ndim) {
        PyErr_Format(PyExc_ValueError, "%s must have %d dimensions, not %d", name, ndim, view->ndim);
        return false;
    }
    for (int i = 0; i < ndim; i++) {
        if (view->shape[i] < 1) {
            PyErr_Format(PyExc_ValueError, "%s has no elements", name);
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

PyObject *py_conv2d(PyObject *module, PyObject *args, PyObject *keywords)
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
                              .kernel_width = kernel[2],
                              .stride = stride,
                              .padding = padding};
        if (require(kernel[3] == in[2], "weight and x have different numbers of channels") && slide(&shape) &&
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

PyObject *py_batch_norm(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"x", "weight", "bias", "mean", "variance", NULL};
    PyObject *x, *each[4], *output = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOO:batch_norm", names, &x, &each[0], &each[1], &each[2],
                                     &each[3]))
        return NULL;
    Py_buffer views[6] = {{0}};
    bool fit = open_tensor(x, "x", 3, &views[1]);
    for (int i = 0; fit && i < 4; i++)
        fit = open_tensor(each[i], names[i + 1], 1, &views[i + 2]) &&
              require(views[i + 2].shape[0] == views[1].shape[2],
                      "the tensors of batch norm have different numbers of channels");
    if (fit) {
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

PyObject *py_relu(PyObject *module, PyObject *x)
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

PyObject *py_max_pool(PyObject *module, PyObject *args, PyObject *keywords)
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
                              .kernel_width = kernel,
                              .stride = stride,
                              .padding = padding};
        if (require(padding < kernel, "padding must be smaller than the kernel") && slide(&shape) &&
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

PyObject *py_average_pool(PyObject *module, PyObject *x)
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

PyObject *py_linear(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"x", "weight", "bias", NULL};
    PyObject *x, *weight, *bias, *output = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO:linear", names, &x, &weight, &bias))
        return NULL;
    Py_buffer views[4] = {{0}};
    if (open_tensor(x, "x", 1, &views[1]) && open_tensor(weight, "weight", 2, &views[2]) &&
        open_tensor(bias, "bias", 1, &views[3])) {
        const Py_ssize_t inputs = views[1].shape[0], outputs = views[3].shape[0], *shape = views[2].shape;
        if (require(shape[0] == outputs && shape[1] == inputs,
                    "weight must be (outputs, inputs), the sizes of bias and x") &&
            (output = new_tensor(module, Py_BuildValue("(n)", outputs), &views[0]))) {
            Py_BEGIN_ALLOW_THREADS
            linear(views[0].buf, views[1].buf, views[2].buf, views[3].buf, inputs, outputs);
            Py_END_ALLOW_THREADS
        }
    }
    close_tensors(views, 4);
    return output;
}

PyObject *py_add(PyObject *module, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"x", "y", NULL};
    PyObject *x, *y, *output = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO:add", names, &x, &y))
        return NULL;
    Py_buffer views[3] = {{0}};
    if (open_tensor(x, "x", 3, &views[1]) && open_tensor(y, "y", 3, &views[2])) {
        const Py_ssize_t *a = views[1].shape, *b = views[2].shape;
        if (require(a[0] == b[0] && a[1] == b[1] && a[2] == b[2], "tensors of different shapes cannot be added") &&
            (output = new_tensor(module, Py_BuildValue("nnn", a[0], a[1], a[2]), &views[0]))) {
            Py_BEGIN_ALLOW_THREADS
            add(views[0].buf, views[1].buf, views[2].buf, a[0] * a[1] * a[2]);
            Py_END_ALLOW_THREADS
        }
    }
    close_tensors(views, 3);
    return output;
}

int module_exec(PyObject *module)
{
    module_state *state = PyModule_GetState(module);
    PyObject *numpy = PyImport_ImportModule("numpy");
    state->empty = numpy ? PyObject_GetAttrString(numpy, "empty") : NULL;
    Py_XDECREF(numpy);
    return state->empty ? 0 : -1;
}

int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    Py_VISIT(((module_state *)PyModule_GetState(module))->empty);
    return 0;
}

int module_clear(PyObject *module)
{
    Py_CLEAR(((module_state *)PyModule_GetState(module))->empty);
    return 0;
}
