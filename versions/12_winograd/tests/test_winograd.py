"""Winograd's forms of a 3x3 convolution: exact as formulas, and within a rounding bound as code.

The bound. A form computes y = A^T [sum over c of (G g G^T) * (B^T d B)] A with rounded numbers. In one direction a
transform rounds what a term contributes at most 4 times on the way from d to V (a constant, its product, a difference,
a sum) and 5 times on the way from M to y; U is rounded once, a sum over C channels of fused multiply-adds C times, and
the bias once. So, to first order in eps = 2^-23, the error of y is at most

    (C + 2 * 4 + 2 * 5 + 2) * eps / 2 * |A^T| [sum over c of (|G| |g| |G^T|) * (|B^T| |d| |B|)] |A|

The tests allow twice that, as for the other operators. Unlike theirs, this bound belongs to a tile, not to a window: a
huge number inside the patch leaves a rounding error of its size in every pixel of the tile, also where no window sees
it; one on the patch's rim, in the pixels of the tile's rim.
"""

import re

import numpy as np
import pytest
import reference
from adapter import convolved
from conftest import EPS, random
from resnet50 import WeightsError
from resnet50.instruction_sets import INSTRUCTION_SETS
from resnet50.tiles import Convolution, strip_channels
from resnet50.winograd import FORMS, choose, transform_kernels

PIXELS = sorted(FORMS)
SIZES = [(1, 1), (2, 5), (7, 7), (9, 5), (8, 13)]
CHANNELS = [(1, 1), (3, 5), (12, 20), (20, 3), (16, 64), (5, 133)]


def matrix(lines, name, size):
    """The matrix of a transform in C: each result as a row of the factors of `name`0, `name`1, ..."""
    numbers = {f"{name}{i}": row for i, row in enumerate(np.eye(size))}
    numbers |= {"ROOT_HALF": np.sqrt(0.5), "ROOT_TWO": np.sqrt(2.0)}
    for statement in re.sub(r"(\d)f", r"\1", ", ".join(lines)).split(", "):
        exec(statement, {}, numbers)
    result = {"d": "v", "m": "y"}[name]
    return np.array([numbers[f"{result}{i}"] for i in range(size) if f"{result}{i}" in numbers])


def matrices(pixels):
    """B^T, G and A^T, float64."""
    form = FORMS[pixels]
    return matrix(form.input, "d", form.side), form.kernel, matrix(form.output, "m", form.side)


def by_tiles(x, kernels, pixels, absolute=False):
    """The convolution (stride 1, padding 1) by the formula in float64; `absolute`: of absolute values throughout."""
    given = (*matrices(pixels), x.astype(np.float64), kernels.astype(np.float64))
    B, G, A, x, kernels = (np.abs(each) for each in given) if absolute else given
    height, width, _ = x.shape
    side, (down, across) = pixels + 2, (-(-height // pixels), -(-width // pixels))
    padded = np.pad(x, [(1, down * pixels - height + 1), (1, across * pixels - width + 1), (0, 0)])
    output = np.zeros((down * pixels, across * pixels, len(kernels)))
    U = np.einsum("ai,bj,ocij->aboc", G, G, kernels)
    for i, j in np.ndindex(down, across):
        patch = padded[i * pixels :, j * pixels :][:side, :side]
        M = np.einsum("aboc,abc->abo", U, np.einsum("ai,bj,ijc->abc", B, B, patch))
        output[i * pixels :, j * pixels :][:pixels, :pixels] = np.einsum("ai,bj,ijo->abo", A, A, M)
    return output[:height, :width]


def tolerance(x, kernels, bias, pixels):
    """Twice the bound above for each number."""
    roundings = kernels.shape[1] + 2 * 4 + 2 * 5 + 2
    return roundings * EPS * (by_tiles(x, kernels, pixels, absolute=True) + np.abs(bias))


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


@pytest.mark.parametrize("pixels", PIXELS)
def test_a_huge_pixel_in_each_tile_leaves_no_more_than_the_bound(pixels):
    x, kernels, bias = random(0, 9, 10, 5), random(1, 7, 5, 3, 3), random(2, 7)
    for i, j in np.ndindex(pixels, pixels):
        huge = x.copy()
        huge[i::pixels, j::pixels, 2] *= 1e30
        actual = convolved(huge, kernels, bias=bias, padding=1, pixels=pixels)
        expected = reference.conv2d(huge, kernels, 1, 1) + bias
        error, unseen = np.abs(actual - expected), np.abs(expected) < 1e6
        assert (error <= tolerance(huge, kernels, bias, pixels)).all()
        assert pixels == 2 or (error[unseen] > 1e6).any()  # in a tile of 4 x 4 not all windows see it


@pytest.mark.parametrize("pixels", PIXELS)
def test_what_overflows_on_the_way_is_nan_and_never_a_finite_number(pixels):
    """Sums of large numbers overflow in a form before they do in the convolution, to infinity of either sign."""
    kernels = random(1, 32, 24, 3, 3) / 15
    for scale in (1e37, 4e37, 7e37):
        x = np.abs(random(0, 12, 12, 24)) * np.float32(scale)
        actual = convolved(x, kernels, relu=True, padding=1, pixels=pixels)
        expected = reference.relu(reference.conv2d(x, kernels, 1, 1))  # float64 reaches much further
        finite = np.isfinite(actual)
        assert not finite.all() or scale < 7e37
        error = np.abs(actual[finite] - expected[finite])
        assert (error <= tolerance(x, kernels, np.zeros(32), pixels)[finite]).all()


@pytest.mark.parametrize("pixels", PIXELS)
def test_relu_follows_the_bias(pixels):
    x, kernels, bias = random(0, 9, 10, 5), random(1, 7, 5, 3, 3), random(2, 7)
    plain = convolved(x, kernels, bias=bias, padding=1, pixels=pixels)
    np.testing.assert_array_equal(convolved(x, kernels, relu=True, bias=bias, padding=1, pixels=pixels), plain.clip(0))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("pixels", PIXELS)
def test_what_is_not_finite_reaches_its_windows_and_stays_in_its_tiles(pixels, value):
    """In float64 a window that sees infinity is infinite; here it may be NaN, and so may the rest of the tile."""
    x, kernels = random(0, 12, 12, 3), random(1, 5, 3, 3, 3)
    clean = convolved(x, kernels, padding=1, pixels=pixels)
    for row, column in [(0, 0), (5, 6), (7, 4), (11, 11)]:
        x_bad = x.copy()
        x_bad[row, column, 1] = value
        actual = convolved(x_bad, kernels, padding=1, pixels=pixels)
        with np.errstate(invalid="ignore"):
            expected = reference.conv2d(x_bad, kernels, 1, 1)
        assert not np.isfinite(actual[~np.isfinite(expected)]).any()
        touched = np.zeros((12, 12), bool)
        for i, j in np.ndindex(12, 12):
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
    G = FORMS[pixels].kernel
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


@pytest.mark.parametrize("pixels", PIXELS)
def test_kernels_that_a_form_makes_too_large_are_refused(pixels):
    """With infinity in them the sums would be NaN, or, after ReLU, 0."""
    with pytest.raises(WeightsError, match="too large for float32"):
        convolved(random(0, 4, 4, 3), np.full((5, 3, 3, 3), 3e38, np.float32), padding=1, pixels=pixels)


def square(side, channels, **changes):
    """A convolution with a square window over a square picture, of the kind that Winograd's forms are for."""
    sizes = dict(height=side, width=side, channels=channels, outputs=channels, kernel_height=3, kernel_width=3)
    return Convolution(**(sizes | {"stride": 1, "padding": 1} | changes))


def test_large_pictures_take_large_tiles_and_small_ones_none():
    """As measured: with few tiles, reading the weights takes longer than what is saved."""
    chosen = [choose(square(side, channels)) for side, channels in ((56, 64), (28, 128), (14, 256), (7, 512), (2, 512))]
    assert chosen == [4, 4, 4, 2, 0]


@pytest.mark.parametrize(
    "changes", [{"stride": 2}, {"padding": 0}, {"kernel_height": 1}, {"kernel_width": 5}, {"residual": True}]
)
def test_other_convolutions_are_done_directly(changes):
    assert choose(square(56, 64))
    assert not choose(square(56, 64, **changes))
