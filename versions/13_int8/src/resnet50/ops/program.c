/* `ops.Program`: a plan as Python has it.  It is checked once, when it is made, and then run without the interpreter
 * lock. */
#include "program.h"

#include <stdint.h>

#include "crew_capsule.h"
#include "steps.h"

typedef struct {
    PyObject_HEAD plan plan;
    PyObject *source;   /* the steps as they were given, since what `load` returned keeps its library loaded */
    Py_buffer *weights; /* MOST_WEIGHTS for each step, held as long as the plan points into them */
    Py_ssize_t weight_count;
} ProgramObject;

static int program_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"floats", "input", "output", "steps", "workers", NULL};
    ProgramObject *self = (ProgramObject *)object;
    plan *p = &self->plan, made = {.workers = 1}; /* parsing may run Python code, which must not see a half-made plan */
    PyObject *steps;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "n(nn)(nn)O!|n:Program", names, &made.floats, &made.input,
                                     &made.input_size, &made.output, &made.output_size, &PyTuple_Type, &steps,
                                     &made.workers) ||
        !require(p->steps == NULL, "a program is made only once") ||
        !require(made.input_size >= 1 && made.output_size >= 1, "a program needs an input and an output") ||
        !inside(&made, made.input, made.input_size) || !inside(&made, made.output, made.output_size))
        return -1;
    const Py_ssize_t count = PyTuple_Size(steps);
    *p = made;
    p->steps = PyMem_Calloc((size_t)count, sizeof(plan_step));
    self->weights = PyMem_Calloc((size_t)count * MOST_WEIGHTS, sizeof(Py_buffer));
    if (p->steps == NULL || self->weights == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->source = Py_NewRef(steps);
    self->weight_count = count * MOST_WEIGHTS;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!read_step(p, PyTuple_GetItem(steps, i), &p->steps[i], &self->weights[i * MOST_WEIGHTS]))
            return -1;
        p->scratch |= p->steps[i].scratch_size > 0;
    }
    p->count = count; /* only now can it run */
    return 0;
}

static void program_dealloc(PyObject *object)
{
    ProgramObject *self = (ProgramObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    for (Py_ssize_t i = 0; i < self->weight_count; i++)
        PyBuffer_Release(&self->weights[i]); /* does nothing to a view that was never opened */
    PyMem_Free(self->weights);
    PyMem_Free(self->plan.steps);
    Py_XDECREF(self->source);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* Whether there is scratch memory for each worker of the crew; else raises. */
static bool enough_scratch(const plan *p, const crew *crew)
{
    return require(!p->scratch || crew_workers(crew) <= p->workers, "the program is made for fewer threads");
}

/* Whether no two views overlap, else raises; one that was never opened is empty. */
static bool disjoint(const Py_buffer *views, int count)
{
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++) {
            const uintptr_t a = (uintptr_t)views[i].buf, b = (uintptr_t)views[j].buf;
            if (!require(a + (uintptr_t)views[i].len <= b || b + (uintptr_t)views[j].len <= a,
                         "arena, input, output and seconds must not overlap"))
                return false;
        }
    }
    return true;
}

static PyObject *run(PyObject *object, PyObject *args)
{
    const plan *p = &((ProgramObject *)object)->plan;
    crew *crew;
    PyObject *arena, *input, *output, *seconds = Py_None, *result = NULL;
    if (!PyArg_ParseTuple(args, "O&OOO|O:run", open_crew, &crew, &arena, &input, &output, &seconds))
        return NULL;
    Py_buffer views[4] = {{0}};
    if (enough_scratch(p, crew) && open_numbers(arena, "the arena", p->floats, PyBUF_WRITABLE, &views[0]) &&
        open_numbers(input, "the input", p->input_size, 0, &views[1]) &&
        open_numbers(output, "the output", p->output_size, PyBUF_WRITABLE, &views[2]) &&
        (seconds == Py_None || open_numbers(seconds, "seconds", p->count, PyBUF_WRITABLE, &views[3])) &&
        disjoint(views, 4)) {
        Py_BEGIN_ALLOW_THREADS
        plan_run(p, views[0].buf, crew, views[1].buf, views[2].buf, views[3].buf);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    for (int i = 0; i < 4; i++)
        PyBuffer_Release(&views[i]);
    return result;
}

static PyObject *run_step(PyObject *object, PyObject *args)
{
    const plan *p = &((ProgramObject *)object)->plan;
    crew *crew;
    PyObject *arena, *result = NULL;
    Py_ssize_t index;
    if (!PyArg_ParseTuple(args, "O&On:run_step", open_crew, &crew, &arena, &index) ||
        !require(index >= 0 && index < p->count, "the program has no such step") || !enough_scratch(p, crew))
        return NULL;
    Py_buffer view = {0};
    if (open_numbers(arena, "the arena", p->floats, PyBUF_WRITABLE, &view)) {
        Py_BEGIN_ALLOW_THREADS
        plan_run_steps(&p->steps[index], 1, view.buf, crew, NULL);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&view);
    return result;
}

static PyMethodDef program_methods[] = {
    {"run", run, METH_VARARGS,
     "run(crew, arena, input, output, seconds=None): the whole network, without the interpreter lock.\n\n"
     "Writes into `seconds`, float32, how long each step took."},
    {"run_step", run_step, METH_VARARGS, "run_step(crew, arena, index): one step"},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(
    program_doc,
    "Program(floats, input, output, steps, workers=1)\n\n"
    "A network as a flat array of steps over an arena of `floats` numbers of four bytes.\n"
    "`input` and `output` are (place, size) in the arena.\n"
    "A step is (operator, output, x, scratch, sizes, weights).\n"
    "Output, x and scratch: places in the arena; there is scratch memory for `workers`.\n"
    "Sizes: what `load` returned; for quantise: height, width, margin; for average_pool: pixels, quads.\n"
    "Weights: kernels and constants, as packing.arrange arranges them; for quantise: scale and zero point; for\n"
    "average_pool: a factor.\n"
    "Raises ValueError for steps that do not fit.");

static PyType_Slot program_slots[] = {
    {Py_tp_doc, (void *)program_doc},
    {Py_tp_init, program_init},
    {Py_tp_dealloc, program_dealloc},
    {Py_tp_methods, program_methods},
    {0, NULL},
};

static PyType_Spec program_spec = {
    .name = "resnet50.ops.Program",
    .basicsize = sizeof(ProgramObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = program_slots,
};

int add_program(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &program_spec, NULL);
    const int failed = type == NULL || PyModule_AddObjectRef(module, "Program", type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}
