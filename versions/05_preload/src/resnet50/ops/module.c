/* The extension module `resnet50.ops`: what Python finds in it. */
#include "wrappers.h"

#define KEYWORDS(function) (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

static PyMethodDef methods[] = {
    {"require_processor", py_require_processor, METH_NOARGS, "Raises UnsupportedProcessor without AVX2 and FMA."},
    {"conv2d", KEYWORDS(py_conv2d), "conv2d(x, weight, stride, padding) -> (rows, columns, outputs)"},
    {"batch_norm", KEYWORDS(py_batch_norm), "batch_norm(x, weight, bias, mean, variance) -> (height, width, channels)"},
    {"relu", py_relu, METH_O, "relu(x) -> (height, width, channels)"},
    {"max_pool", KEYWORDS(py_max_pool), "max_pool(x, kernel, stride, padding) -> (rows, columns, channels)"},
    {"average_pool", py_average_pool, METH_O, "average_pool(x) -> (channels,)"},
    {"linear", KEYWORDS(py_linear), "linear(x, weight, bias) -> (outputs,)"},
    {"add", KEYWORDS(py_add), "add(x, y) -> (height, width, channels)"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ops",
    .m_doc = "The operators of ResNet-50, on float32 arrays. They raise ValueError where shapes do not fit.\n\n"
             "x and y are (height, width, channels), for linear (inputs,). A weight is (outputs, kernel_height,\n"
             "kernel_width, channels) for conv2d, (outputs, inputs) for linear, and (channels,) for batch_norm.",
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
