/* Checks of what Python hands over.  What does not fit raises an exception here, so that the operators cannot fail. */
#ifndef BORDER_H
#define BORDER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

/* A new reference to the exception `name` of resnet50.errors; NULL if it raised. */
PyObject *error_class(const char *name);

/* Raises UnsupportedProcessor unless this processor has the instructions that the operators are compiled to. */
bool require_processor(void);
PyObject *py_require_processor(PyObject *module, PyObject *nothing);

/* Raises ValueError unless `condition` holds, and returns it. */
bool require(bool condition, const char *message);

/* Opens `object` as aligned, dense float32 numbers; else raises.  `flags`: PyBUF_WRITABLE, or 0 to read only. */
bool open_floats(PyObject *object, const char *name, int flags, Py_buffer *view);

#endif
