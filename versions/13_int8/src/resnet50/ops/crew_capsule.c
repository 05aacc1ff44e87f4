/* A crew as Python has it. */
#include "crew_capsule.h"

#include <errno.h>
#include <string.h>

enum { MOST_WORKERS = 1024 };

static const char NAME[] = "resnet50.ops.crew";

/* What a capsule holds: a crew, and what is needed to replace it in a forked child, which has none of the threads. */
typedef struct {
    crew *crew;
    int workers;
    bool spin;
} holder;

/* Gives the holder a new crew; else raises ThreadsError. */
static bool hire(holder *holder)
{
    crew *made = crew_new(holder->workers, holder->spin);
    if (made == NULL) {
        const char *reason = strerror(errno);
        PyObject *error = error_class("ThreadsError");
        if (error != NULL)
            PyErr_Format(error, "cannot create %d threads: %s", holder->workers, reason);
        Py_XDECREF(error);
        return false;
    }
    holder->crew = made;
    return true;
}

int open_crew(PyObject *capsule, void *opened)
{
    holder *holder = PyCapsule_GetPointer(capsule, NAME);
    if (holder == NULL || (crew_lost(holder->crew) && !hire(holder)))
        return 0;
    *(crew **)opened = holder->crew;
    return 1;
}

static void dismiss(PyObject *capsule)
{
    holder *holder = PyCapsule_GetPointer(capsule, NAME);
    crew *crew = holder->crew;
    Py_BEGIN_ALLOW_THREADS
    crew_delete(crew);
    Py_END_ALLOW_THREADS
    PyMem_Free(holder);
}

PyObject *py_crew(PyObject *module, PyObject *args)
{
    (void)module;
    int workers, spin;
    if (!PyArg_ParseTuple(args, "ip:crew", &workers, &spin) ||
        !require(workers >= 1 && workers <= MOST_WORKERS, "a crew must have between 1 and 1024 threads"))
        return NULL;
    holder *made = PyMem_Calloc(1, sizeof *made);
    if (made == NULL)
        return PyErr_NoMemory();
    *made = (holder){.workers = workers, .spin = spin};
    PyObject *capsule = hire(made) ? PyCapsule_New(made, NAME, dismiss) : NULL;
    if (capsule == NULL) {
        if (made->crew != NULL)
            crew_delete(made->crew);
        PyMem_Free(made);
    }
    return capsule;
}

PyObject *py_workers(PyObject *module, PyObject *capsule)
{
    (void)module;
    const holder *holder = PyCapsule_GetPointer(capsule, NAME);
    return holder != NULL ? PyLong_FromLong(holder->workers) : NULL;
}
