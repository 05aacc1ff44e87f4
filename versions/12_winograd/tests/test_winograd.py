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
    FORMS,
    Products,
    Transform,
    choose,
    count_operations,
    in_registers,
    interleave_kernels,
    transform_kernels,
    value,
)

PIXELS = sorted(FORMS)
CASES = [(2, (9, 10)), (4, (9, 10)), (4, (7, 8))]  # a form and a picture; in the last, U is made in registers
SIZES = [(1, 1), (2, 5), (7, 7), (9, 5), (8, 13), (3, 12)]  # F(4x4): 1, 2, 4, 6, 8 and 3 tiles
CHANNELS = [(1, 1), (3, 5), (12, 20), (20, 3), (16, 64), (5, 133)]


@pytest.mark.parametrize("pixels", PIXELS)
def test_the_formula_is_the_convolution(pixels):
    x, kernels = random(0, 11, 9, 3), random(1, 4, 3, 3, 3)
    expected = reference.conv2d(x, kernels, 1, 1)
    assert np.abs(by_tiles(x, kernels, pixels) - expected).max() < 1e-13 * np.abs(expected).max()


def test_the_constants_in_c_are_the_roots_rounded_to_float32():
    found = dict(re.findall(r"(ROOT_\w+) = ([0-9.]+)f", FORMS[4].constants))
    assert {name: np.float32(value) for name, value in found.items()} == {
        "ROOT_HALF": np.float32(np.sqrt(0.5)), "ROOT_TWO": np.float32(np.sqrt(2.0))
    }  # fmt: skip


@pytest.mark.parametrize(("inputs", "outputs"), CHANNELS)
@pytest.mark.parametrize("pixels", PIXELS)
def test_every_form_is_within_its_bound(pixels, inputs, outputs):
    for seed, size in enumerate(SIZES):
        x, kernels, bias = random(seed, *size, inputs), random(8, outputs, inputs, 3, 3), random(9, outputs)
        actual = convolved(x, kernels, bias=bias, padding=1, pixels=pixels)
        expected = reference.conv2d(x, kernels, 1, 1) + bias
        assert actual.shape == expected.shape
        assert (np.abs(actual - expected) <= tolerance(x, kernels, bias, pixels)).all()


@pytest.mark.parametrize(("pixels", "size"), CASES)
def test_a_huge_pixel_in_each_tile_leaves_no_more_than_the_bound(pixels, size):
    x, kernels, bias = random(0, *size, 5), random(1, 7, 5, 3, 3), random(2, 7)
    for i, j in np.ndindex(pixels, pixels):
        huge = x.copy()
        huge[i::pixels, j::pixels, 2] *= 1e30
        actual = convolved(huge, kernels, bias=bias, padding=1, pixels=pixels)
        expected = reference.conv2d(huge, kernels, 1, 1) + bias
        error, unseen = np.abs(actual - expected), np.abs(expected) < 1e6
        assert (error <= tolerance(huge, kernels, bias, pixels)).all()
        assert pixels == 2 or (error[unseen] > 1e6).any()  # in a tile of 4 x 4 not all windows see it


@pytest.mark.parametrize(("pixels", "size"), CASES)
def test_what_overflows_on_the_way_is_nan_and_never_a_finite_number(pixels, size):
    """Sums of large numbers overflow in a form before they do in the convolution, to infinity of either sign."""
    kernels = random(1, 32, 24, 3, 3) / 15
    for scale in (1e37, 4e37, 7e37):
        x = np.abs(random(0, *size, 24)) * np.float32(scale)
        actual = convolved(x, kernels, relu=True, padding=1, pixels=pixels)
        expected = reference.relu(reference.conv2d(x, kernels, 1, 1))  # float64 reaches much further
        finite = np.isfinite(actual)
        assert not finite.all() or scale < 7e37
        error = np.abs(actual[finite] - expected[finite])
        assert (error <= tolerance(x, kernels, np.zeros(32), pixels)[finite]).all()


@pytest.mark.parametrize(("pixels", "size"), CASES)
def test_relu_follows_the_bias(pixels, size):
    x, kernels, bias = random(0, *size, 5), random(1, 7, 5, 3, 3), random(2, 7)
    plain = convolved(x, kernels, bias=bias, padding=1, pixels=pixels)
    np.testing.assert_array_equal(convolved(x, kernels, relu=True, bias=bias, padding=1, pixels=pixels), plain.clip(0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("pixels", "size"), CASES)
def test_what_is_not_finite_reaches_its_windows_and_stays_in_its_tiles(pixels, size, value):
    """In float64 a window that sees infinity is infinite; here it may be NaN, and so may the rest of the tile."""
    x, kernels = random(0, *size, 3), random(1, 5, 3, 3, 3)
    clean = convolved(x, kernels, padding=1, pixels=pixels)
    for row, column in [(0, 0), (5, 6), (4, 3), (size[0] - 1, size[1] - 1)]:
        x_bad = x.copy()
        x_bad[row, column, 1] = value
        actual = convolved(x_bad, kernels, padding=1, pixels=pixels)
        with np.errstate(invalid="ignore"):
            expected = reference.conv2d(x_bad, kernels, 1, 1)
        assert not np.isfinite(actual[~np.isfinite(expected)]).any()
        touched = np.zeros(size, bool)
        for i, j in np.ndindex(size):
            top, left = i // pixels * pixels - 1, j // pixels * pixels - 1
            touched[i, j] = 0 <= row - top < pixels + 2 and 0 <= column - left < pixels + 2
        np.testing.assert_array_equal(actual[~touched], clean[~touched])


@pytest.mark.parametrize("isa", INSTRUCTION_SETS.values(), ids=INSTRUCTION_SETS)
@pytest.mark.parametrize("pixels", PIXELS)
def test_kernels_are_transformed_in_float64_and_rounded_once(pixels, isa):
    channels, outputs, strip = 5, 2 * strip_channels(isa) + 3, strip_channels(isa)
    kernels = random(0, outputs, channels, 3, 3)
    packed = []
    for first in range(0, outputs, strip):
        part = kernels[first : first + strip].transpose(2, 3, 1, 0)
        packed.append(np.pad(part, [(0, 0)] * 3 + [(0, -part.shape[3] % isa.lanes)]).ravel())
    actual = transform_kernels(np.concatenate(packed), channels, outputs, pixels, isa)
    G = FORMS[pixels].G
    expected = np.einsum("ai,bj,ocij->abco", G, G, kernels.astype(np.float64))
    for first in range(0, outputs, strip):
        part = expected[..., first : first + strip]
        width = part.shape[3] + -part.shape[3] % isa.lanes
        size = (pixels + 2) ** 2 * channels * width
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
    actual = interleave_kernels(packed, channels, outputs, 4, isa).reshape(-1, channels, 9, isa.lanes)
    expected = np.zeros((len(actual) * isa.lanes, channels, 9), np.float32)
    expected[:outputs] = kernels.reshape(outputs, channels, 9)
    np.testing.assert_array_equal(actual, expected.reshape(-1, isa.lanes, channels, 9).transpose(0, 2, 3, 1))


def test_a_kernels_values_in_c_are_those_of_the_formula_before_they_are_divided():
    form = FORMS[4]
    expected = form.G * form.distances[:, None]
    assert np.abs(matrix(form.kernel, "g", 3) - expected).max() < 1e-15
    for i in range(form.side):
        numbers = run((value(form, i),), dict(zip(("g0", "g1", "g2"), np.eye(3))))
        assert np.abs(numbers[f"u{i}"] - expected[i]).max() < 1e-15
        assert sum(f"u{j}" in numbers for j in range(form.side)) == 1


@pytest.mark.parametrize("size", [(4, 4), (3, 8), (4, 11), (7, 7)])  # 1 to 4 tiles
@pytest.mark.parametrize("outputs", [5, 35])
def test_kernels_are_transformed_in_registers_for_many_channels_too(size, outputs):
    """More than are taken at a time, and not a multiple."""
    x, kernels, bias = random(0, *size, 70), random(1, outputs, 70, 3, 3), random(2, outputs)
    actual = convolved(x, kernels, bias=bias, padding=1, pixels=4)
    assert (np.abs(actual - reference.conv2d(x, kernels, 1, 1) - bias) <= tolerance(x, kernels, bias, 4)).all()


@pytest.mark.parametrize(("pixels", "size"), CASES)
def test_kernels_that_a_form_makes_too_large_are_refused(pixels, size):
    """With infinity in them the sums would be NaN, or, after ReLU, 0."""
    with pytest.raises(WeightsError, match="too large for float32"):
        convolved(random(0, *size, 3), np.full((5, 3, 3, 3), 3e38, np.float32), padding=1, pixels=pixels)


def square(side, channels, **changes):
    """A convolution with a square window over a square picture, of the kind that Winograd's forms are for."""
    sizes = dict(height=side, width=side, channels=channels, outputs=channels, kernel_height=3, kernel_width=3)
    return Convolution(**(sizes | {"stride": 1, "padding": 1} | changes))


def test_large_pictures_take_large_tiles_and_small_ones_none():
    """As measured: with few tiles, reading the weights takes longer than what is saved."""
    layers = [square(side, channels) for side, channels in ((56, 64), (28, 128), (14, 256), (7, 512), (2, 512))]
    assert [choose(layer, INSTRUCTION_SETS["avx512"]) for layer in layers] == [4, 4, 4, 4, 0]
    assert [choose(layer, INSTRUCTION_SETS["avx2"]) for layer in layers] == [4, 4, 4, 2, 0]


def test_kernels_are_transformed_in_registers_where_a_row_of_sums_leaves_some_free():
    for name, largest in (("avx512", 8), ("avx2", 4), ("neon", 8)):
        taken = [side for side in range(1, 30) if in_registers(square(side, 8), 4, INSTRUCTION_SETS[name])]
        assert taken == list(range(1, largest + 1))


@pytest.mark.parametrize(
    "changes", [{"stride": 2}, {"padding": 0}, {"kernel_height": 1}, {"kernel_width": 5}, {"residual": True}]
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


@pytest.mark.parametrize("pixels", PIXELS)
def test_a_transform_has_the_operations_that_running_it_takes(pixels):
    form = FORMS[pixels]
    for lines, name in ((form.input, "d"), (form.output, "m"), (FORMS[4].kernel, "g")):
        done = []
        run(lines, {f"{name}{i}": Counted(done) for i in range(form.side)})
        assert count_operations(lines) == len(done) > 0


def test_a_convolution_has_the_operations_that_one_works_out_by_hand():
    conv = square(7, 3, outputs=5)
    # F(2x2): 16 tiles; 4 additions for 4 points, in 2 x 4 rows and columns; 4 for 2 pixels, in 4 columns and 2 rows
    assert Transform(conv, 2).operations == 16 * 3 * 8 * 4
    assert Products(conv, 2).operations == 16 * 5 * (2 * 16 * 3 + 6 * 4) + 7 * 7 * 5
