"""Each operator against whole numbers: no byte differs, with any instruction set and any number of threads."""

from itertools import product

import integers
import numpy as np
import pytest
from adapter import Value, averaged, convolved, linear, pooled
from resnet50.instruction_sets import INSTRUCTION_SETS
from resnet50.quantisation import Scale
from test_vnni import ABLE

SIZES = [(1, 1), (9, 5), (8, 11)]
# The first do not fill quads or registers; the last fill, and exceed, the channels that a tile takes.
CHANNELS = [(1, 1), (3, 5), (5, 12), (12, 20), (20, 3), (3, 64), (5, 133)]
CONVOLUTIONS = [
    (*shape, *CHANNELS[number % len(CHANNELS)])
    for number, shape in enumerate(product((1, 2), (0, 1, 2, 3), (1, 3, 7)))  # stride, padding, kernel
]


@pytest.fixture(params=ABLE, autouse=True)
def isa(request, monkeypatch):
    """Each instruction set that this processor has, in turn."""
    monkeypatch.setenv("RESNET50_ISA", request.param)
    return INSTRUCTION_SETS[request.param]


def value(seed, *shape, scale=0.04, zero_point=0):
    """Random bytes, all of them equally likely."""
    q = np.random.RandomState(seed).randint(0, 256, shape)
    return Value(q, np.float32(scale), zero_point)


def scale(number, zero_point=0):
    return Scale(np.float32(number), zero_point)


def layer(seed, outputs, inputs, *kernel):
    """Kernels, their factor and bias; one kernel is all zeros, and so is one bias."""
    generator = np.random.RandomState(seed)
    kernels = generator.standard_normal((outputs, inputs, *kernel)).astype(np.float32)
    factor, bias = generator.uniform(-2, 2, outputs), generator.standard_normal(outputs) * 3
    kernels[outputs // 2], bias[outputs // 3] = 0, 0
    return kernels, factor, bias


def fitting(x, kernels, factor, bias, spread=1.0, **sizes):
    """A scale for a result whose bytes then spread over their range; more of them are cut off with a smaller spread."""
    total, weights = integers.sums(x, kernels, factor, bias, **sizes)
    return np.float32(np.abs(total * np.float64(x.scale) * weights).max() * spread / 255 + 1e-9)


def expected(x, kernels, factor, bias, made, relu=False, **sizes):
    result = integers.convolution(x, kernels, factor, bias, made.scale, made.zero_point, **sizes)
    return result


@pytest.mark.parametrize(("stride", "padding", "kernel", "inputs", "outputs"), CONVOLUTIONS)
def test_convolutions_are_exact(stride, padding, kernel, inputs, outputs):
    sizes = {"stride": stride, "padding": padding}
    for seed, (height, width) in enumerate(SIZES):
        x, weights = value(seed, height, width, inputs), layer(9, outputs, inputs, kernel, kernel)
        if min(height, width) + 2 * padding < kernel:
            with pytest.raises(ValueError, match="window"):
                convolved(x, *weights, scale(1), **sizes)
            continue
        made = scale(fitting(x, *weights, **sizes), zero_point=(0, 127, 201)[seed])
        relu = seed == 0
        actual = convolved(x, *weights, made, relu=relu, **sizes)
        np.testing.assert_array_equal(actual, expected(x, *weights, made, **sizes).q)


@pytest.mark.parametrize("zero_point", [0, 1, 127, 128, 255])
@pytest.mark.parametrize("spread", [1.0, 0.01, 1e-6, 1e-12, 100.0])
def test_what_is_too_large_or_too_small_is_kept_at_the_ends(spread, zero_point):
    x, weights = value(0, 5, 6, 7), layer(1, 37, 7, 3, 3)
    made = scale(fitting(x, *weights, spread=spread), zero_point)
    actual = convolved(x, *weights, made)
    np.testing.assert_array_equal(actual, expected(x, *weights, made).q)
    if spread <= 0.01:
        assert actual.max() == 255 and actual.min() == 0


@pytest.mark.parametrize("byte", [0, 255])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_sums_are_exact(byte, sign):
    """512 channels of 255 times +-127 in each of nine places: sums that 16 bits could not hold, nor float32."""
    x = Value(np.full((3, 3, 512), byte), np.float32(1), 0)
    kernels = np.full((33, 512, 3, 3), sign, np.float32)
    bias = np.arange(33) * 2.0**24
    made = scale(5000.0, 100)
    actual = convolved(x, kernels, np.ones(33), bias, made, padding=1)
    np.testing.assert_array_equal(actual, expected(x, kernels, np.ones(33), bias, made, padding=1).q)


@pytest.mark.parametrize("zero_point", [0, 1, 2, 77, 78])
def test_ties_go_to_the_even_number_before_the_zero_point_is_added(zero_point):
    x = Value(np.arange(256).reshape(16, 16, 1), np.float32(1), 0)
    kernels = np.ones((5, 1, 1, 1), np.float32)
    made = scale(2.0 * 127 / 127, zero_point)
    actual = convolved(x, kernels * 127, np.ones(5), np.zeros(5), scale(254.0, zero_point))
    wanted = np.clip(np.rint(np.arange(256) / 2).astype(int) + zero_point, 0, 255)  # 0, 0.5, 1, 1.5, ...
    np.testing.assert_array_equal(actual[..., 0].ravel(), wanted)
    assert made.zero_point == zero_point


@pytest.mark.parametrize(("zero_a", "zero_b"), [(0, 0), (1, 0), (131, 0), (131, 77), (255, 1)])
@pytest.mark.parametrize("outputs", [3, 16, 37, 64])
def test_residual_sums_are_exact(outputs, zero_a, zero_b):
    x, weights = value(0, 5, 7, 12), layer(1, outputs, 12, 1, 1)
    shortcut = value(2, 5, 7, outputs, scale=0.031, zero_point=zero_b)
    made = scale(fitting(x, *weights), zero_a)
    for total in (0.05, 0.0137, 0.31):
        actual = convolved(x, *weights, made, relu=True, add=shortcut, total=scale(total))
        own = expected(x, *weights, made)
        np.testing.assert_array_equal(actual, integers.add(own, shortcut, total).q)


def test_all_pairs_of_bytes_are_added_exactly():
    x = Value(np.arange(256).repeat(256).reshape(256, 256, 1), np.float32(1), 0)
    shortcut = Value(np.tile(np.arange(256), 256).reshape(256, 256, 1), np.float32(0.7), 3)
    kernels = np.full((1, 1, 1, 1), 127, np.float32)  # a weight of 127 with a scale of 1, and the result's scale 127
    for ratio in (1.0, 0.5, 1.7):
        made, total = scale(127.0, 5), np.float32(127 * ratio)
        actual = convolved(x, kernels, np.ones(1), np.zeros(1), made, relu=True, add=shortcut, total=scale(total))
        own = expected(x, kernels, np.ones(1), np.zeros(1), made)
        assert set(own.q.ravel()) == set(range(5, 256))
        np.testing.assert_array_equal(actual, integers.add(own, shortcut, total).q)


@pytest.mark.parametrize("zero_point", [0, 1, 114, 255])
@pytest.mark.parametrize(("stride", "padding", "pool"), [(2, 3, (3, 2, 1)), (1, 1, (3, 1, 1)), (1, 0, (2, 2, 0))])
@pytest.mark.parametrize("outputs", [3, 16, 37])
def test_a_picture_is_quantised_convolved_and_pooled_exactly(outputs, stride, padding, pool, zero_point):
    image = np.random.RandomState(3).standard_normal((11, 13, 3)).astype(np.float32)
    weights = layer(1, outputs, 3, 3, 3)
    given = scale(0.0187, zero_point)
    x = integers.quantise(image, 0.0187, zero_point)
    made = scale(fitting(x, *weights, stride=stride, padding=padding))
    conv = expected(x, *weights, made, stride=stride, padding=padding)
    actual = pooled(image, *weights, given, made, stride=stride, padding=padding, pool=pool)
    np.testing.assert_array_equal(actual, integers.max_pool(conv, *pool).q)


@pytest.mark.parametrize("zero_point", [0, 1, 114, 255])
def test_pictures_of_ties_and_of_numbers_too_large_are_quantised_exactly(zero_point):
    """The kernels copy each channel, so that the bytes can be seen."""
    numbers = np.concatenate([np.arange(-300, 300) / 2, [1e30, -1e30, 3.4e38, -3.4e38, 1e-45, -0.0]])
    image = np.resize(numbers, (21, 30, 3)).astype(np.float32)
    kernels = np.eye(3, dtype=np.float32)[:, :, None, None] * 127
    x = integers.quantise(image, 1.0, zero_point)
    made = scale(127.0)
    actual = pooled(image, kernels, np.ones(3), np.zeros(3), scale(1.0, zero_point), made, pool=(1, 1, 0))
    np.testing.assert_array_equal(actual, np.maximum(x.q - zero_point, 0))


@pytest.mark.parametrize("channels", [1, 3, 5, 12, 20, 66, 133])  # 66: 17 quads, one more than a part may have
def test_average_pools_are_exact(channels):
    for seed, (height, width) in enumerate([(1, 1), (7, 7), (9, 5), (32, 32)]):
        for made in (0.04, 0.01, 0.5, 0.02):  # the first of a single pixel copies, the last two tie
            x = value(seed, height, width, channels)
            np.testing.assert_array_equal(averaged(x, scale(made)), integers.average_pool(x, made).q)


@pytest.mark.parametrize(("inputs", "outputs"), [*CHANNELS, (160, 7), (64, 32)])
def test_linear_layers_are_exact(inputs, outputs):
    x = value(0, inputs)
    weight = np.random.RandomState(1).standard_normal((outputs, inputs)).astype(np.float32)
    bias = np.random.RandomState(2).standard_normal(outputs).astype(np.float32)
    actual = linear(x, weight, bias)
    assert actual.dtype == np.float32
    np.testing.assert_array_equal(actual, integers.linear(x, weight, bias))


def test_kernels_that_are_not_square_are_exact():
    x, weights = value(0, 9, 8, 5), layer(1, 12, 5, 3, 2)
    made = scale(fitting(x, *weights, padding=1))
    actual = convolved(x, *weights, made, padding=1)
    np.testing.assert_array_equal(actual, expected(x, *weights, made, padding=1).q)


def test_the_padding_of_an_input_whose_zero_is_not_the_byte_0_is_refused():
    """Only the picture is such an input, and there the padding is written down."""
    with pytest.raises(ValueError, match="zero point"):
        convolved(value(0, 5, 5, 3, zero_point=1), *layer(1, 4, 3, 3, 3), scale(1), padding=1)


@pytest.mark.parametrize("magnitude", [1e-38, 1e-44, 1e-30, 1e30])
def test_weights_of_any_size_are_quantised_alike(magnitude):
    x, (kernels, factor, bias) = value(0, 3, 4, 5), layer(1, 9, 5, 1, 1)
    kernels, bias = (kernels * np.float64(magnitude)).astype(np.float32), bias * magnitude
    made = scale(max(np.float32(magnitude), np.float32(1e-37)))
    actual = convolved(x, kernels, factor, bias, made)
    np.testing.assert_array_equal(actual, expected(x, kernels, factor, bias, made).q)


@pytest.mark.parametrize(
    ("shapes", "settings"),
    [
        ([(5, 5, 3), (4, 5, 3, 3)], {"stride": 1, "padding": 1}),
        ([(5, 5, 3), (4, 3, 3, 3)], {"stride": 0, "padding": 1}),
        ([(5, 5, 3), (4, 3, 3, 3)], {"stride": 1, "padding": -1}),
        ([(5, 5, 3), (4, 3, 7, 3)], {"stride": 1, "padding": 0}),
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes, settings):
    x, kernels = shapes
    with pytest.raises(ValueError):
        convolved(value(0, *x), *layer(1, *kernels), scale(1), **settings)
