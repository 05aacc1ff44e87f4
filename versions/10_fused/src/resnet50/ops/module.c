/* The extension module `resnet50.ops`: what Python finds in it. */
#include "border.h"
#include "crew_capsule.h"
#include "kernel.h"
#include "program.h"

static PyObject *py_has_avx512(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
#ifdef __aarch64__
    return PyBool_FromLong(0);
#else
    return PyBool_FromLong(__builtin_cpu_supports("avx512f"));
#endif
}

static PyMethodDef methods[] = {
    {"require_processor", py_require_processor, METH_NOARGS, "Raises UnsupportedProcessor without AVX2 and FMA."},
    {"has_avx512", py_has_avx512, METH_NOARGS, "Whether this processor has AVX-512F too."},
    {"load", py_load, METH_O, "load(path: bytes): a compiled convolution, for Program; raises OSError"},
    {"crew", py_crew, METH_VARARGS, "crew(threads, spin): threads that share the work; raises ThreadsError"},
    {"workers", py_workers, METH_O, "workers(crew): how many threads it has"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, add_program}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ops",
    .m_doc = "ResNet-50 as a program: its operators, one after the other, over one arena.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_ops(void)
{
    return PyModuleDef_Init(&definition);
}
