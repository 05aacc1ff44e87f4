"""The border between Python and C: any argument gives an exception or the right answer, never a crash."""

import array
from datetime import datetime_CAPI

import numpy as np
import pytest
from adapter import prepare
from resnet50 import compiler, ops
from resnet50.instruction_sets import instruction_set
from resnet50.packing import constants_size, packed_size
from resnet50.rounding import round_up
from resnet50.tiles import Convolution, Pool, ring_size

SIZES = (4, 4, 12, 12, 1, 1, 1, 0)  # height, width, channels, outputs, kernel height and width, stride, padding
ONE = np.ones(1, np.float32)
POOL = ("average_pool", 48, 0, 0, (1, 48), (ONE,))  # of a single pixel, times 1, so that it copies
PAIR = np.array([1, 0], np.float32)  # a scale and a zero point
CREW = ops.crew(2, False)
IMAGE = np.arange(48, dtype=np.float32) - 20


def plan(*steps, floats=96, source=(0, 48), target=(48, 48), workers=1):
    return ops.Program(floats, source, target, steps, workers)


def kernel(pool=None, **changes):
    """A compiled convolution with the sizes SIZES and these changes; kernels of 1, and a multiplier of 1/16."""
    prepare()
    conv, isa = Convolution(*sized(**changes), relu=True, pool=pool), instruction_set()
    weight = np.ones((packed_size(conv.outputs, conv.kernel_size, isa), 4), np.int8).view(np.float32).ravel()
    constants = np.zeros(constants_size(conv.outputs, isa), np.float32)
    width = round_up(conv.outputs, isa.lanes)
    constants[width : 2 * width] = 1 / 16
    return compiler.load([conv], isa)[conv], weight, constants


def convolved():
    """What that makes of IMAGE, in numbers of four bytes."""
    sums = IMAGE.view(np.uint8).reshape(16, 12).sum(1)
    return np.minimum(np.rint(sums / 16), 255).astype(np.uint8).repeat(12).view(np.float32)


def run(program, arena=None, image=IMAGE, output=None, seconds=None):
    output = np.empty(48, np.float32) if output is None else output
    program.run(CREW, np.empty(96, np.float32) if arena is None else arena, image, output, seconds)
    return output


def sized(**changes):
    """SIZES with these changes."""
    names = ("height", "width", "channels", "outputs", "kernel_height", "kernel_width", "stride", "padding")
    return tuple(changes.get(name, size) for name, size in zip(names, SIZES, strict=True))


def test_a_plan_of_one_step_runs():
    np.testing.assert_array_equal(run(plan(POOL)), IMAGE)


def test_a_plan_without_steps_copies_its_input():
    np.testing.assert_array_equal(run(plan(target=(0, 48))), IMAGE)


@pytest.mark.parametrize(
    "step",
    [
        ("average_pool", 49, 0, 0, (1, 48), (ONE,)),
        ("average_pool", -1, 0, 0, (1, 48), (ONE,)),
        ("average_pool", 48, -1, 0, (1, 48), (ONE,)),
        ("average_pool", 48, 2**62, 0, (1, 48), (ONE,)),
        ("average_pool", 0, 0, 0, (1, 48), (ONE,)),
        ("average_pool", 47, 0, 0, (1, 48), (ONE,)),
        ("average_pool", 48, 0, 0, (2, 48), (ONE,)),
        ("average_pool", 48, 0, 0, (0, 48), (ONE,)),
        ("average_pool", 48, 0, 0, (1, 0), (ONE,)),
        ("average_pool", 48, 0, 0, (-4, -4), (ONE,)),
        ("average_pool", 48, 0, 0, (2**62, 4), (ONE,)),
        ("average_pool", 48, 0, 0, (1, 2**63 - 1), (ONE,)),
        ("average_pool", 48, 0, 0, (1, 48), (np.zeros(48, np.float32),)),
        ("average_pool", 48, 0, 0, (1, 48), ()),
        ("quantise", 48, 0, 0, (4, 4, 0), (ONE,)),
        ("quantise", 48, 0, 0, (4, 4, 0), (PAIR, PAIR)),
        ("quantise", 48, 0, 0, (4, 4, 2), (PAIR,)),
        ("quantise", 48, 0, 0, (4, 4, -1), (PAIR,)),
        ("quantise", 48, 0, 0, (4, 4, 2**62), (PAIR,)),
        ("quantise", 48, 0, 0, (2**62, 4, 0), (PAIR,)),
        ("quantise", 48, 0, 0, (4, 0, 1), (PAIR,)),
        ("quantise", 33, 0, 0, (4, 4, 0), (PAIR,)),
        ("conv2d", 48, 0, 0, SIZES, (np.zeros(48, np.float32), np.zeros(16, np.float32))),
        ("relu", 48, 0, 0, (1, 48), ()),
        ("sigmoid", 48, 0, 0, SIZES, ()),
    ],
    ids=str,
)
def test_steps_that_do_not_fit_are_refused(step):
    with pytest.raises(ValueError):
        plan(step)


def test_a_convolution_must_fit_the_arena_and_have_its_weights():
    function, weight, bias = kernel()
    np.testing.assert_array_equal(run(plan(("conv2d", 48, 0, 0, function, (weight, bias)))), convolved())
    wider, more, _ = kernel(outputs=16)
    for output, sizes, weights in [
        (49, function, (weight, bias)),
        (47, function, (weight, bias)),
        (48, wider, (more, bias)),
        (48, function, ()),
        (48, function, (weight,)),
        (48, function, (weight[:-1], bias)),
        (48, function, (weight, bias[:-1])),
        (48, function, (weight, bias[:3])),
        (48, function, (np.append(weight, weight[:1]), bias)),
        (48, function, (weight, np.append(bias, bias[:1]))),
        (48, function, (weight, bias, bias)),
    ]:
        with pytest.raises(ValueError):
            plan(("conv2d", output, 0, 0, sizes, weights))


def test_scratch_memory_must_lie_in_the_arena_apart_from_all_else_and_suffice_for_the_crew():
    function, *weights = kernel(pool=Pool(1, 1, 0))
    one = ring_size(Convolution(*SIZES, pool=Pool(1, 1, 0)), instruction_set())
    floats = 96 + 2 * one
    step = ("conv2d", 48, 0, 96, function, tuple(weights))
    for workers in (2, 3):
        program = plan(step, floats=96 + workers * one, workers=workers)
        np.testing.assert_array_equal(run(program, np.empty(96 + workers * one, np.float32)), convolved())
    alone = plan(step, floats=floats)
    for call in (lambda: run(alone, np.empty(floats, np.float32)),
                 lambda: alone.run_step(CREW, np.empty(floats, np.float32), 0)):  # fmt: skip
        with pytest.raises(ValueError, match="for fewer threads"):
            call()
    for scratch, workers in [(97, 2), (95, 2), (0, 2), (-1, 1), (2**62, 1), (96, 3), (96, 2**62), (96, 0), (96, -1)]:
        with pytest.raises(ValueError):
            plan(("conv2d", 48, 0, scratch, function, tuple(weights)), floats=floats, workers=workers)


@pytest.mark.parametrize("thing", [None, 7, "kernel", SIZES, datetime_CAPI], ids=type)
def test_objects_that_are_not_compiled_convolutions_are_refused(thing):
    """Among them is a capsule of another kind."""
    with pytest.raises(ValueError):
        plan(("conv2d", 48, 0, 0, thing, (np.ones(48, np.float32), np.ones(16, np.float32))))


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
    [None, (), "average_pool", ("average_pool",), ("average_pool", 48, 0, 0, (1, 48)),
     ("average_pool", 48, 0, 0, (1, 4, 12), (ONE,)), (1, 2, 3, 4, (1, 48), (ONE,)),
     ("average_pool", 4.5, 0, 0, (1, 48), (ONE,)),
     ("average_pool", 48, 0, 0, (1, 48), []), ("quantise", 48, 0, 0, (4, 4), (PAIR,)),
     ("average_pool", 48, 0, 0, None, (ONE,))],
    ids=str,
)  # fmt: skip
def test_objects_that_are_not_steps_are_refused(step):
    with pytest.raises((TypeError, ValueError)):
        plan(step)


@pytest.mark.parametrize("thing", [None, np.zeros(16), np.zeros(16, ">f4"), b"64 bytes" * 8], ids=str)
def test_objects_that_are_not_weights_are_refused(thing):
    function, weight, _ = kernel()
    with pytest.raises((TypeError, ValueError)):
        plan(("conv2d", 48, 0, 0, function, (weight, thing)))


def test_sizes_beyond_an_address_are_refused():
    with pytest.raises(OverflowError):
        plan(("average_pool", 2**63, 0, 0, (1, 48), (ONE,)))


@pytest.mark.parametrize(
    "ends", [{"source": (60, 48)}, {"target": (-1, 48)}, {"target": (0, 0)}, {"floats": -1}, {"floats": 2}]
)
def test_ends_outside_the_arena_are_refused(ends):
    with pytest.raises(ValueError):
        plan(POOL, **ends)


def test_a_plan_is_made_once():
    program = plan(POOL)
    with pytest.raises(ValueError, match="once"):
        program.__init__(96, (0, 48), (48, 48), ())
    np.testing.assert_array_equal(run(program), IMAGE)
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
        run(plan(POOL), **{place: thing})


@pytest.mark.parametrize("place", ["arena", "image", "output"])
def test_buffers_that_are_too_small_are_refused(place):
    with pytest.raises(ValueError, match="needs"):
        run(plan(POOL), **{place: np.zeros(47, np.float32)})


def test_each_step_needs_a_place_for_its_time():
    seconds = np.full(3, -1, np.float32)
    run(plan(POOL, POOL), seconds=seconds)
    assert (seconds[:2] >= 0).all()
    assert seconds[2] == -1
    with pytest.raises(ValueError, match="needs 2"):
        run(plan(POOL, POOL), seconds=np.zeros(1, np.float32))
    with pytest.raises(BufferError):
        run(plan(POOL), seconds=memoryview(bytes(4)).cast("f"))
    output = np.zeros(48, np.float32)
    with pytest.raises(ValueError, match="overlap"):
        run(plan(POOL), output=output, seconds=output[47:])


@pytest.mark.parametrize("place", ["arena", "image", "output", "seconds"])
def test_strides_and_addresses_are_refused(place):
    with pytest.raises((ValueError, BufferError)):
        run(plan(POOL), **{place: np.zeros(192, np.float32)[::2]})
    shifted = memoryview(bytearray(4 * 96 + 1))[1:].cast("f")
    with pytest.raises(ValueError, match="aligned"):
        run(plan(POOL), **{place: shifted})


@pytest.mark.parametrize("place", ["arena", "output"])
def test_read_only_buffers_are_refused(place):
    fixed = np.zeros(96, np.float32)
    fixed.flags.writeable = False
    with pytest.raises((ValueError, BufferError)):
        run(plan(POOL), **{place: fixed})


def test_overlap_is_refused():
    memory = np.zeros(192, np.float32)
    for arena, image, output in [(0, 40, 140), (0, 96, 60), (0, 96, 100)]:
        with pytest.raises(ValueError, match="overlap"):
            run(plan(POOL), memory[arena : arena + 96], memory[image : image + 48], memory[output : output + 48])


@pytest.mark.parametrize("index", [-1, 1, 2**40])
def test_a_step_that_does_not_exist_is_refused(index):
    with pytest.raises(ValueError, match="no such step"):
        plan(POOL).run_step(CREW, np.zeros(96, np.float32), index)


@pytest.mark.parametrize("thing", [None, 2, "crew", datetime_CAPI], ids=type)
def test_objects_that_are_not_crews_are_refused(thing):
    arena = np.zeros(96, np.float32)
    with pytest.raises(ValueError):
        plan(POOL).run(thing, arena, IMAGE, np.empty(48, np.float32))
    with pytest.raises(ValueError):
        plan(POOL).run_step(thing, arena, 0)


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
        program.__init__(Index(96, lambda: program.__init__(6000, (0, 48), (5000, 48), (POOL,))), (0, 48), (48, 48), ())
    with pytest.raises(ValueError, match="needs 6000"):
        run(program)
    with pytest.raises(TypeError):
        plan(floats=96, source=(0, Index(48, lambda: None)), target=None)
    steps = []
    steps.append(("average_pool", Index(48, steps.clear), 0, 0, (1, 48), (ONE,)))
    with pytest.raises(TypeError):
        ops.Program(96, (0, 48), (48, 48), steps)
    np.testing.assert_array_equal(run(plan(*steps)), IMAGE)


def test_a_plan_holds_its_weights_and_lets_them_go():
    function, *weights = kernel()
    data = [bytearray(part.tobytes()) for part in weights]
    program = plan(("conv2d", 48, 0, 0, function, tuple(memoryview(part).cast("f") for part in data)))
    for part in data:
        with pytest.raises(BufferError):
            part.append(0)
    np.testing.assert_array_equal(run(program), convolved())
    del program
    for part in data:
        part.append(0)
