/* Generated C: a convolution that was compiled for one shape, as a library. */
#include "kernel.h"

#include <dlfcn.h>

static const char NAME[] = "resnet50.ops.kernel";

/* What a capsule holds; `sizes` lie in the library. */
typedef struct {
    void *library;
    const kernel_sizes *sizes;
    conv2d_function *run;
} kernel;

static void unload(PyObject *capsule)
{
    kernel *kernel = PyCapsule_GetPointer(capsule, NAME);
    dlclose(kernel->library); /* no program has its function any more: it would hold the capsule */
    PyMem_Free(kernel);
}

PyObject *py_load(PyObject *module, PyObject *path)
{
    (void)module;
    char *name;
    if (!require_processor() || PyBytes_AsStringAndSize(path, &name, NULL) < 0)
        return NULL;
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    const kernel_sizes *sizes = library ? dlsym(library, "sizes") : NULL;
    conv2d_function *run = library ? (conv2d_function *)dlsym(library, "conv2d") : NULL;
    if (sizes == NULL || run == NULL) {
        const char *reason = dlerror(); /* names the file, whose name may be any bytes */
        PyObject *text = PyUnicode_DecodeFSDefault(reason ? reason : "the library lacks its sizes or its function");
        if (text != NULL)
            PyErr_SetObject(PyExc_OSError, text);
        Py_XDECREF(text);
        if (library != NULL)
            dlclose(library);
        return NULL;
    }
    kernel *made = PyMem_Malloc(sizeof *made);
    if (made == NULL) {
        dlclose(library);
        return PyErr_NoMemory();
    }
    *made = (kernel){.library = library, .sizes = sizes, .run = run};
    PyObject *capsule = PyCapsule_New(made, NAME, unload);
    if (capsule == NULL) {
        dlclose(library);
        PyMem_Free(made);
    }
    return capsule;
}

bool read_kernel(plan_step *step, PyObject *capsule, kernel_sizes *sizes)
{
    const kernel *kernel = PyCapsule_GetPointer(capsule, NAME);
    if (kernel == NULL)
        return false;
    step->conv2d = kernel->run;
    *sizes = *kernel->sizes;
    step->scratch_size = sizes->scratch;
    step->parts = sizes->parts;
    return true;
}
