"""The border between Python and C: whatever buffer comes, an exception or the right answer, never a crash."""

import array

import numpy as np
import pytest
from conftest import random
from resnet50 import ops

X = random(0, 5, 6, 4)
CHANNEL = np.ones(4, np.float32)
CALLS = {  # each operator as a function of its first tensor
    "conv2d": lambda x: ops.conv2d(x, random(1, 2, 3, 3, 4), stride=1, padding=1),
    "batch_norm": lambda x: ops.batch_norm(x, CHANNEL, CHANNEL, CHANNEL, CHANNEL),
    "relu": ops.relu,
    "max_pool": lambda x: ops.max_pool(x, kernel=3, stride=2, padding=1),
    "average_pool": ops.average_pool,
    "linear": lambda x: ops.linear(x, random(2, 3, 4), np.ones(3, np.float32)),
    "add": lambda x: ops.add(x, X),
}
TAKES = {name: X[0, 0] if name == "linear" else X for name in CALLS}  # linear takes a vector, the others a picture

every_operator = pytest.mark.parametrize("name", CALLS)


@every_operator
@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32, np.uint32, np.complex64, ">f4", "V4", object])
def test_other_types_are_refused(name, dtype):
    with pytest.raises(TypeError, match="x must hold float32 numbers"):
        CALLS[name](np.zeros(TAKES[name].shape, dtype))


@every_operator
@pytest.mark.parametrize("thing", [None, 1.0, "text", [[[1.0]]], array.array("d", [1.0] * 4), b"1234"])
def test_what_is_no_tensor_is_refused(name, thing):
    with pytest.raises(TypeError):
        CALLS[name](thing)


@every_operator
def test_other_numbers_of_dimensions_are_refused(name):
    for shape in ((), (4, 4), (1, 5, 6, 4), (1,) * 32):
        with pytest.raises(ValueError, match="dimensions"):
            CALLS[name](np.zeros(shape, np.float32))


@every_operator
def test_strides_are_refused(name):
    good = TAKES[name]
    spread = np.zeros([2 * size for size in good.shape], np.float32)[tuple(slice(None, None, 2) for _ in good.shape)]
    for x in (spread, good[::-1], np.broadcast_to(np.float32(1), good.shape)):
        with pytest.raises((ValueError, BufferError), match="contiguous"):
            CALLS[name](x)


@every_operator
def test_empty_tensors_are_refused(name):
    for axis in range(TAKES[name].ndim):
        shape = list(TAKES[name].shape)
        shape[axis] = 0
        with pytest.raises(ValueError, match="x has no element"):
            CALLS[name](np.zeros(shape, np.float32))


@every_operator
def test_any_buffer_of_float32_will_do(name):
    expected = CALLS[name](TAKES[name])
    values = memoryview(array.array("f", TAKES[name].ravel())).cast("B").cast("f", TAKES[name].shape)
    np.testing.assert_array_equal(CALLS[name](values), expected)
    read_only = TAKES[name].copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(CALLS[name](read_only), expected)


@every_operator
def test_addresses_that_float32_cannot_have_are_refused(name):
    shifted = memoryview(b"x" + TAKES[name].tobytes())[1:]
    with pytest.raises(ValueError, match="aligned"):
        CALLS[name](shifted.cast("f", TAKES[name].shape))
    with pytest.raises(TypeError, match="float32"):  # NumPy calls such numbers "=f", not "f"
        CALLS[name](np.frombuffer(shifted, np.float32).reshape(TAKES[name].shape))


@every_operator
def test_a_call_leaves_its_inputs_free_and_unchanged(name):
    data = bytearray(TAKES[name].tobytes())
    x = memoryview(data).cast("f", TAKES[name].shape)
    CALLS[name](x)
    assert data == TAKES[name].tobytes()
    x.release()
    data.append(0)  # BufferError if the operator had kept the buffer


def test_sizes_that_overflow_are_refused():
    weight = random(1, 2, 3, 3, 4)
    with pytest.raises((ValueError, MemoryError)):
        ops.conv2d(X, weight, stride=1, padding=2**31 - 1)
    with pytest.raises((ValueError, MemoryError)):
        ops.max_pool(X, kernel=2**31 - 1, stride=1, padding=2**31 - 2)
    for name in ("stride", "padding"):
        with pytest.raises(OverflowError):
            ops.conv2d(X, weight, **{"stride": 1, "padding": 1, name: 2**31})
