"""The statistics of paired times."""

import numpy as np
import pytest

from ladder.timing.ratios import FEWEST, Ratio, median_interval, paired, quartiles


def test_quartiles_are_interpolated():
    assert quartiles([4.0, 1.0, 3.0, 2.0, 5.0]) == (2.0, 3.0, 4.0)
    assert quartiles([1.0, 2.0]) == (1.25, 1.5, 1.75)
    assert quartiles([7.0]) == (7.0, 7.0, 7.0)


@pytest.mark.parametrize(("n", "k"), [(6, 1), (8, 1), (9, 2), (10, 2), (20, 6), (50, 18), (70, 27)])
def test_the_interval_has_the_ranks_that_tables_give(n: int, k: int):
    """k - 1 is what tables of the sign test give as its two-sided 5 % point for n pairs: 0, 0, 1, 1, 5, 17, 26."""
    values = np.random.RandomState(0).permutation(np.arange(1.0, n + 1))
    assert median_interval(list(values)) == (k, n + 1 - k)


def test_too_few_values_have_no_interval():
    values = [float(value) for value in range(FEWEST)]
    assert median_interval(values) == (values[0], values[-1])
    with pytest.raises(ValueError, match="5 values have no interval"):
        median_interval(values[1:])  # even all five miss the median once in 16 times


def test_the_interval_holds_the_median_as_often_as_it_says():
    """Of 2000 intervals 95 % or more hold it, but for a chance error: 3 sqrt(0.05 * 0.95 / 2000) = 0.015."""
    samples = np.random.RandomState(1).lognormal(size=(2000, 25))
    held = [low <= 1.0 <= high for low, high in (median_interval(list(sample)) for sample in samples)]
    assert 0.95 - 0.015 < np.mean(held) < 0.99


def test_many_values_narrow_the_interval():
    values = list(np.random.RandomState(2).normal(1.0, 0.1, 5000))
    low, high = median_interval(values)
    assert low < float(np.median(values)) < high and high - low < 0.01


def test_ratios_are_taken_round_by_round():
    drift = [1.0, 1.5, 2.0, 4.0, 3.0, 1.0, 1.0, 0.5]  # what slows both alike cancels out
    before = {number: 3.0 * factor for number, factor in enumerate(drift)}
    after = {number: 2.0 * factor for number, factor in enumerate(drift)}
    assert paired(before, after) == Ratio(1.5, (1.5, 1.5), 8)


def test_only_rounds_of_both_count():
    before = {number: 3.0 for number in range(0, 14, 2)} | {1: 9.0}
    after = {number: 2.0 for number in range(0, 12, 2)} | {3: 1.0}
    assert paired(before, after) == Ratio(1.5, (1.5, 1.5), 6)


def test_fewer_than_six_rounds_give_no_ratio():
    times = {number: 1.0 for number in range(FEWEST)}
    assert FEWEST == 6 and paired(times, times) is not None
    del times[0]
    assert paired(times, {number: 1.0 for number in range(FEWEST)}) is None and paired({}, times) is None


def test_processes_that_differ_widen_the_interval():
    """Each start has its own ratio; the rounds in it do not differ, so by themselves they would seem exact."""
    starts, ratios = range(0, 45, 5), [1.00, 1.02, 0.99, 1.01, 1.03, 0.98, 1.00, 1.04, 0.97]
    before = {number: ratios[number // 5] for number in range(45)}
    after = dict.fromkeys(before, 1.0)
    assert paired(before, after, starts) == Ratio(1.0, (0.98, 1.03), 45)  # the second smallest of nine, and largest
    assert paired(before, after, starts[:5]) == paired(before, after)  # too few starts: the rounds count


def test_the_ratio_of_a_start_is_the_median_of_its_rounds():
    before = {number: 2.0 for number in range(18)} | {4: 90.0}
    after = dict.fromkeys(before, 1.0)
    assert paired(before, after, range(0, 18, 3)) == Ratio(2.0, (2.0, 2.0), 18)
