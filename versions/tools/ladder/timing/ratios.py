"""The statistics of paired times: quartiles, and the median of ratios with its confidence interval."""

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 95  # percent
FEWEST = 6  # rounds that give a ratio: fewer have no interval with that confidence


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as another one a version is, from the rounds that include both.

    `interval` contains the true median with a probability of CONFIDENCE percent.
    """

    median: float
    interval: tuple[float, float]
    pairs: int


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """First quartile, median and third quartile, interpolated if they fall between two values."""
    first, middle, third = np.quantile(values, (0.25, 0.5, 0.75))
    return float(first), float(middle), float(third)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """A confidence interval for the median that assumes nothing about the distribution: two of the sorted values.

    How many of n independent values lie below the true median is binomial with p = 1/2. So the interval from the
    k-th smallest to the k-th largest misses it with probability 2 P(Bin(n, 1/2) < k), and k is the largest number for
    which that is at most 5 % (David and Nagaraja, Order Statistics, section 7.1; Conover, Practical Nonparametric
    Statistics, section 3.2). Below FEWEST values there is no such k: ValueError.
    """
    ordered, n, k = sorted(values), len(values), 0
    binomial = below = 1  # comb(n, k), and the sum of it up to k: 2^n P(Bin(n, 1/2) < k + 1), in whole numbers
    while 200 * below <= (100 - CONFIDENCE) * 2**n:
        k += 1
        binomial = binomial * (n - k + 1) // k
        below += binomial
    if k == 0:
        raise ValueError(f"{n} values have no interval")
    return ordered[k - 1], ordered[n - k]


def paired(before: Mapping[int, float], after: Mapping[int, float], starts: Sequence[int] = (0,)) -> Ratio | None:
    """How many times as fast as `before` `after` is; both map a round to its seconds.

    A ratio is taken in every round that both have, so that a temporary slowdown of the whole machine cancels out.
    None if there are fewer than FEWEST such rounds. `starts`: the rounds before which the processes were started. If
    there are FEWEST of them, the medians of the rounds from each to the next are what median and interval are taken of:
    two processes of the same program differ, so that rounds of the same two processes are not independent (Kalibera and
    Jones, Rigorous Benchmarking in Reasonable Time, 2013).
    """
    groups: dict[int, list[float]] = {}
    for number in before.keys() & after.keys():
        groups.setdefault(bisect(starts, number), []).append(before[number] / after[number])
    rounds = [ratio for group in groups.values() for ratio in group]
    if len(rounds) < FEWEST:
        return None
    values = rounds if len(groups) < FEWEST else [float(np.median(group)) for group in groups.values()]
    return Ratio(float(np.median(values)), median_interval(values), len(rounds))
