"""Hostile buffers: they disappear, are of the wrong kind, or run code while a plan reads them."""

import ctypes
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from resnet50 import ops
from test_border import IMAGE, ONE, POOL, convolved, kernel, plan, run

SIZE = 512 * 512 * 3  # numbers: a few steps of this size take some milliseconds

every_place = pytest.mark.parametrize("place", ["arena", "image", "output", "seconds"])


def numbers(place):
    """An array that is valid in this place."""
    return IMAGE.copy() if place == "image" else np.zeros({"arena": 96, "output": 48, "seconds": 2}[place], np.float32)


@every_place
@pytest.mark.parametrize("dtype", [np.float16, np.complex64, np.uint32, bool, object, "V4", "m8[s]", "U1"])
def test_other_types_are_refused(place, dtype):
    with pytest.raises((TypeError, ValueError)):  # ValueError: NumPy does not export times
        run(plan(POOL), **{place: np.zeros(96, dtype)})


@every_place
@pytest.mark.parametrize("form", ["<f", "=f", "@f", "ff", "e"])
def test_other_formats_are_refused(place, form):
    testbuffer = pytest.importorskip("_testbuffer")
    items = [(1.0, 1.0) if form == "ff" else 1.0] * 96
    with pytest.raises(TypeError, match="must hold float32 numbers"):
        run(plan(POOL), **{place: testbuffer.ndarray(items, shape=[96], format=form, flags=testbuffer.ND_WRITABLE)})
    with pytest.raises(TypeError, match="must hold float32 numbers"):  # the format of ctypes is "<f"
        run(plan(POOL), **{place: (ctypes.c_float * 96)()})


@every_place
def test_rows_that_are_not_dense_are_refused(place):
    base = np.zeros((4, 96), np.float32)
    twice = np.lib.stride_tricks.as_strided(base, (96, 2), (4, 4))  # all numbers but the ends appear twice
    for strided in (base[::-1], base[:, ::-1], base.T, twice, np.broadcast_to(np.float32(0), 96)):
        with pytest.raises((ValueError, BufferError)):
            run(plan(POOL), **{place: strided})
    testbuffer = pytest.importorskip("_testbuffer")
    pointers = testbuffer.ndarray(
        [0.0] * 96, shape=[2, 48], format="f", flags=testbuffer.ND_PIL | testbuffer.ND_WRITABLE
    )
    with pytest.raises(BufferError):
        run(plan(POOL), **{place: pointers})


@every_place
def test_any_dense_shape_is_accepted_but_not_an_empty_one(place):
    good = numbers(place)
    for shape in ((-1,), (1, -1, 1), (1,) * 31 + (-1,)):
        output = np.empty(48, np.float32)
        run(plan(POOL), **({"output": output} | {place: good.reshape(shape)}))
        np.testing.assert_array_equal(good.ravel() if place == "output" else output, IMAGE)
    for empty in (np.zeros(0, np.float32), np.zeros((0, 96), np.float32), np.zeros((96, 0, 2**40), np.float32)):
        with pytest.raises(ValueError, match="needs"):
            run(plan(POOL), **{place: empty})


def test_one_array_in_two_places_is_refused():
    both = np.zeros(96, np.float32)
    for one, other in [("arena", "image"), ("arena", "output"), ("image", "output"), ("arena", "seconds")]:
        with pytest.raises(ValueError, match="overlap"):
            run(plan(POOL), **{one: both, other: both})


@every_place
def test_nothing_can_take_memory_away_while_a_plan_runs(place):
    step = ("average_pool", SIZE, 0, 0, (1, SIZE), (ONE,))
    program = plan(*[step] * 20, floats=2 * SIZE, source=(0, SIZE), target=(SIZE, SIZE))
    sizes = {"arena": 2 * SIZE, "image": SIZE, "output": SIZE, "seconds": 20}
    memory = {name: bytearray(np.full(size, name == "image", np.float32).tobytes()) for name, size in sizes.items()}
    with ThreadPoolExecutor(1) as thread:
        for _ in range(1000):  # until the plan is caught at work
            views = {name: memoryview(data).cast("f") for name, data in memory.items()}
            result = thread.submit(run, program, **views)
            time.sleep(0.001)
            try:
                views[place].release()
            except BufferError:
                with pytest.raises(BufferError):
                    memory[place].clear()
                assert np.all(result.result())
                break
            result.exception()  # ValueError: the view was released too early
        else:
            pytest.fail("never refused")
    views[place].release()
    memory[place].clear()


class Exporter:
    """An object that exports the buffer that `code` returns (PEP 688)."""

    def __init__(self, code):
        self.code = code

    def __buffer__(self, flags):
        return self.code()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in Python 3.12")
@every_place
def test_buffers_written_in_python_are_right_or_refused(place):
    program, good = plan(POOL), numbers(place)
    output = good if place == "output" else np.empty(48, np.float32)
    run(program, **({"output": output} | {place: Exporter(lambda: memoryview(good))}))
    np.testing.assert_array_equal(output, IMAGE)
    for code in (
        lambda: None,
        lambda: 1 // 0,
        lambda: run(program),  # an array, not a memoryview
        lambda: memoryview(b"1234"),
        lambda: memoryview(good)[::-1],
        lambda: memoryview(bytearray(400)).cast("B")[1:-3].cast("f"),
    ):
        with pytest.raises((TypeError, ValueError, BufferError, ZeroDivisionError)):
            run(program, **{place: Exporter(code)})


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in Python 3.12")
def test_running_or_making_a_plan_while_it_is_made_does_no_harm():
    program = ops.Program.__new__(ops.Program)
    function, weight, bias = kernel()

    def meddle():
        with pytest.raises(ValueError, match="once"):
            program.__init__(96, (0, 48), (48, 48), (POOL,))
        run(program)  # it has no step yet
        return memoryview(bias)

    step = ("conv2d", 48, 0, 0, function, (weight, Exporter(meddle)))
    program.__init__(96, (0, 48), (48, 48), (step,))
    np.testing.assert_array_equal(run(program), convolved())
