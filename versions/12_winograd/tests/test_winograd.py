"""Winograd's forms of a 3x3 convolution: exact as formulas, and as code within the rounding bound of bound.py."""

import re

import numpy as np
import pytest
import reference
from adapter import convolved
from bound import by_tiles, matrix, run, tolerance
from conftest import EPS, random
from resnet50 import WeightsError
from resnet50.instruction_sets import INSTRUCTION_SETS, instruction_set
from resnet50.packing import arrange
from resnet50.tiles import Convolution, strip_channels
from resnet50.winograd import (
    F2,
    F4,
    FORMS,
    POLYPHASE,
    Products,
    Transform,
    choose,
    count_operations,
    in_registers,
    interleave_kernels,
    read,
    transform_kernels,
    value,
)

every_form = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
# A form and a picture: in the third, U is made in registers.
CASES = [(F2, (9, 10)), (F4, (9, 10)), (F4, (7, 8)), (POLYPHASE, (9, 10)), (POLYPHASE, (12, 11))]
every_case = pytest.mark.parametrize(("form", "size"), CASES, ids=lambda each: getattr(each, "name", str(each)))
SIZES = [(1, 1), (2, 5), (7, 7), (9, 5), (8, 13), (3, 12)]  # F(4x4): 1, 2, 4, 6, 8 and 3 tiles
CHANNELS = [(1, 1), (3, 5), (12, 20), (20, 3), (16, 64), (5, 133)]


def in_form(form, x, kernels, **settings):
    """A convolution in one of Winograd's forms, by the generated code."""
    return convolved(x, kernels, stride=form.stride, padding=1, form=form, **settings)


def directly(form, x, kernels):
    """The same convolution in float64."""
    return reference.conv2d(x, kernels, form.stride, 1)


@every_form
def test_the_formula_is_the_convolution(form):
    x, kernels = random(0, 11, 9, 3), random(1, 4, 3, 3, 3)
    expected = directly(form, x, kernels)
    assert np.abs(by_tiles(x, kernels, form) - expected).max() < 1e-13 * np.abs(expected).max()


def test_the_constants_in_c_are_the_roots_rounded_to_float32():
    found = dict(re.findall(r"(ROOT_\w+) = ([0-9.]+)f", F4.constants))
    assert {name: np.float32(value) for name, value in found.items()} == {
        "ROOT_HALF": np.float32(np.sqrt(0.5)), "ROOT_TWO": np.float32(np.sqrt(2.0))
    }  # fmt: skip


@pytest.mark.parametrize(("inputs", "outputs"), CHANNELS)
@every_form
def test_every_form_is_within_its_bound(form, inputs, outputs):
    for seed, size in enumerate(SIZES):
        x, kernels, bias = random(seed, *size, inputs), random(8, outputs, inputs, 3, 3), random(9, outputs)
        actual = in_form(form, x, kernels, bias=bias)
        expected = directly(form, x, kernels) + bias
        assert actual.shape == expected.shape
        assert (np.abs(actual - expected) <= tolerance(x, kernels, bias, form)).all()


@every_case
def test_a_huge_pixel_in_each_tile_leaves_no_more_than_the_bound(form, size):
    x, kernels, bias = random(0, *size, 5), random(1, 7, 5, 3, 3), random(2, 7)
    apart = form.stride * form.pixels
    for i, j in np.ndindex(apart, apart):
        huge = x.copy()
        huge[i::apart, j::apart, 2] *= 1e30
        actual = in_form(form, huge, kernels, bias=bias)
        expected = directly(form, huge, kernels) + bias
        error, unseen = np.abs(actual - expected), np.abs(expected) < 1e6
        assert (error <= tolerance(huge, kernels, bias, form)).all()
        assert (error[unseen] > 1e6).any() == (form is F4)  # its transforms take it to windows that do not see it


@every_case
def test_what_overflows_on_the_way_is_nan_and_never_a_finite_number(form, size):
    """Sums of large numbers overflow in a form before they do in the convolution, to infinity of either sign."""
    kernels = random(1, 32, 24, 3, 3) / 4
    for scale in (1e37, 4e37, 7e37):
        x = np.abs(random(0, *size, 24)) * np.float32(scale)
        actual = in_form(form, x, kernels, relu=True)
        expected = reference.relu(directly(form, x, kernels))  # float64 reaches much further
        finite = np.isfinite(actual)
        assert not finite.all() or scale < 7e37
        error = np.abs(actual[finite] - expected[finite])
        assert (error <= tolerance(x, kernels, np.zeros(32), form)[finite]).all()


@every_case
def test_relu_follows_the_bias(form, size):
    x, kernels, bias = random(0, *size, 5), random(1, 7, 5, 3, 3), random(2, 7)
    plain = in_form(form, x, kernels, bias=bias)
    np.testing.assert_array_equal(in_form(form, x, kernels, relu=True, bias=bias), plain.clip(0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@every_case
def test_what_is_not_finite_reaches_its_windows_and_stays_in_its_tiles(form, size, value):
    """In float64 a window that sees infinity is infinite; here it may be NaN, and so may the rest of the tile."""
    x, kernels = random(0, *size, 3), random(1, 5, 3, 3, 3)
    clean = in_form(form, x, kernels)
    for row, column in [(0, 0), (5, 6), (4, 3), (size[0] - 1, size[1] - 1)]:
        x_bad = x.copy()
        x_bad[row, column, 1] = value
        actual = in_form(form, x_bad, kernels)
        with np.errstate(invalid="ignore"):
            expected = directly(form, x_bad, kernels)
        assert not np.isfinite(actual[~np.isfinite(expected)]).any()
        touched = np.zeros(clean.shape[:2], bool)
        for i, j in np.ndindex(touched.shape):
            top, left = (each // form.pixels * form.pixels * form.stride - 1 for each in (i, j))
            touched[i, j] = 0 <= row - top < form.side and 0 <= column - left < form.side
        np.testing.assert_array_equal(actual[~touched], clean[~touched])


@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS)
@every_form
def test_kernels_are_transformed_in_float64_and_rounded_once(form, isa):
    channels, outputs, strip = 5, 2 * strip_channels(isa) + 3, strip_channels(isa)
    kernels = random(0, outputs, channels, 3, 3)
    packed = []
    for first in range(0, outputs, strip):
        part = kernels[first : first + strip].transpose(2, 3, 1, 0)
        packed.append(np.pad(part, [(0, 0)] * 3 + [(0, -part.shape[3] % isa.lanes)]).ravel())
    actual = transform_kernels(np.concatenate(packed), channels, outputs, form, isa)
    expected = np.einsum("ai,bj,ocij->abco", form.G, form.G, kernels.astype(np.float64))
    for first in range(0, outputs, strip):
        part = expected[..., first : first + strip]
        width = part.shape[3] + -part.shape[3] % isa.lanes
        size = form.numbers * channels * width
        found, actual = actual[:size].reshape(*part.shape[:3], width), actual[size:]
        # Half a unit in the last place for the one rounding, and as much as float64's own errors can tip it.
        assert (np.abs(found[..., : part.shape[3]] - part) <= EPS / 2 * np.abs(part) * (1 + 1e-6) + 1e-13).all()
        assert not found[..., part.shape[3] :].any()
    assert actual.size == 0


@pytest.mark.parametrize("outputs", [1, 37])
def test_kernels_for_registers_are_in_the_order_in_which_they_are_read(outputs):
    isa, channels = instruction_set(), 3
    kernels = random(0, outputs, channels, 3, 3)
    packed, _ = arrange(kernels, np.ones(outputs), np.zeros(outputs), isa)
    actual = interleave_kernels(packed, channels, outputs, F4, isa).reshape(-1, channels, 9, isa.lanes)
    expected = np.zeros((len(actual) * isa.lanes, channels, 9), np.float32)
    expected[:outputs] = kernels.reshape(outputs, channels, 9)
    np.testing.assert_array_equal(actual, expected.reshape(-1, isa.lanes, channels, 9).transpose(0, 2, 3, 1))


def test_a_kernels_values_in_c_are_those_of_the_formula_before_they_are_divided():
    expected = F4.G * F4.distances[:, None]
    assert np.abs(matrix(F4.kernel, "g", 3) - expected).max() < 1e-15
    for i in range(F4.side):
        numbers = run((value(F4, i),), dict(zip(("g0", "g1", "g2"), np.eye(3))))
        assert np.abs(numbers[f"u{i}"] - expected[i]).max() < 1e-15
        assert sum(f"u{j}" in numbers for j in range(F4.side)) == 1


@pytest.mark.parametrize("size", [(4, 4), (3, 8), (4, 11), (7, 7)])  # 1 to 4 tiles
@pytest.mark.parametrize("outputs", [5, 35])
def test_kernels_are_transformed_in_registers_for_many_channels_too(size, outputs):
    """More than are taken at a time, and not a multiple."""
    x, kernels, bias = random(0, *size, 70), random(1, outputs, 70, 3, 3), random(2, outputs)
    actual = in_form(F4, x, kernels, bias=bias)
    assert (np.abs(actual - directly(F4, x, kernels) - bias) <= tolerance(x, kernels, bias, F4)).all()


@every_case
def test_kernels_that_a_form_makes_too_large_are_refused(form, size):
    """With infinity in them the sums would be NaN, or, after ReLU, 0."""
    with pytest.raises(WeightsError, match="too large for float32"):
        in_form(form, random(0, *size, 3), np.full((5, 3, 3, 3), 3e38, np.float32))


def square(side, channels, **changes):
    """A convolution with a square window over a square picture, of the kind that Winograd's forms are for."""
    sizes = dict(height=side, width=side, channels=channels, outputs=channels, kernel_height=3, kernel_width=3)
    return Convolution(**(sizes | {"stride": 1, "padding": 1} | changes))


def test_large_pictures_take_large_tiles_and_small_ones_none():
    """As measured: with few tiles, reading the weights takes longer than what is saved."""
    layers = [square(side, channels) for side, channels in ((56, 64), (28, 128), (14, 256), (7, 512), (2, 512))]
    assert [choose(layer, INSTRUCTION_SETS["avx512"]) for layer in layers] == [F4, F4, F4, F4, None]
    assert [choose(layer, INSTRUCTION_SETS["avx2"]) for layer in layers] == [F4, F4, F4, F2, None]


def test_stride_2_takes_the_polyphase_form_but_for_small_pictures():
    layers = [square(side, channels, stride=2) for side, channels in ((56, 128), (28, 256), (14, 512))]
    for isa in INSTRUCTION_SETS.values():
        assert [choose(layer, isa) for layer in layers] == [POLYPHASE, POLYPHASE, None]


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_pixels_that_windows_read_are_counted(stride):
    for size in range(1, 20):
        windows = [range(first, first + 3) for first in range(-1, size - 1, stride)]
        assert read(size, stride) == sum(0 <= pixel < size for window in windows for pixel in window)


def test_kernels_are_transformed_in_registers_where_a_row_of_sums_leaves_some_free():
    for name, largest in (("avx512", 8), ("avx2", 4), ("neon", 8)):
        taken = [side for side in range(1, 30) if in_registers(square(side, 8), F4, INSTRUCTION_SETS[name])]
        assert taken == list(range(1, largest + 1))


@pytest.mark.parametrize(
    "changes", [{"stride": 3}, {"padding": 0}, {"kernel_height": 1}, {"kernel_width": 5}, {"residual": True}]
)
def test_other_convolutions_are_done_directly(changes):
    assert choose(square(56, 64), instruction_set())
    assert not choose(square(56, 64, **changes), instruction_set())


class Counted:
    """A number that notes in `done` each operation that it takes part in."""

    def __init__(self, done):
        self.done = done

    def operate(self, other):
        self.done.append(other)
        return self

    __add__ = __sub__ = __mul__ = __rmul__ = operate


@every_form
def test_a_transform_has_the_operations_that_running_it_takes(form):
    for lines, name in ((form.input, "d"), (form.output, "m"), (F4.kernel, "g")):
        done = []
        run(lines, {f"{name}{i}": Counted(done) for i in range(form.side)})
        assert count_operations(lines) == len(done) > 0


def test_a_convolution_has_the_operations_that_one_works_out_by_hand():
    conv = square(7, 3, outputs=5)
    # 16 tiles; 4 additions for 4 points, in 2 x 4 rows and columns; 4 for 2 pixels, in 4 columns and 2 rows
    assert Transform(conv, F2).operations == 16 * 3 * 8 * 4
    assert Products(conv, F2).operations == 16 * 5 * (2 * 16 * 3 + 6 * 4) + 7 * 7 * 5
    # 4 tiles; 2 additions for 5 points, in 2 x 5 rows and columns; 4 for 2 pixels, in 5 columns and 2 rows
    conv = square(7, 3, outputs=5, stride=2)
    assert Transform(conv, POLYPHASE).operations == 4 * 3 * 10 * 2
    assert Products(conv, POLYPHASE).operations == 4 * 5 * (2 * 25 * 3 + 7 * 4) + 4 * 4 * 5
