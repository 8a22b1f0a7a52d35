"""Confidence bounds: Wilson's for rates, order statistics for quantiles, and a confidence that survives looking often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

_QUANTILE = 0.95


def repeated_z(confidence: float, samples: int, first: int) -> float:
    """The one-sided normal quantile, corrected for looking again and again, `first` at that many samples.

    A verdict is asked for several times a second, so a fixed level would sooner or later raise a false alarm. The error
    budget is spent over doublings k of the sample, 1 / (k (k + 1)) each, which sums to one.
    """
    doubling = 1 + max(0, int(math.log2(samples / first)))
    return NormalDist().inv_cdf(1 - (1 - confidence) / (doubling * (doubling + 1)))


def wilson(errors: int, requests: int, z: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion; `requests` > 0.

    >>> [round(bound, 3) for bound in wilson(5, 10, 1.96)]
    [0.237, 0.763]
    """
    rate = errors / requests
    centre = rate + z * z / (2 * requests)
    spread = z * math.sqrt(rate * (1 - rate) / requests + z * z / (4 * requests * requests))
    scale = 1 + z * z / requests
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def chance_of(errors: int, requests: int, rate: float) -> float:
    """How likely so many errors, or more, are by chance where `rate` of the requests fail: the binomial distribution's tail.

    >>> round(chance_of(2, 10, 0.04), 3)
    0.058
    """
    if rate <= 0:
        return 1.0 if errors <= 0 else 0.0
    logs = (
        math.lgamma(requests + 1) - math.lgamma(n + 1) - math.lgamma(requests - n + 1)
        + n * math.log(rate) + (requests - n) * math.log1p(-rate)
        for n in range(max(errors, 0), requests + 1)
    )  # fmt: skip
    return 1.0 if rate >= 1 else min(1.0, math.fsum(math.exp(log) for log in logs))


def quantile(samples: Sequence[float]) -> float:
    """The sample's own 95th percentile; `samples` is not empty.

    >>> quantile([n / 100 for n in range(1, 101)])
    0.95
    """
    return sorted(samples)[math.ceil(len(samples) * _QUANTILE - 1e-9) - 1]


def quantile_bounds(samples: Sequence[float], z: float) -> tuple[float, float]:
    """Bounds of the 95th percentile from order statistics; `samples` is not empty.

    The upper bound is infinite where the sample is too small to give one.
    """
    ordered = sorted(samples)
    count = len(ordered)
    centre, spread = count * _QUANTILE, z * math.sqrt(count * _QUANTILE * (1 - _QUANTILE))
    below, above = math.floor(centre - spread) - 1, math.ceil(centre + spread)
    return (ordered[below] if below >= 0 else 0.0), (ordered[above] if above < count else math.inf)
