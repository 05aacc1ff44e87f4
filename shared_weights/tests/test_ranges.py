"""A scale is chosen so that the bytes reach far enough, or so that they are nearest to what was seen."""

import numpy as np
import pytest

from shared_weights import ranges
from shared_weights.scales import Scale


def test_the_whole_range_is_covered_and_zero_is_a_byte():
    assert ranges.whole_range(0, 5.1, signed=False) == Scale(np.float32(0.02))
    assert ranges.whole_range(-2, 3.1, signed=True) == Scale(np.float32(0.02), 100)
    assert ranges.whole_range(1, 5.1, signed=True) == Scale(np.float32(0.02))
    assert ranges.whole_range(-5.1, -1, signed=True) == Scale(np.float32(0.02), 255)


def test_what_is_always_zero_has_the_scale_1():
    assert ranges.whole_range(0, 0, signed=False) == ranges.whole_range(0, 0, signed=True) == Scale(np.float32(1))


@pytest.mark.parametrize("most", [255 * 2.0**-126, 254 * 2.0**-126, 1e-44])
def test_a_scale_is_a_normal_number_so_that_it_can_be_read_again(most: float):
    scale = ranges.whole_range(0, most, signed=False).scale
    assert scale == np.float32(1) if most < 255 * 2.0**-126 else 2.0**-126 <= scale < 1.0001 * 2.0**-126


def test_a_scale_has_five_digits():
    assert str(ranges.whole_range(0, 255 / 3, signed=False).scale) == "0.33333"


@pytest.mark.parametrize("signed", [False, True])
def test_rare_large_values_are_given_up_for_the_many_small_ones(signed: bool):
    random = np.random.default_rng(1)
    values = random.standard_normal(100_000) if signed else random.random(100_000)
    values[0] = 40
    ends = float(values.min()), float(values.max())
    counts, _ = np.histogram(values, 1 << 13, ends)
    whole, chosen = ranges.whole_range(*ends, signed), ranges.least_squares(counts, *ends, signed)
    weights = np.ones(len(values), np.int64)
    assert ranges.squared_error(weights, values, chosen) < ranges.squared_error(weights, values, whole)
    assert chosen.scale < whole.scale
    for part in ranges.FRACTIONS:  # no other candidate is better, as far as parts of the range show
        other = ranges.whole_range(part * ends[0], part * ends[1], signed)
        # A part is 1/32 of a byte of the whole range, so its centre is at most 1/64 away from a value.
        slack = len(values) * float(whole.scale) ** 2 / 64
        assert ranges.squared_error(weights, values, chosen) <= ranges.squared_error(weights, values, other) + slack


def test_the_error_of_a_scale_counts_rounding_and_saturation():
    values, counts = np.array([-1.0, 0.4, 1.0, 300.0]), np.array([1, 2, 5, 1])
    # -1 becomes 0, 0.4 becomes 0, 1 stays, 300 becomes 255.
    assert ranges.squared_error(counts, values, Scale(np.float32(1))) == pytest.approx(1 + 2 * 0.16 + 45**2)
    assert ranges.squared_error(counts, values, Scale(np.float32(1), 1)) == pytest.approx(2 * 0.16 + 46**2)
