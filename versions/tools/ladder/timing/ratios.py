"""The statistics of paired times: quartiles, and the median of ratios with its confidence interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 95  # percent


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as another one a version is, from the rounds that include both.

    `interval` contains the true median with a probability of CONFIDENCE percent; None if there are too few rounds.
    """

    median: float
    interval: tuple[float, float] | None
    pairs: int


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median and third quartile, interpolated if they fall between two values."""
    first, middle, third = np.quantile(values, (0.25, 0.5, 0.75))
    return float(first), float(middle), float(third)


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """A confidence interval for the median that assumes nothing about the distribution: two of the sorted values.

    How many of n independent values lie below the true median is binomial with p = 1/2. So the interval from the
    k-th smallest to the k-th largest misses it with probability 2 P(Bin(n, 1/2) < k), and k is the largest number for
    which that is at most 5 % (David and Nagaraja, Order Statistics, section 7.1; Conover, Practical Nonparametric
    Statistics, section 3.2). None if there is no such k: below 6 values.
    """
    ordered, n, k = sorted(values), len(values), 0
    binomial = below = 1  # comb(n, k), and the sum of it up to k: 2^n P(Bin(n, 1/2) < k + 1), in whole numbers
    while 200 * below <= (100 - CONFIDENCE) * 2**n:
        k += 1
        binomial = binomial * (n - k + 1) // k
        below += binomial
    return (ordered[k - 1], ordered[n - k]) if k else None


def paired(before: Mapping[int, float], after: Mapping[int, float]) -> Ratio | None:
    """How many times as fast as `before` `after` is; both map a round to its seconds.

    A ratio is taken in every round that both have, so that a temporary slowdown of the whole machine cancels out.
    None if there is no such round.
    """
    ratios = [before[number] / after[number] for number in before.keys() & after.keys()]
    if not ratios:
        return None
    return Ratio(float(np.median(ratios)), median_interval(ratios), len(ratios))
