"""A distribution in buckets, as a model task counts its predictions: small and mergeable."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_MAX_BUCKETS = 20_000

Bucket = tuple[float, float, int]
"""Lower bound, upper bound, count. Buckets of one sketch ascend and do not overlap; equal bounds hold one value."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many predictions there were, their sum, and how they are spread."""

    count: int = 0
    sum: float = 0.0
    buckets: tuple[Bucket, ...] = ()

    @property
    def mean(self) -> float:
        """The mean prediction; 0 where there is none."""
        return self.sum / self.count if self.count else 0.0

    @property
    def deviation(self) -> float:
        """The standard deviation, with each value taken as the middle of its bucket; 0 where there is none."""
        counted = sum(count for _, _, count in self.buckets) or 1
        middles = [((lower + upper) / 2, count) for lower, upper, count in self.buckets]
        mean = math.fsum(middle * count for middle, count in middles) / counted
        return math.sqrt(math.fsum((middle - mean) ** 2 * count for middle, count in middles) / counted)

    def to_json(self) -> dict[str, Any]:
        """`{"count", "sum", "buckets": [[lower, upper, count], …]}`."""
        return {"count": self.count, "sum": self.sum, "buckets": list(map(list, self.buckets))}


def from_json(value: Any) -> Distribution:
    """A distribution from its JSON object. Raises ValueError for anything else."""
    try:
        buckets = tuple(_bucket(*bucket) for bucket in value["buckets"])
        count, total = value["count"], float(value["sum"])
    except (LookupError, TypeError, OverflowError) as error:
        raise ValueError("not a distribution") from error
    # Bounds that were computed may overlap by a rounding error.
    ordered = all(a[0] <= b[0] and a[1] <= b[1] and a[:2] != b[:2] for a, b in itertools.pairwise(buckets))
    if not ordered or len(buckets) > _MAX_BUCKETS or count != sum(bucket[2] for bucket in buckets):
        raise ValueError("not a distribution")
    if not math.isfinite(total):
        raise ValueError("the sum is no number")
    return Distribution(count, total, buckets)


def _bucket(lower: float, upper: float, count: int) -> Bucket:
    if not (-math.inf < lower <= upper < math.inf) or not isinstance(count, int) or count < 0:
        raise ValueError("not a bucket")
    return float(lower), float(upper), count


def merged(parts: Iterable[Distribution]) -> Distribution:
    """The sum of all parts; tasks of one kind use the same bucket bounds."""
    parts = tuple(parts)
    counts: Counter[tuple[float, float]] = Counter()
    for part in parts:
        for lower, upper, count in part.buckets:
            counts[lower, upper] += count
    buckets = tuple((lower, upper, count) for (lower, upper), count in sorted(counts.items()))
    return Distribution(sum(part.count for part in parts), sum(part.sum for part in parts), buckets)


def without(now: Distribution, before: Distribution) -> Distribution:
    """What was counted since `before`, which is an earlier look at the same counters."""
    counts = {(lower, upper): count for lower, upper, count in before.buckets}
    left = ((lower, upper, count - counts.get((lower, upper), 0)) for lower, upper, count in now.buckets)
    buckets = tuple(bucket for bucket in left if bucket[2] > 0)
    return Distribution(max(0, now.count - before.count), now.sum - before.sum, buckets)
