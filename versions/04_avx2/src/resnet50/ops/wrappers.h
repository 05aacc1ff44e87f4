/* The operators as Python calls them. */
#ifndef WRAPPERS_H
#define WRAPPERS_H

#include "border.h"

PyObject *py_conv2d(PyObject *module, PyObject *args, PyObject *keywords);
PyObject *py_batch_norm(PyObject *module, PyObject *args, PyObject *keywords);
PyObject *py_relu(PyObject *module, PyObject *x);
PyObject *py_max_pool(PyObject *module, PyObject *args, PyObject *keywords);
PyObject *py_average_pool(PyObject *module, PyObject *x);
PyObject *py_linear(PyObject *module, PyObject *args, PyObject *keywords);
PyObject *py_add(PyObject *module, PyObject *args, PyObject *keywords);

/* What they keep in the module. */
typedef struct {
    PyObject *empty; /* numpy.empty */
} module_state;

int module_exec(PyObject *module);
int module_traverse(PyObject *module, visitproc visit, void *arg);
int module_clear(PyObject *module);

#endif
