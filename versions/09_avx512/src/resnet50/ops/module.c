/* Where Python meets C: a plan is checked when it is made, once for all, and then run without the interpreter lock.
 * Arrays come through the buffer protocol; all errors are raised here. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "plan.h"

enum { MOST_WEIGHTS = 4 };

/* A convolution compiled for one shape, whose output sizes are left to be computed: what a capsule of `load` holds. */
typedef struct {
    void *library;
    conv2d_function *run;
    window_shape shape;
    ptrdiff_t weights, parts, strip;
} kernel;

/* A pool and what to make it of again in a forked child, which has only the forking one of its parent's threads: what a
 * capsule of `pool` holds. */
typedef struct {
    pool *pool;
    int workers;
    bool spin;
} pool_holder;

static const char KERNEL[] = "resnet50.ops.kernel", POOL[] = "resnet50.ops.pool";

enum { MOST_WORKERS = 1024 };

typedef struct {
    PyObject_HEAD plan plan;
    PyObject *source;   /* the steps as they were given, since what `load` returned keeps its library loaded */
    Py_buffer *weights; /* MOST_WEIGHTS for each step, held as long as the plan points into them */
    Py_ssize_t weight_count;
} PlanObject;

static const struct {
    const char *name;
    operator_kind kind;
    Py_ssize_t weights;
    bool generated;
} OPERATORS[] = {
    {"conv2d", CONV2D, 1, true},      {"batch_norm", BATCH_NORM, 4, false},     {"relu", RELU, 0, false},
    {"max_pool", MAX_POOL, 0, false}, {"average_pool", AVERAGE_POOL, 0, false}, {"linear", LINEAR, 2, true},
    {"add", ADD, 0, false},
};

/* Raises UnsupportedProcessor unless this processor has the instructions that the operators are compiled to. */
static bool require_processor(void)
{
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return true;
    PyObject *errors = PyImport_ImportModule("resnet50.errors");
    PyObject *error = errors ? PyObject_GetAttrString(errors, "UnsupportedProcessor") : NULL;
    if (error != NULL)
        PyErr_SetString(error, "this processor lacks AVX2 or FMA, the instructions that this version is written in");
    Py_XDECREF(errors);
    Py_XDECREF(error);
    return false;
}

static bool require(bool condition, const char *message)
{
    if (!condition)
        PyErr_SetString(PyExc_ValueError, message);
    return condition;
}

/* Opens `object` as dense float32 numbers, `count` of them or more; else raises. */
static bool open_floats(PyObject *object, const char *name, Py_ssize_t count, int flags, Py_buffer *view)
{
    if (!require_processor() || PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | flags) < 0)
        return false;
    if (view->itemsize != sizeof(float) || view->format == NULL || strcmp(view->format, "f") != 0) {
        PyErr_Format(PyExc_TypeError, "%s must hold float32 numbers", name);
        return false;
    }
    if ((uintptr_t)view->buf % _Alignof(float) != 0) {
        PyErr_Format(PyExc_ValueError, "%s does not lie at an address that float32 numbers can have", name);
        return false;
    }
    if (view->len / (Py_ssize_t)sizeof(float) < count) {
        PyErr_Format(PyExc_ValueError, "%s has %zd numbers, the plan needs %zd", name,
                     view->len / (Py_ssize_t)sizeof(float), count);
        return false;
    }
    return true;
}

/* The product of sizes, all at least 1; 0 if it raised because one is not or because they are too many. */
static ptrdiff_t product(const ptrdiff_t *sizes, int count)
{
    ptrdiff_t total = 1;
    for (int i = 0; i < count; i++) {
        if (sizes[i] < 1 || __builtin_mul_overflow(total, sizes[i], &total)) {
            PyErr_Format(PyExc_ValueError, "a step's sizes cannot be %zd and so on", sizes[i]);
            return 0;
        }
    }
    return total;
}

/* How many windows of `kernel` fit along `size` padded at both ends; 0 if it raised because none does. */
static ptrdiff_t output_size(ptrdiff_t size, ptrdiff_t kernel, ptrdiff_t stride, ptrdiff_t padding)
{
    if (kernel < 1 || stride < 1 || padding < 0 || padding > INT32_MAX || size > PTRDIFF_MAX - 2 * padding ||
        size + 2 * padding < kernel) {
        PyErr_Format(PyExc_ValueError, "no window of %zd, stride %zd, fits %zd padded by %zd", kernel, stride, size,
                     padding);
        return 0;
    }
    return (size + 2 * padding - kernel) / stride + 1;
}

/* Sets the sizes of the output in `s`, from the others; else raises. */
static bool slide(window_shape *s, operator_kind kind)
{
    const bool windows = kind == CONV2D || kind == MAX_POOL;
    if (kind == MAX_POOL && !require(s->padding < s->kernel_height && s->padding < s->kernel_width,
                                     "so much padding leaves windows without a pixel"))
        return false;
    if (kind != CONV2D && kind != LINEAR && !require(s->outputs == s->channels, "this operator keeps its channels"))
        return false;
    const bool pointwise = s->kernel_height == 1 && s->kernel_width == 1 && s->stride == 1 && s->padding == 0;
    if (kind == LINEAR && !require(s->height == 1 && s->width == 1 && pointwise, "linear takes a single pixel"))
        return false;
    if (windows) {
        s->out_height = output_size(s->height, s->kernel_height, s->stride, s->padding);
        s->out_width = s->out_height ? output_size(s->width, s->kernel_width, s->stride, s->padding) : 0;
        return s->out_width != 0;
    }
    s->out_height = kind == AVERAGE_POOL ? 1 : s->height;
    s->out_width = kind == AVERAGE_POOL ? 1 : s->width;
    return true;
}

static bool inside(const plan *plan, ptrdiff_t place, ptrdiff_t size)
{
    return require(place >= 0 && size <= plan->floats && place <= plan->floats - size, "a step leaves the arena");
}

static bool apart(ptrdiff_t a, ptrdiff_t a_size, ptrdiff_t b, ptrdiff_t b_size)
{
    return require(a + a_size <= b || b + b_size <= a, "a step's output overlaps what it reads");
}

/* Whether a step's tensors lie inside of the arena, its output apart from the others; else raises. */
static bool places_fit(const plan *plan, const plan_step *step)
{
    const window_shape *s = &step->shape;
    const ptrdiff_t in = product((ptrdiff_t[]){s->height, s->width, s->channels}, 3);
    const ptrdiff_t out = product((ptrdiff_t[]){s->out_height, s->out_width, s->outputs}, 3);
    return in && out && inside(plan, step->x, in) && inside(plan, step->output, out) &&
           apart(step->output, out, step->x, in) &&
           (step->kind != ADD || (inside(plan, step->y, in) && apart(step->output, out, step->y, in)));
}

/* Opens a step's weights, a tuple of arrays that must have as many numbers as the operator reads: `first` in the first
 * one, an output channel's or a channel's in the others.  Else raises. */
static bool open_weights(plan_step *step, PyObject *tuple, Py_ssize_t count, ptrdiff_t first, Py_buffer *views)
{
    if (!require(PyTuple_Size(tuple) == count, "a step has not as many weights as its operator takes"))
        return false;
    for (Py_ssize_t i = 0; i < count; i++) {
        const ptrdiff_t size = i == 0 ? first : step->shape.outputs;
        if (!open_floats(PyTuple_GetItem(tuple, i), "a weight", size, 0, &views[i]) ||
            !require(views[i].len / (Py_ssize_t)sizeof(float) == size, "a weight has too many numbers"))
            return false;
        step->weights[i] = views[i].buf;
    }
    return true;
}

/* Sets the function, sizes and number of weights of a convolution from what `load` returned; else raises. */
static bool read_kernel(plan_step *step, PyObject *capsule, ptrdiff_t *weights)
{
    const kernel *kernel = PyCapsule_GetPointer(capsule, KERNEL);
    if (kernel == NULL)
        return false;
    step->conv2d = kernel->run;
    step->shape = kernel->shape;
    step->parts = kernel->parts;
    step->strip = kernel->strip;
    *weights = kernel->weights;
    return true;
}

/* Sets the sizes, and the number of weights in each array, of an operator that is not generated; else raises. */
static bool read_sizes(plan_step *step, PyObject *tuple, ptrdiff_t *weights)
{
    window_shape *s = &step->shape;
    if (!require(PyTuple_Check(tuple), "a step's sizes must be a tuple") ||
        !PyArg_ParseTuple(tuple, "nnnnnnnn:sizes", &s->height, &s->width, &s->channels, &s->outputs, &s->kernel_height,
                          &s->kernel_width, &s->stride, &s->padding))
        return false;
    *weights = s->channels;
    return true;
}

/* Fills `step` from a tuple (operator, output, x, y, sizes, weights), see Plan's documentation; else raises. */
static bool read_step(const plan *plan, PyObject *tuple, plan_step *step, Py_buffer *views)
{
    const char *name;
    PyObject *sizes, *weights;
    ptrdiff_t first;
    if (!require(PyTuple_Check(tuple), "a step must be a tuple") ||
        !PyArg_ParseTuple(tuple, "snnnOO!:step", &name, &step->output, &step->x, &step->y, &sizes, &PyTuple_Type,
                          &weights))
        return false;
    for (size_t i = 0; i < sizeof OPERATORS / sizeof OPERATORS[0]; i++) {
        if (strcmp(name, OPERATORS[i].name) == 0) {
            step->kind = OPERATORS[i].kind;
            return (OPERATORS[i].generated ? read_kernel : read_sizes)(step, sizes, &first) &&
                   slide(&step->shape, step->kind) && places_fit(plan, step) &&
                   open_weights(step, weights, OPERATORS[i].weights, first, views);
        }
    }
    PyErr_Format(PyExc_ValueError, "there is no operator %s", name);
    return false;
}

static int plan_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"floats", "input", "output", "steps", NULL};
    PlanObject *self = (PlanObject *)object;
    plan *p = &self->plan, made = {0}; /* parsing may run Python code, which must not find a plan half made */
    PyObject *steps;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "n(nn)(nn)O!:Plan", names, &made.floats, &made.input,
                                     &made.input_size, &made.output, &made.output_size, &PyTuple_Type, &steps) ||
        !require(p->steps == NULL, "a plan is made once") ||
        !require(made.input_size >= 1 && made.output_size >= 1, "a plan needs an input and an output") ||
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
    }
    p->count = count; /* from here on it can run */
    return 0;
}

static void plan_dealloc(PyObject *object)
{
    PlanObject *self = (PlanObject *)object;
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

/* Whether none of the views reaches into another; one that was never opened is empty. */
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

/* A new pool; NULL if it raised ThreadsError. */
static pool *new_pool(int workers, bool spin)
{
    pool *made = pool_new(workers, spin);
    if (made == NULL) {
        const char *reason = strerror(errno);
        PyObject *errors = PyImport_ImportModule("resnet50.errors");
        PyObject *error = errors ? PyObject_GetAttrString(errors, "ThreadsError") : NULL;
        if (error != NULL)
            PyErr_Format(error, "%d threads cannot be made: %s", workers, reason);
        Py_XDECREF(errors);
        Py_XDECREF(error);
    }
    return made;
}

/* The pool in what `pool` returned, made anew if it was left behind in a fork; NULL if it raised. */
static pool *open_pool(PyObject *capsule)
{
    pool_holder *holder = PyCapsule_GetPointer(capsule, POOL);
    if (holder == NULL)
        return NULL;
    if (pool_lost(holder->pool)) {
        pool *made = new_pool(holder->workers, holder->spin);
        if (made != NULL)
            holder->pool = made;
        return made;
    }
    return holder->pool;
}

static PyObject *py_run(PyObject *object, PyObject *args)
{
    const plan *p = &((PlanObject *)object)->plan;
    PyObject *capsule, *arena, *input, *output, *seconds = Py_None, *result = NULL;
    if (!PyArg_ParseTuple(args, "OOOO|O:run", &capsule, &arena, &input, &output, &seconds))
        return NULL;
    pool *pool = open_pool(capsule);
    if (pool == NULL)
        return NULL;
    Py_buffer views[4] = {{0}};
    if (open_floats(arena, "the arena", p->floats, PyBUF_WRITABLE, &views[0]) &&
        open_floats(input, "the input", p->input_size, 0, &views[1]) &&
        open_floats(output, "the output", p->output_size, PyBUF_WRITABLE, &views[2]) &&
        (seconds == Py_None || open_floats(seconds, "seconds", p->count, PyBUF_WRITABLE, &views[3])) &&
        disjoint(views, 4)) {
        Py_BEGIN_ALLOW_THREADS
        plan_run(p, views[0].buf, pool, views[1].buf, views[2].buf, views[3].buf);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    for (int i = 0; i < 4; i++)
        PyBuffer_Release(&views[i]);
    return result;
}

static PyObject *py_run_step(PyObject *object, PyObject *args)
{
    const plan *p = &((PlanObject *)object)->plan;
    PyObject *capsule, *arena, *result = NULL;
    Py_ssize_t index;
    if (!PyArg_ParseTuple(args, "OOn:run_step", &capsule, &arena, &index) ||
        !require(index >= 0 && index < p->count, "the plan has no such step"))
        return NULL;
    pool *pool = open_pool(capsule);
    if (pool == NULL)
        return NULL;
    Py_buffer view = {0};
    if (open_floats(arena, "the arena", p->floats, PyBUF_WRITABLE, &view)) {
        Py_BEGIN_ALLOW_THREADS
        plan_run_step(&p->steps[index], view.buf, pool);
        Py_END_ALLOW_THREADS
        result = Py_NewRef(Py_None);
    }
    PyBuffer_Release(&view);
    return result;
}

static void free_kernel(PyObject *capsule)
{
    kernel *kernel = PyCapsule_GetPointer(capsule, KERNEL);
    dlclose(kernel->library); /* no plan has its function any more: it would hold the capsule */
    PyMem_Free(kernel);
}

static PyObject *py_load(PyObject *module, PyObject *path)
{
    (void)module;
    char *name;
    if (!require_processor() || PyBytes_AsStringAndSize(path, &name, NULL) < 0)
        return NULL;
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    const ptrdiff_t *sizes = library ? dlsym(library, "sizes") : NULL;
    conv2d_function *run = library ? (conv2d_function *)dlsym(library, "conv2d") : NULL;
    if (sizes == NULL || run == NULL) {
        const char *reason = dlerror(); /* names the file, whose name may be any bytes */
        PyObject *text = PyUnicode_DecodeFSDefault(reason ? reason : "the library has no sizes or no function");
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
    *made = (kernel){.library = library,
                     .run = run,
                     .shape = {.height = sizes[0],
                               .width = sizes[1],
                               .channels = sizes[2],
                               .outputs = sizes[3],
                               .kernel_height = sizes[4],
                               .kernel_width = sizes[5],
                               .stride = sizes[6],
                               .padding = sizes[7]},
                     .weights = sizes[8],
                     .parts = sizes[9],
                     .strip = sizes[10]};
    PyObject *capsule = PyCapsule_New(made, KERNEL, free_kernel);
    if (capsule == NULL) {
        dlclose(library);
        PyMem_Free(made);
    }
    return capsule;
}

static void delete_pool(PyObject *capsule)
{
    pool_holder *holder = PyCapsule_GetPointer(capsule, POOL);
    pool *pool = holder->pool;
    Py_BEGIN_ALLOW_THREADS
    pool_delete(pool);
    Py_END_ALLOW_THREADS
    PyMem_Free(holder);
}

static PyObject *py_pool(PyObject *module, PyObject *args)
{
    (void)module;
    int workers, spin;
    if (!PyArg_ParseTuple(args, "ip:pool", &workers, &spin) ||
        !require(workers >= 1 && workers <= MOST_WORKERS, "a pool has 1 to 1024 threads"))
        return NULL;
    pool_holder *made = PyMem_Calloc(1, sizeof *made);
    if (made == NULL)
        return PyErr_NoMemory();
    *made = (pool_holder){.pool = new_pool(workers, spin), .workers = workers, .spin = spin};
    PyObject *capsule = made->pool ? PyCapsule_New(made, POOL, delete_pool) : NULL;
    if (capsule == NULL) {
        if (made->pool != NULL)
            pool_delete(made->pool);
        PyMem_Free(made);
    }
    return capsule;
}

static PyObject *py_has_avx512(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    return PyBool_FromLong(__builtin_cpu_supports("avx512f"));
}

static PyObject *py_require_processor(PyObject *module, PyObject *nothing)
{
    (void)module, (void)nothing;
    return require_processor() ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef plan_methods[] = {
    {"run", py_run, METH_VARARGS,
     "run(pool, arena, input, output, seconds=None): the whole network, without the interpreter lock.\n\n"
     "Into `seconds`, float32, it writes how long each step took."},
    {"run_step", py_run_step, METH_VARARGS, "run_step(pool, arena, index): one step"},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(plan_doc,
             "Plan(floats, input, output, steps)\n\n"
             "A network as a flat array of steps over an arena of `floats` numbers; `input` and `output` are\n"
             "(place, size) in it. A step is (operator, output, x, y, sizes, weights): places in the arena; the\n"
             "sizes height, width, channels, outputs, kernel_height, kernel_width, stride, padding, or what `load`\n"
             "returned for conv2d and linear; a tuple of float32 arrays as arranged by weights.arrange. Raises "
             "ValueError for what\n"
             "does not fit.");

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, (void *)plan_doc},
    {Py_tp_init, plan_init},
    {Py_tp_dealloc, plan_dealloc},
    {Py_tp_methods, plan_methods},
    {0, NULL},
};

static PyType_Spec plan_spec = {
    .name = "resnet50.ops.Plan", .basicsize = sizeof(PlanObject), .flags = Py_TPFLAGS_DEFAULT, .slots = plan_slots};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &plan_spec, NULL);
    const int failed = type == NULL || PyModule_AddObjectRef(module, "Plan", type) < 0;
    Py_XDECREF(type);
    return failed ? -1 : 0;
}

static PyMethodDef methods[] = {
    {"require_processor", py_require_processor, METH_NOARGS,
     "Raises UnsupportedProcessor if this one lacks AVX2 or FMA."},
    {"has_avx512", py_has_avx512, METH_NOARGS, "Whether this processor has AVX-512F too."},
    {"load", py_load, METH_O, "load(path: bytes): a compiled convolution, for Plan; raises OSError"},
    {"pool", py_pool, METH_VARARGS,
     "pool(threads, spin): threads that share the work, the caller among them, until the pool is deleted;\n"
     "`spin`: they may keep a processor busy for a moment while they wait. Raises ThreadsError."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, module_exec}, {0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "ops",
    .m_doc = "ResNet-50 as a plan: its operators, one after the other, over one arena.",
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit_ops(void)
{
    return PyModuleDef_Init(&definition);
}
