"""Confidence intervals, at 95 %, of shares and of the difference between two shares of the same things."""

from math import sqrt

Z = 1.959964  # of a normal distribution, 95 % lies within so many standard deviations


def of_share(hits: int, count: int) -> tuple[float, float]:
    """The interval of hits / count, which lies between 0 and 1 also for few hits or misses.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    share, weight = hits / count, Z * Z / count
    middle = (share + weight / 2) / (1 + weight)
    half = Z * sqrt(share * (1 - share) / count + weight / (4 * count)) / (1 + weight)
    return max(middle - half, 0.0), min(middle + half, 1.0)


def of_difference(gained: int, lost: int, count: int) -> tuple[float, float]:
    """The interval of (gained - lost) / count, for things that were each tried twice.

    `gained`: how many were a hit the second time only, `lost`: the first time only. With half a case added to each of
    the four kinds: Agresti and Min, "Simple improved confidence intervals for comparing matched proportions", 2005.
    """
    total = count + 2
    difference = (gained - lost) / total
    half = Z * sqrt((gained + lost + 1) / total - difference**2) / sqrt(total)
    return max(difference - half, -1.0), min(difference + half, 1.0)
