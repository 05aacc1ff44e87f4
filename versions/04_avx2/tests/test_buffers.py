"""Hostile buffers and numbers: they disappear, change, or run code while an operator reads them."""

import ctypes
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import random
from resnet50 import ops

X, CHANNEL = random(0, 5, 6, 4), np.ones(4, np.float32)
KERNEL = random(1, 2, 3, 3, 4)
TENSORS = {  # each operator's tensors
    "conv2d": [X, KERNEL],
    "batch_norm": [X] + [CHANNEL] * 4,
    "relu": [X],
    "max_pool": [X],
    "average_pool": [X],
    "linear": [CHANNEL, np.ones((3, 4), np.float32), np.ones(3, np.float32)],
    "add": [X, X],
}
SETTINGS = {"conv2d": {"stride": 1, "padding": 1}, "max_pool": {"kernel": 3, "stride": 2, "padding": 1}}

every_tensor = pytest.mark.parametrize(
    ("name", "place"), [(name, place) for name, tensors in TENSORS.items() for place in range(len(tensors))]
)


def call(name, place=0, tensor=None):
    """Runs an operator, with `tensor`, if there is one, in place of its own one at `place`."""
    tensors = list(TENSORS[name])
    if tensor is not None:
        tensors[place] = tensor
    return getattr(ops, name)(*tensors, **SETTINGS.get(name, {}))


@every_tensor
def test_every_tensor_must_be_dense_float32_of_the_right_shape(name, place):
    good = TENSORS[name][place]
    for dtype in (np.float64, np.float16, np.complex64, np.uint32, ">f4", object):
        with pytest.raises(TypeError, match="must hold float32 numbers"):
            call(name, place, good.astype(dtype))
    with pytest.raises(TypeError, match="must hold float32 numbers"):  # the format of ctypes is "<f"
        call(name, place, (ctypes.c_float * good.size)())
    for strided in (good[::-1], np.repeat(good, 2, -1)[..., ::2], np.broadcast_to(np.float32(1), good.shape)):
        with pytest.raises((ValueError, BufferError), match="contiguous"):
            call(name, place, strided)
    for empty in (good[:0], good[..., :0]):
        with pytest.raises(ValueError, match="has no element"):
            call(name, place, empty)
    with pytest.raises(ValueError, match="dimensions"):
        call(name, place, good[np.newaxis])


@pytest.mark.parametrize(
    ("name", "place", "shape"),
    [("conv2d", 1, (2, 3, 3, 3)), ("conv2d", 1, (2, 8, 3, 4)), ("batch_norm", 1, (5,)), ("batch_norm", 4, (3,)),
     ("linear", 1, (3, 5)), ("linear", 1, (2, 4)), ("linear", 2, (4,)), ("add", 1, (5, 6, 3)), ("add", 1, (6, 5, 4))],
)  # fmt: skip
def test_tensors_that_do_not_fit_together_are_refused(name, place, shape):
    with pytest.raises(ValueError):
        call(name, place, np.ones(shape, np.float32))


def test_tensors_may_share_their_memory():
    np.testing.assert_array_equal(ops.add(X, X), 2 * X)
    square = random(2, 4, 4, 4)
    np.testing.assert_array_equal(
        ops.conv2d(square, square[np.newaxis], stride=1, padding=0),
        ops.conv2d(square, square[np.newaxis].copy(), stride=1, padding=0),
    )


@pytest.mark.parametrize("form", ["<f", "=f", "@f", "ff", "e"])
def test_other_formats_are_refused(form):
    testbuffer = pytest.importorskip("_testbuffer")
    x = testbuffer.ndarray([(1.0, 1.0) if form == "ff" else 1.0] * 120, shape=[5, 6, 4], format=form)
    with pytest.raises(TypeError, match="x must hold float32 numbers"):
        ops.relu(x)


def test_pointers_to_rows_are_refused():
    testbuffer = pytest.importorskip("_testbuffer")
    x = testbuffer.ndarray([1.0] * 120, shape=[5, 6, 4], format="f", flags=testbuffer.ND_PIL)
    with pytest.raises(BufferError):
        ops.relu(x)


def test_nothing_can_take_a_tensor_away_while_an_operator_reads_it():
    x, kernel = random(3, 64, 64, 32), random(4, 32, 3, 3, 32)
    expected = ops.conv2d(x, kernel, stride=1, padding=1)
    data = bytearray(x.tobytes())
    with ThreadPoolExecutor(1) as thread:
        for _ in range(1000):  # until the operator is caught at work
            view = memoryview(data).cast("f", x.shape)
            result = thread.submit(ops.conv2d, view, kernel, stride=1, padding=1)
            time.sleep(0.001)
            try:
                view.release()
            except BufferError:
                with pytest.raises(BufferError):
                    data.clear()
                np.testing.assert_array_equal(result.result(), expected)
                break
            result.exception()  # ValueError: the view was released too early
        else:
            pytest.fail("never refused")
    view.release()
    data.clear()


class Index:
    """A number that runs `code` when it is read."""

    def __init__(self, value, code):
        self.value, self.code = value, code

    def __index__(self):
        self.code()
        return self.value


def test_code_that_runs_while_arguments_are_read_does_no_harm():
    view = memoryview(bytearray(X.tobytes())).cast("f", X.shape)
    with pytest.raises(ValueError, match="released"):
        ops.conv2d(view, KERNEL, stride=1, padding=Index(1, view.release))
    with pytest.raises(ZeroDivisionError):
        ops.max_pool(X, kernel=3, stride=Index(1, lambda: 1 // 0), padding=1)
    with pytest.raises(TypeError):
        ops.max_pool(X, kernel=3, stride=Index("1", lambda: None), padding=1)


class Exporter:
    """An object that exports the buffer that `code` returns (PEP 688)."""

    def __init__(self, code):
        self.code = code

    def __buffer__(self, flags):
        return self.code()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="__buffer__ is new in Python 3.12")
@every_tensor
def test_buffers_written_in_python_are_right_or_refused(name, place):
    good, expected = TENSORS[name][place], call(name)
    np.testing.assert_array_equal(call(name, place, Exporter(lambda: memoryview(good))), expected)
    for code in (
        lambda: None,
        lambda: 1 // 0,
        lambda: call(name, place),  # an array, not a memoryview
        lambda: memoryview(b"1234"),
        lambda: memoryview(good)[::-1],
        lambda: memoryview(good).cast("B")[1:-3].cast("f"),
    ):
        with pytest.raises((TypeError, ValueError, BufferError, ZeroDivisionError, NotImplementedError)):
            call(name, place, Exporter(code))
