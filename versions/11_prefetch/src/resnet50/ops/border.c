/* Checks of what Python hands over. */
#include "border.h"

#include <stdint.h>
#include <string.h>

PyObject *error_class(const char *name)
{
    PyObject *errors = PyImport_ImportModule("resnet50.errors");
    PyObject *error = errors ? PyObject_GetAttrString(errors, name) : NULL;
    Py_XDECREF(errors);
    return error;
}

/* Whether this processor has the instructions of lanes.h.  NEON's are part of every 64-bit ARM processor. */
static bool has_instructions(void)
{
#ifdef __aarch64__
    return true;
#else
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
}

bool require_processor(void)
{
    if (has_instructions())
        return true;
    PyObject *error = error_class("UnsupportedProcessor");
    if (error != NULL)
        PyErr_SetString(error, "this processor lacks AVX2 or FMA, which this version needs");
    Py_XDECREF(error);
    return false;
}

PyObject *py_require_processor(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    return require_processor() ? Py_NewRef(Py_None) : NULL;
}

bool require(bool condition, const char *message)
{
    if (!condition)
        PyErr_SetString(PyExc_ValueError, message);
    return condition;
}

bool open_floats(PyObject *object, const char *name, int flags, Py_buffer *view)
{
    if (!require_processor() || PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | flags) < 0)
        return false;
    if (view->itemsize != sizeof(float) || view->format == NULL || strcmp(view->format, "f") != 0) {
        PyErr_Format(PyExc_TypeError, "%s must hold float32 numbers", name);
        return false;
    }
    if ((uintptr_t)view->buf % _Alignof(float) != 0) {
        PyErr_Format(PyExc_ValueError, "%s is not aligned for float32", name);
        return false;
    }
    return true;
}
