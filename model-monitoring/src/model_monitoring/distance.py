"""How far two distributions lie apart, by the formulas that SageMaker Model Monitor states."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

Weighted = np.ndarray[Any, np.dtype[np.float64]]


def of_numbers(a: Weighted, a_weights: Weighted, b: Weighted, b_weights: Weighted) -> float:
    """The largest difference of the two cumulative distributions (Kolmogorov, Smirnov); values in ascending order."""
    if len(a) > len(b):
        a, a_weights, b, b_weights = b, b_weights, a, a_weights
    # Between two places of `a` its distribution is level and the other one grows: the largest difference lies at one of
    # `a`'s places, or just before it.
    last = np.append(a[1:] != a[:-1], True)
    places, own = a[last], np.cumsum(a_weights)[last] / a_weights.sum()
    above = np.abs(own - _cumulative(b, b_weights, places, "right"))
    below = np.abs(np.append(0.0, own[:-1]) - _cumulative(b, b_weights, places, "left"))
    return float(max(above.max(), below.max()))


def _cumulative(values: Weighted, weights: Weighted, places: Weighted, side: Literal["left", "right"]) -> Weighted:
    sums = np.concatenate([[0.0], np.cumsum(weights)])
    return np.asarray(sums[np.searchsorted(values, places, side=side)] / sums[-1], dtype=np.float64)


def from_the_rest(distance: float, part: int, whole: int) -> float:
    """How far a part of `part` values lies from the others, given how far from all `whole` of them.

    The whole's distribution is the mean of both, weighted by their sizes: the part's distance from the others is
    `whole / (whole - part)` times that. Infinite for a part that is the whole.
    """
    return distance * whole / (whole - part) if part < whole else math.inf


def of_categories(a: Mapping[str, int], b: Mapping[str, int]) -> float:
    """The largest difference of a category's share (LInfinity)."""
    total_a, total_b = sum(a.values()), sum(b.values())
    return max(abs(a.get(key, 0) / total_a - b.get(key, 0) / total_b) for key in a.keys() | b.keys())


def robust(distance: float, n: int, m: int) -> float:
    """The distance beyond what samples of `n` and `m` values show by chance: max(0, d - 1.8 √((n+m)/(nm)))."""
    return max(0.0, distance - 1.8 * math.sqrt((n + m) / (n * m)))


def chi_squared_p_value(a: Mapping[str, int], b: Mapping[str, int]) -> float:
    """How probable so great a difference of two samples' categories is if both were drawn alike (Pearson's test)."""
    keys = [key for key in a.keys() | b.keys() if a.get(key, 0) + b.get(key, 0)]
    total_a, total_b = sum(a.values()), sum(b.values())
    statistic = 0.0
    for key in keys:
        both = a.get(key, 0) + b.get(key, 0)
        for seen, total in ((a.get(key, 0), total_a), (b.get(key, 0), total_b)):
            expected = both * total / (total_a + total_b)
            statistic += (seen - expected) ** 2 / expected
    return _chi_squared_survival(statistic, len(keys) - 1)


def _chi_squared_survival(x: float, freedom: int) -> float:
    """P(X > x) for whole degrees of freedom, by the recurrence of the incomplete gamma function (DLMF 8.8.2)."""
    if freedom == 0 or x <= 0:
        return 1.0
    half = x / 2
    if freedom % 2:
        found, order = math.erfc(math.sqrt(half)), 0.5
    else:
        found, order = math.exp(-half), 1.0
    while order < freedom / 2:
        found += math.exp(order * math.log(half) - half - math.lgamma(order + 1))
        order += 1
    return min(1.0, found)
