"""The operators on bytes, against their rules in Python's own integers and fractions."""

from fractions import Fraction
from math import frexp

import numpy as np
import pytest

from shared_weights import integer_operators as operators
from shared_weights.scales import Scale

F = np.float32


def float32(exact: Fraction) -> Fraction:
    """The nearest float32, in the range of normal numbers; of two, the even one. Python's round does that."""
    if exact == 0:
        return exact
    exponent = frexp(float(abs(exact)))[1]
    if abs(exact) < Fraction(2) ** (exponent - 1):  # float() has rounded up to a power of two
        exponent -= 1
    unit = Fraction(2) ** (exponent - 24)
    return round(exact / unit) * unit


def fractions(values: np.ndarray) -> list[Fraction]:
    return [Fraction(float(value)) for value in np.ravel(values)]


def byte(exact: Fraction, zero_point: int) -> int:
    """rint and saturate, as `_round_and_saturate` says."""
    return min(max(round(exact) + zero_point, 0), 255)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(13)


def a_scale(random: np.random.Generator, zero_point: int | None = None) -> Scale:
    return Scale(F(np.exp(random.uniform(-6, 1))), int(random.integers(256)) if zero_point is None else zero_point)


def test_a_fused_multiply_add_rounds_once(random: np.random.Generator):
    count = 20_000
    a, b = (random.standard_normal(count).astype(F) for _ in range(2))
    c = (random.standard_normal(count) * np.exp2(random.integers(-70, 70, count))).astype(F)
    c[::2] = -(a[::2] * b[::2]) * (1 + random.integers(-3, 4, count // 2).astype(F) * F(2.0**-23))  # cancels
    # The product lacks so little of half a unit in c's last place that float64's sum lies exactly half way.
    a[:1], b[:1], c[:1] = 1 + 2.0**-15, 2.0**-24 * (1 - 2.0**-15), 1 + 2.0**-23
    found = operators.fused_multiply_add(a, b, c)
    expected = [float32(x * y + z) for x, y, z in zip(*map(fractions, (a, b, c)), strict=True)]
    assert fractions(found) == expected
    assert (found != a * b + c).any() and found[0] != F(float(a[0]) * float(b[0]) + float(c[0]))


def test_quantising_divides_rounds_and_saturates(random: np.random.Generator):
    for _ in range(20):
        to = a_scale(random)
        x = ((random.integers(-300, 300, 500) + 0.5) * float(to.scale)).astype(F)  # near a half, and beyond the ends
        expected = [byte(float32(value / Fraction(float(to.scale))), to.zero_point) for value in fractions(x)]
        assert operators.quantise(x, to).tolist() == expected
        assert {0, 255} <= set(expected)


def test_a_half_is_rounded_before_the_zero_point_is_added():
    for zero_point, expected in ((0, [0, 2, 2]), (1, [1, 3, 3]), (254, [254, 255, 255])):
        assert operators.quantise(np.array([0.5, 1.5, 2.5], F), Scale(F(1), zero_point)).tolist() == expected


@pytest.mark.parametrize(("side", "stride"), [(1, 1), (1, 2), (3, 1), (3, 2), (7, 2)])
def test_a_convolution_sums_exactly_what_lies_in_its_window(side: int, stride: int, random: np.random.Generator):
    height, width, channels, outputs, zero_point = 9, 6, 3, 2, 101
    x = random.integers(256, size=(height, width, channels)).astype(np.uint8)
    kernel = random.integers(-127, 128, (outputs, channels, side, side)).astype(np.int8)
    bias = random.integers(-(2**30), 2**30, outputs).astype(np.int32)
    found = operators.convolution(x, zero_point, kernel, bias, stride)
    assert found.dtype == np.int32 and found.shape == ((height - 1) // stride + 1, (width - 1) // stride + 1, outputs)
    for (row, column, output), value in np.ndenumerate(found):
        total = int(bias[output])
        for i in range(side):
            for j in range(side):
                y, z = row * stride + i - side // 2, column * stride + j - side // 2
                if 0 <= y < height and 0 <= z < width:
                    pairs = zip(x[y, z].tolist(), kernel[output, :, i, j].tolist(), strict=True)
                    total += sum((a - zero_point) * b for a, b in pairs)
        assert value == total


def test_the_largest_sums_do_not_overflow():
    x, kernel = np.full((3, 3, 512), 255, np.uint8), np.full((1, 512, 3, 3), -127, np.int8)
    sums = operators.convolution(x, 0, kernel, np.array([-(2**30)], np.int32), 1)
    assert sums[1, 1, 0] == -(2**30) - 255 * 127 * 4608


def test_requantising_rounds_the_sum_then_the_product_then_to_a_whole_number(random: np.random.Generator):
    for _ in range(20):
        of_x, to = a_scale(random), a_scale(random)
        weights = np.exp(random.uniform(-9, -3, 300)).astype(F)
        factor = operators.multiplier(of_x, weights, to)
        of_x_exact, to_exact = Fraction(float(of_x.scale)), Fraction(float(to.scale))
        assert fractions(factor) == [float32(float32(of_x_exact * w) / to_exact) for w in fractions(weights)]
        # Sums whose product lies near a half, up to 2**31, and some beyond both ends.
        sums = (random.integers(-300, 300, 300) + 0.5) / factor.astype(float) + random.integers(-1, 2, 300)
        sums = sums.clip(-(2**31) + 1, 2**31 - 1).astype(np.int32)
        products = zip(fractions(sums), fractions(factor), strict=True)
        expected = [byte(float32(float32(total) * by), to.zero_point) for total, by in products]
        assert operators.requantise(sums, factor, to).tolist() == expected


def test_the_largest_byte_of_each_window_is_kept(random: np.random.Generator):
    for height, width in ((8, 8), (9, 6), (1, 1)):
        x = random.integers(256, size=(height, width, 2)).astype(np.uint8)
        found = operators.max_pool(x)
        assert found.shape == ((height + 1) // 2, (width + 1) // 2, 2)
        for (row, column, channel), value in np.ndenumerate(found):
            top, left = 2 * row - 1, 2 * column - 1
            assert value == x[max(top, 0) : top + 3, max(left, 0) : left + 3, channel].max()


def test_a_residual_sum_is_two_fused_multiply_adds_on_the_bytes(random: np.random.Generator):
    others = 0
    for trial in range(100):
        of_a, of_b, to = a_scale(random), a_scale(random), a_scale(random, zero_point=0)
        if trial % 2:  # quotients in which many sums lie at a half or next to it
            of_a, of_b = (Scale(F(random.integers(1, 50)), scale.zero_point) for scale in (of_a, of_b))
            to = Scale(F(random.integers(1, 50)))
        a, b = (random.integers(256, size=(5, 8, 8)).astype(np.uint8) for _ in range(2))
        ra, rb = (float32(Fraction(float(of.scale)) / Fraction(float(to.scale))) for of in (of_a, of_b))
        fixed = float32(-float32(ra * of_a.zero_point + float32(rb * of_b.zero_point)))
        pairs = zip(fractions(a), fractions(b), strict=True)
        expected = [byte(float32(x * ra + float32(y * rb + fixed)), 0) for x, y in pairs]
        assert operators.add(a, of_a, b, of_b, to).ravel().tolist() == expected
        exact = (of_a.scale * (a - F(of_a.zero_point)) + of_b.scale * (b - F(of_b.zero_point))) / to.scale
        others += int((np.rint(exact.ravel()).clip(0, 255) != expected).sum())
    assert others  # another order gives other bytes


def test_an_average_is_the_exact_sum_times_one_factor(random: np.random.Generator):
    for height, width in ((7, 7), (1, 1), (2, 3), *[(7, 7)] * 100):
        of_x, to, count = a_scale(random), a_scale(random), height * width
        x = random.integers(256, size=(height, width, 50)).astype(np.uint8)
        total = max(int(x[..., 0].sum(dtype=int)) - of_x.zero_point * count, 1)  # made to lie next to a half
        to = Scale(F(float(of_x.scale) * total / count / (random.integers(120) + 0.5)), to.zero_point)
        factor = float32(Fraction(float(of_x.scale)) / float32(Fraction(float(to.scale)) * count))
        sums = [int(total) - of_x.zero_point * count for total in x.sum(axis=(0, 1), dtype=int)]
        assert operators.average_pool(x, of_x, to).tolist() == [
            byte(float32(total * factor), to.zero_point) for total in sums
        ]


def test_the_last_layer_multiplies_the_scales_first(random: np.random.Generator):
    of_x = a_scale(random, zero_point=0)
    x = random.integers(256, size=2048).astype(np.uint8)
    weights = random.integers(-127, 128, (40, 2048)).astype(np.int8)
    scales = np.exp(random.uniform(-9, -3, 40)).astype(F)
    bias = random.integers(-(2**30), 2**30, 40).astype(np.int32)
    found = operators.linear(x, of_x, weights, scales, bias)
    for row, scale, summand, logit in zip(weights, fractions(scales), bias.tolist(), fractions(found), strict=True):
        total = summand + sum(w * v for w, v in zip(row.tolist(), x.tolist(), strict=True))
        assert logit == float32(float32(Fraction(total)) * float32(Fraction(float(of_x.scale)) * scale))
