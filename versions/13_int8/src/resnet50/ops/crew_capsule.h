/* A crew as Python has it. */
#ifndef CREW_CAPSULE_H
#define CREW_CAPSULE_H

#include "border.h"
#include "crew.h"

/* A new crew, in a capsule. */
PyObject *py_crew(PyObject *module, PyObject *args);

/* How many threads a crew has, the caller included. */
PyObject *py_workers(PyObject *module, PyObject *capsule);

/* For PyArg_ParseTuple's "O&": sets the crew that a capsule holds, after a fork a new one; returns 0 if it raised. */
int open_crew(PyObject *capsule, void *opened);

#endif
