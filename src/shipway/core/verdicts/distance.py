"""How far two distributions lie apart."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate

from shipway.core.contract.distribution import Distribution


def ks_distance(a: Distribution, b: Distribution, slack: float = 0.0) -> float:
    """The Kolmogorov-Smirnov distance that the buckets prove: 0 (nothing known against equality) to 1.

    Values that moved by `slack` or less count as unmoved. Exact at the bounds where both sides cut their buckets alike.
    Where they cut differently it is a lower bound, so that the cut alone never looks like a shift. 0 when a side is
    empty.
    """
    if not a.buckets or not b.buckets:
        return 0.0
    return max(_lead(a, b, slack), _lead(b, a, slack))


def _lead(first: Distribution, second: Distribution, slack: float) -> float:
    """The most by which the share of `first` below some value surely exceeds that of `second` below it plus `slack`."""
    left, right = _Cumulated(first), _Cumulated(second)
    places = {bound for lower, upper, _ in first.buckets for bound in (lower, upper)}
    places |= {bound - slack for lower, upper, _ in second.buckets for bound in (lower, upper)}
    return max(0.0, *(left.below(at)[0] - right.below(at + slack)[1] for at in places))


class _Cumulated:
    """A sketch's distribution function, between the bounds that its buckets allow."""

    def __init__(self, sketch: Distribution) -> None:
        self._lowers = [lower for lower, _, _ in sketch.buckets]
        self._uppers = [upper for _, upper, _ in sketch.buckets]
        self._sums = [0, *accumulate(count for _, _, count in sketch.buckets)]

    def below(self, at: float) -> tuple[float, float]:
        """The least and the greatest share of values that may lie below `at`."""
        begun = bisect_left(self._lowers, at)
        ended = begun if begun == 0 or self._uppers[begun - 1] <= at else begun - 1
        total = self._sums[-1] or 1
        return self._sums[ended] / total, self._sums[begun] / total
