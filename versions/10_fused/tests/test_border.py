"""The border between Python and C: any argument gives an exception or the right answer, never a crash."""

import array
from datetime import datetime_CAPI

import numpy as np
import pytest
from adapter import prepare
from resnet50 import compiler, ops
from resnet50.instruction_sets import instruction_set
from resnet50.packing import packed_size
from resnet50.tiles import Convolution

SIZES = (4, 4, 3, 3, 1, 1, 1, 0)  # height, width, channels, outputs, kernel height and width, stride, padding
RELU = ("relu", 48, 0, 0, SIZES, ())
CREW = ops.crew(2, False)
IMAGE = np.arange(48, dtype=np.float32) - 20


def plan(*steps, floats=96, source=(0, 48), target=(48, 48)):
    return ops.Program(floats, source, target, steps)


def kernel(**changes):
    """A compiled convolution with the sizes SIZES and these changes, and weights for it."""
    prepare()
    conv, isa = Convolution(*sized(**changes)), instruction_set()
    return compiler.load([conv], isa)[conv], np.ones(packed_size(conv.outputs, conv.kernel_size, isa), np.float32)


def run(program, arena=None, image=IMAGE, output=None, seconds=None):
    output = np.empty(48, np.float32) if output is None else output
    program.run(CREW, np.empty(96, np.float32) if arena is None else arena, image, output, seconds)
    return output


def sized(**changes):
    """SIZES with these changes."""
    names = ("height", "width", "channels", "outputs", "kernel_height", "kernel_width", "stride", "padding")
    return tuple(changes.get(name, size) for name, size in zip(names, SIZES, strict=True))


def test_a_plan_of_one_step_runs():
    np.testing.assert_array_equal(run(plan(RELU)), np.maximum(IMAGE, 0))


def test_a_plan_without_steps_copies_its_input():
    np.testing.assert_array_equal(run(plan(target=(0, 48))), IMAGE)


@pytest.mark.parametrize(
    "step",
    [
        ("relu", 49, 0, 0, SIZES, ()),
        ("relu", -1, 0, 0, SIZES, ()),
        ("relu", 48, -1, 0, SIZES, ()),
        ("relu", 48, 2**62, 0, SIZES, ()),
        ("relu", 0, 0, 0, SIZES, ()),
        ("relu", 47, 0, 0, SIZES, ()),
        ("relu", 48, 0, 0, sized(height=0), ()),
        ("relu", 48, 0, 0, sized(height=-4, width=-4), ()),
        ("relu", 48, 0, 0, sized(height=2**62, width=4), ()),
        ("relu", 48, 0, 0, sized(outputs=4), ()),
        ("add", 48, 0, 90, SIZES, ()),
        ("add", 48, 0, 50, SIZES, ()),
        ("max_pool", 48, 0, 0, sized(kernel_height=5), ()),
        ("max_pool", 48, 0, 0, sized(padding=1), ()),
        ("conv2d", 48, 0, 0, sized(kernel_height=-(2**63)), (np.zeros(9, np.float32),)),
        ("conv2d", 48, 0, 0, sized(height=2**63 - 1, kernel_height=0), (np.zeros(9, np.float32),)),
        ("max_pool", 48, 0, 0, sized(stride=0), ()),
        ("max_pool", 48, 0, 0, sized(kernel_height=2**62, kernel_width=2**62, padding=2**61), ()),
        ("conv2d", 48, 0, 0, SIZES, (np.zeros(9, np.float32),)),
        ("batch_norm", 48, 0, 0, SIZES, (np.zeros(3, np.float32),) * 3),
        ("batch_norm", 48, 0, 0, SIZES, (np.zeros(2, np.float32),) * 4),
        ("sigmoid", 48, 0, 0, SIZES, ()),
    ],
    ids=str,
)
def test_steps_that_do_not_fit_are_refused(step):
    with pytest.raises(ValueError):
        plan(step)


def test_a_convolution_must_fit_the_arena_and_have_its_weights():
    function, weight = kernel()
    sums = IMAGE.reshape(16, 3).sum(1).repeat(3)
    np.testing.assert_array_equal(run(plan(("conv2d", 48, 0, 0, function, (weight,)))), sums)
    wider, more = kernel(outputs=4)
    for output, sizes, weights in [
        (49, function, (weight,)),
        (47, function, (weight,)),
        (48, wider, (more,)),
        (48, function, ()),
        (48, function, (weight[:-1],)),
        (48, function, (np.append(weight, weight[:1]),)),
        (48, function, (weight, weight)),
    ]:
        with pytest.raises(ValueError):
            plan(("conv2d", output, 0, 0, sizes, weights))


def test_a_linear_layer_must_have_a_single_pixel_and_its_weights():
    function, weight = kernel(height=1, width=1)
    bias = np.arange(3, dtype=np.float32)
    program = plan(("linear", 48, 0, 0, function, (weight, bias)), target=(48, 3))
    np.testing.assert_array_equal(run(program)[:3], IMAGE[:3].sum() + bias)
    for sizes, weights in [(kernel()[0], (weight, bias)), (function, (weight, bias[:2])), (function, (weight,))]:
        with pytest.raises(ValueError):
            plan(("linear", 48, 0, 0, sizes, weights))


@pytest.mark.parametrize("thing", [None, 7, "kernel", SIZES, datetime_CAPI], ids=type)
def test_objects_that_are_not_compiled_convolutions_are_refused(thing):
    """Among them is a capsule of another kind."""
    with pytest.raises(ValueError):
        plan(("conv2d", 48, 0, 0, thing, (np.ones(48, np.float32),)))


@pytest.mark.parametrize("path", [b"/no/such/library.so", b"", b"\xff" * 10, __file__.encode(), ops.__file__.encode()])
def test_files_that_are_not_compiled_convolutions_are_not_loaded(path):
    with pytest.raises(OSError):
        ops.load(path)


@pytest.mark.parametrize("path", ["/text", None, b"with\0zero"])
def test_objects_that_are_not_paths_are_refused(path):
    with pytest.raises((TypeError, ValueError)):
        ops.load(path)


@pytest.mark.parametrize(
    "step",
    [None, (), "relu", ("relu",), ("relu", 48, 0, 0, SIZES), ("relu", 48, 0, 0, SIZES[:7], ()), (1, 2, 3, 4, SIZES, ()),
     ("relu", 4.5, 0, 0, SIZES, ()), ("relu", 48, 0, 0, SIZES, []), ("relu", 48, 0, 0, None, ()),
     ("batch_norm", 48, 0, 0, SIZES, (None,) * 4), ("batch_norm", 48, 0, 0, SIZES, (np.zeros(3),) * 4),
     ("batch_norm", 48, 0, 0, SIZES, (np.zeros(3, ">f4"),) * 4)],
    ids=str,
)  # fmt: skip
def test_objects_that_are_not_steps_are_refused(step):
    with pytest.raises((TypeError, ValueError)):
        plan(step)


def test_sizes_beyond_an_address_are_refused():
    with pytest.raises(OverflowError):
        plan(("relu", 2**63, 0, 0, SIZES, ()))


@pytest.mark.parametrize(
    "ends", [{"source": (60, 48)}, {"target": (-1, 48)}, {"target": (0, 0)}, {"floats": -1}, {"floats": 2}]
)
def test_ends_outside_the_arena_are_refused(ends):
    with pytest.raises(ValueError):
        plan(RELU, **ends)


def test_a_plan_is_made_once():
    program = plan(RELU)
    with pytest.raises(ValueError, match="once"):
        program.__init__(96, (0, 48), (48, 48), ())
    np.testing.assert_array_equal(run(program), np.maximum(IMAGE, 0))
    unmade = ops.Program.__new__(ops.Program)
    with pytest.raises(ValueError, match="no such step"):
        unmade.run_step(CREW, np.empty(1, np.float32), 0)


@pytest.mark.parametrize("place", ["arena", "image", "output", "seconds"])
@pytest.mark.parametrize(
    "thing",
    [object(), 1.0, b"1234", array.array("d", [0.0] * 96), np.zeros(96), np.zeros(96, ">f4"), np.zeros(96, np.int32)],
    ids=lambda thing: getattr(thing, "dtype", type(thing).__name__),
)
def test_objects_without_float32_numbers_are_refused(place, thing):
    with pytest.raises((TypeError, BufferError)):
        run(plan(RELU), **{place: thing})


@pytest.mark.parametrize("place", ["arena", "image", "output"])
def test_buffers_that_are_too_small_are_refused(place):
    with pytest.raises(ValueError, match="needs"):
        run(plan(RELU), **{place: np.zeros(47, np.float32)})


def test_each_step_needs_a_place_for_its_time():
    seconds = np.full(3, -1, np.float32)
    run(plan(RELU, RELU), seconds=seconds)
    assert (seconds[:2] >= 0).all()
    assert seconds[2] == -1
    with pytest.raises(ValueError, match="needs 2"):
        run(plan(RELU, RELU), seconds=np.zeros(1, np.float32))
    with pytest.raises(BufferError):
        run(plan(RELU), seconds=memoryview(bytes(4)).cast("f"))
    output = np.zeros(48, np.float32)
    with pytest.raises(ValueError, match="overlap"):
        run(plan(RELU), output=output, seconds=output[47:])


@pytest.mark.parametrize("place", ["arena", "image", "output", "seconds"])
def test_strides_and_addresses_are_refused(place):
    with pytest.raises((ValueError, BufferError)):
        run(plan(RELU), **{place: np.zeros(192, np.float32)[::2]})
    shifted = memoryview(bytearray(4 * 96 + 1))[1:].cast("f")
    with pytest.raises(ValueError, match="aligned"):
        run(plan(RELU), **{place: shifted})


@pytest.mark.parametrize("place", ["arena", "output"])
def test_read_only_buffers_are_refused(place):
    fixed = np.zeros(96, np.float32)
    fixed.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        run(plan(RELU), **{place: fixed})


def test_overlap_is_refused():
    memory = np.zeros(192, np.float32)
    for arena, image, output in [(0, 40, 140), (0, 96, 60), (0, 96, 100)]:
        with pytest.raises(ValueError, match="overlap"):
            run(plan(RELU), memory[arena : arena + 96], memory[image : image + 48], memory[output : output + 48])


@pytest.mark.parametrize("index", [-1, 1, 2**40])
def test_a_step_that_does_not_exist_is_refused(index):
    with pytest.raises(ValueError, match="no such step"):
        plan(RELU).run_step(CREW, np.zeros(96, np.float32), index)


@pytest.mark.parametrize("thing", [None, 2, "crew", datetime_CAPI], ids=type)
def test_objects_that_are_not_crews_are_refused(thing):
    arena = np.zeros(96, np.float32)
    with pytest.raises(ValueError):
        plan(RELU).run(thing, arena, IMAGE, np.empty(48, np.float32))
    with pytest.raises(ValueError):
        plan(RELU).run_step(thing, arena, 0)


@pytest.mark.parametrize("threads", [0, -1, 1025])
def test_a_crew_has_between_1_and_1024_threads(threads):
    with pytest.raises(ValueError, match="between 1 and 1024"):
        ops.crew(threads, True)


@pytest.mark.parametrize("arguments", [(), (2,), ("2", True), (2.5, True), (None, True), (2**31, True)], ids=str)
def test_objects_that_are_not_numbers_of_threads_are_refused(arguments):
    with pytest.raises((TypeError, OverflowError)):
        ops.crew(*arguments)


class Index:
    """A number that runs `code` when it is read."""

    def __init__(self, value, code):
        self.value, self.code = value, code

    def __index__(self):
        self.code()
        return self.value


def test_code_that_runs_while_a_plan_is_made_does_no_harm():
    program = ops.Program.__new__(ops.Program)
    with pytest.raises(ValueError, match="once"):
        program.__init__(Index(96, lambda: program.__init__(6000, (0, 48), (5000, 48), (RELU,))), (0, 48), (48, 48), ())
    with pytest.raises(ValueError, match="needs 6000"):
        run(program)
    with pytest.raises(TypeError):
        plan(floats=96, source=(0, Index(48, lambda: None)), target=None)
    steps = []
    steps.append(("relu", Index(48, steps.clear), 0, 0, SIZES, ()))
    with pytest.raises(TypeError):
        ops.Program(96, (0, 48), (48, 48), steps)
    np.testing.assert_array_equal(run(plan(*steps)), np.maximum(IMAGE, 0))


def test_a_plan_holds_its_weights_and_lets_them_go():
    data = [bytearray(np.float32([number] * 3).tobytes()) for number in (1, 0, 0, 1 - 1e-5)]
    program = plan(("batch_norm", 48, 0, 0, SIZES, tuple(memoryview(part).cast("f") for part in data)))
    for part in data:
        with pytest.raises(BufferError):
            part.append(0)
    np.testing.assert_array_equal(run(program), IMAGE)
    del program
    for part in data:
        part.append(0)
