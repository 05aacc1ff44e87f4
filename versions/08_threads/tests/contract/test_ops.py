"""Each operator against float64, within the rounding bound n * eps * sum(|a| |b|).

A sum of n rounded products, in any order, differs from the exact sum by at most n * eps / 2 * sum(|a| |b|), to first
order in eps = 2^-23 (Higham, Accuracy and Stability of Numerical Algorithms, 3.1). The tests allow twice that.
"""

import os
from itertools import product

import numpy as np
import pytest
import reference
from adapter import EVERY_WIDTH, run_op
from conftest import EPS, random

SIZES = [(1, 1), (9, 5), (8, 11)]
# The first do not fill whole vector registers; the last two fill, and exceed, the 64 channels that a kernel may take.
CHANNELS = [(1, 1), (3, 5), (5, 12), (12, 20), (20, 3), (3, 64), (5, 133)]
CONVOLUTIONS = [
    (*shape, *width)
    for number, shape in enumerate(product((1, 2), (0, 1, 2, 3), (1, 3, 7)))  # stride, padding, kernel
    for width in (CHANNELS if EVERY_WIDTH else [CHANNELS[number % len(CHANNELS)]])
]


def assert_within(actual, expected, bound):
    """Asserts that `actual` is float32 and that each of its elements lies within `bound` of `expected`."""
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    excess = np.abs(actual - expected) - bound
    worst = np.unravel_index(np.argmax(excess), excess.shape)
    assert excess[worst] <= 0, f"{actual[worst]} differs from {expected[worst]} by more than {bound[worst]} at {worst}"


@pytest.mark.parametrize(("stride", "padding", "kernel", "inputs", "outputs"), CONVOLUTIONS)
def test_conv2d_is_within_the_rounding_bound(stride, padding, kernel, inputs, outputs):
    for seed, (height, width) in enumerate(SIZES):
        x, weight = random(seed, height, width, inputs), random(9, outputs, inputs, kernel, kernel)
        if min(height, width) + 2 * padding < kernel:
            with pytest.raises(ValueError, match="window"):
                run_op("conv2d", x, weight, stride=stride, padding=padding)
            continue
        expected = reference.conv2d(x, weight, stride, padding)
        bound = kernel * kernel * inputs * EPS * reference.conv2d(np.abs(x), np.abs(weight), stride, padding)
        assert_within(run_op("conv2d", x, weight, stride=stride, padding=padding), expected, bound)


@pytest.mark.parametrize(("inputs", "outputs"), CHANNELS)
def test_conv2d_takes_kernels_that_are_not_square(inputs, outputs):
    x, weight = random(0, 9, 8, inputs), random(1, outputs, inputs, 3, 2)
    bound = 6 * inputs * EPS * reference.conv2d(np.abs(x), np.abs(weight), 1, 1)
    assert_within(run_op("conv2d", x, weight, stride=1, padding=1), reference.conv2d(x, weight, 1, 1), bound)


def test_conv2d_carries_nan_and_infinity_to_the_windows_that_see_them():
    x, weight = random(0, 9, 9, 3), random(1, 5, 3, 3, 3)
    x[2, 3, 1], x[7, 7, 0] = np.nan, np.inf
    actual = run_op("conv2d", x, weight, stride=1, padding=1)
    with np.errstate(invalid="ignore"):
        expected = reference.conv2d(x, weight, 1, 1)
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    np.testing.assert_array_equal(np.isinf(actual), np.isinf(expected))
    assert np.isfinite(actual).sum() == 5 * (81 - 18)


@pytest.mark.parametrize("channels", [1, 3, 5, 12, 20, 515])
def test_batch_norm_is_within_the_rounding_bound(channels):
    x, weight, bias, mean = random(0, 7, 5, channels), *(random(i, channels) for i in (1, 2, 3))
    variance = np.abs(random(4, channels))
    variance[0] = 0.0
    expected = reference.batch_norm(x, weight, bias, mean, variance)
    scale = np.abs(weight) / np.sqrt(variance.astype(np.float64) + 1e-5)
    # At most seven roundings: sum, square root, division, difference, product, sum, and one for the constant 1e-5.
    bound = 7 * EPS * ((np.abs(x) + np.abs(mean)) * scale + np.abs(bias))
    assert_within(run_op("batch_norm", x, weight, bias, mean, variance), expected, bound)


@pytest.mark.parametrize("channels", [1, 3, 5, 12, 20])
def test_relu_is_exact_and_keeps_nan_and_infinity(channels):
    x = random(0, 3, 5, channels)
    x.flat[:3] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(run_op("relu", x), reference.relu(x).astype(np.float32))


@pytest.mark.parametrize("channels", [1, 3, 5, 12, 20])
@pytest.mark.parametrize(("kernel", "padding"), [(1, 0), (2, 1), (3, 0), (3, 1), (7, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_max_pool_is_exact(stride, kernel, padding, channels):
    for seed, (height, width) in enumerate([(9, 7), (8, 8), (7, 12)]):
        x = random(seed, height, width, channels)
        actual = run_op("max_pool", x, kernel=kernel, stride=stride, padding=padding)
        np.testing.assert_array_equal(actual, reference.max_pool(x, kernel, stride, padding).astype(np.float32))


def test_max_pool_of_negative_numbers_never_gives_the_padding():
    x = -1 - np.abs(random(0, 5, 5, 3))
    assert run_op("max_pool", x, kernel=3, stride=2, padding=1).max() <= -1


def test_max_pool_of_a_single_pixel_is_that_pixel():
    x = random(0, 1, 1, 5)
    np.testing.assert_array_equal(run_op("max_pool", x, kernel=3, stride=2, padding=1), x)


@pytest.mark.parametrize("place", list(product(range(3), range(3))))
def test_max_pool_gives_nan_wherever_the_window_holds_one(place):
    x = random(0, 3, 3, 2)
    x[(*place, 0)], x[(*place, 1)] = np.nan, np.inf
    actual = run_op("max_pool", x, kernel=3, stride=1, padding=0)
    assert np.isnan(actual[0, 0, 0])
    assert actual[0, 0, 1] == np.inf


@pytest.mark.parametrize("channels", [1, 3, 5, 12, 17, 20])  # 17: one more than a part may have
def test_average_pool_is_within_the_rounding_bound(channels):
    for height, width in [(1, 1), (7, 7), (9, 5)]:
        x = random(0, height, width, channels)
        bound = height * width * EPS * reference.average_pool(np.abs(x))
        assert_within(run_op("average_pool", x), reference.average_pool(x), bound)


def test_average_pool_carries_nan_and_infinity():
    x = random(0, 3, 3, 3)
    x[1, 1, 0], x[2, 0, 1] = np.nan, np.inf
    actual = run_op("average_pool", x)
    assert np.isnan(actual[0])
    assert actual[1] == np.inf
    assert np.isfinite(actual[2])


@pytest.mark.parametrize(("inputs", "outputs"), [*CHANNELS, (160, 7)])
def test_linear_is_within_the_rounding_bound(inputs, outputs):
    x, weight, bias = random(0, inputs), random(1, outputs, inputs), random(2, outputs)
    bound = (inputs + 1) * EPS * (reference.linear(np.abs(x), np.abs(weight), np.abs(bias)))
    assert_within(run_op("linear", x, weight, bias), reference.linear(x, weight, bias), bound)


@pytest.mark.parametrize("channels", [1, 3, 5, 12, 20])
def test_add_is_the_sum_rounded_once(channels):
    x, y = random(0, 3, 5, channels), random(1, 3, 5, channels)
    np.testing.assert_array_equal(run_op("add", x, y), reference.add(x, y).astype(np.float32))


@pytest.mark.parametrize(
    ("name", "shapes", "settings"),
    [
        ("conv2d", [(5, 5, 3), (4, 2, 3, 3)], {"stride": 1, "padding": 1}),
        ("conv2d", [(5, 5, 3), (4, 3, 3, 3)], {"stride": 0, "padding": 1}),
        ("conv2d", [(5, 5, 3), (4, 3, 3, 3)], {"stride": 1, "padding": -1}),
        ("conv2d", [(5, 5, 3), (4, 3, 7, 3)], {"stride": 1, "padding": 0}),
        ("max_pool", [(5, 5, 3)], {"kernel": 7, "stride": 1, "padding": 0}),
        ("max_pool", [(5, 5, 3)], {"kernel": 1, "stride": 1, "padding": 1}),
        ("batch_norm", [(5, 5, 3), (3,), (3,), (2,), (3,)], {}),
        ("linear", [(4,), (3, 5), (3,)], {}),
        ("linear", [(4,), (3, 4), (2,)], {}),
        ("add", [(5, 5, 3), (5, 4, 3)], {}),
    ],
)
def test_shapes_that_do_not_fit_are_refused(name, shapes, settings):
    with pytest.raises(ValueError):
        run_op(name, *(random(i, *shape) for i, shape in enumerate(shapes)), **settings)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="only Linux reports the memory in use this way")
@pytest.mark.parametrize(
    ("name", "shapes", "settings"),
    [
        ("conv2d", [(32, 32, 1), (4, 1, 1, 1)], {"stride": 1, "padding": 0}),
        ("batch_norm", [(32, 32, 4), (4,), (4,), (4,), (4,)], {}),
        ("relu", [(32, 32, 4)], {}),
        ("max_pool", [(128, 128, 1)], {"kernel": 2, "stride": 2, "padding": 0}),
        ("average_pool", [(1, 1, 4096)], {}),
        ("linear", [(1,), (4096, 1), (4096,)], {}),
        ("add", [(32, 32, 4), (32, 32, 4)], {}),
    ],
)
def test_calls_leak_no_memory(name, shapes, settings):
    """Most of three hundreds of calls add little: a leak shows in each, and what the system hands out late, in one."""
    tensors = [np.abs(random(i, *shape)) for i, shape in enumerate(shapes)]
    sizes = []
    for _ in range(4):
        for _ in range(100):
            run_op(name, *tensors, **settings)
        sizes.append(resident_bytes())
    assert sorted(np.diff(sizes))[1] < 400_000  # each call allocates 16 KiB; leaks would add up to 1.6 MiB
