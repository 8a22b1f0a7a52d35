"""A distribution in buckets, as a model task counts its predictions: small, mergeable, and honest about what it knows."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

Bucket = tuple[float, float, int]
"""Lower bound, upper bound, count. Buckets of one sketch ascend and do not overlap; equal bounds hold one value."""


@dataclass(frozen=True, slots=True)
class Predictions:
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
        """The standard deviation, each bucket's values taken as its middle; 0 where there is none."""
        counted = sum(count for _, _, count in self.buckets) or 1
        middles = [((lower + upper) / 2, count) for lower, upper, count in self.buckets]
        mean = math.fsum(middle * count for middle, count in middles) / counted
        return math.sqrt(math.fsum((middle - mean) ** 2 * count for middle, count in middles) / counted)


@dataclass(frozen=True, slots=True)
class TaskPredictions:
    """What one task has predicted since its counters began; they begin anew with every `epoch`."""

    task: str
    epoch: str
    predictions: Predictions


def merged(parts: Iterable[Predictions]) -> Predictions:
    """All of the parts as one: every task of a kind cuts its buckets at the same places."""
    parts = tuple(parts)
    counts: Counter[tuple[float, float]] = Counter()
    for part in parts:
        for lower, upper, count in part.buckets:
            counts[lower, upper] += count
    buckets = tuple((lower, upper, count) for (lower, upper), count in sorted(counts.items()))
    return Predictions(sum(part.count for part in parts), sum(part.sum for part in parts), buckets)


def predicted_since(now: Iterable[TaskPredictions], baseline: Iterable[TaskPredictions]) -> Predictions:
    """What the tasks predicted since the baseline; everything of a task that was not there then or began anew."""
    before = {(task.task, task.epoch): task.predictions for task in baseline}
    return merged(without(task.predictions, before.get((task.task, task.epoch), Predictions())) for task in now)


def ks_distance(a: Predictions, b: Predictions, slack: float = 0.0) -> float:
    """The Kolmogorov-Smirnov distance that the buckets prove: 0 (nothing known against equality) to 1.

    Values that moved by `slack` or less count as unmoved. Exact at the bounds where both sides cut their buckets alike.
    Where they cut differently it is a lower bound, so that the cut alone never looks like a shift. 0 when a side is
    empty.
    """
    if not a.buckets or not b.buckets:
        return 0.0
    return max(_lead(a, b, slack), _lead(b, a, slack))


def _lead(first: Predictions, second: Predictions, slack: float) -> float:
    """By how much more of `first` than of `second` surely lies below some value, `second` being given `slack` more."""
    left, right = _Cumulated(first), _Cumulated(second)
    places = {bound for lower, upper, _ in first.buckets for bound in (lower, upper)}
    places |= {bound - slack for lower, upper, _ in second.buckets for bound in (lower, upper)}
    return max(0.0, *(left.below(at)[0] - right.below(at + slack)[1] for at in places))


class _Cumulated:
    """A sketch's distribution function, between the bounds that its buckets allow."""

    def __init__(self, sketch: Predictions) -> None:
        self._lowers = [lower for lower, _, _ in sketch.buckets]
        self._uppers = [upper for _, upper, _ in sketch.buckets]
        self._sums = [0, *accumulate(count for _, _, count in sketch.buckets)]

    def below(self, at: float) -> tuple[float, float]:
        """The least and the greatest share of values that may lie below `at`."""
        begun = bisect_left(self._lowers, at)
        ended = begun if begun == 0 or self._uppers[begun - 1] <= at else begun - 1
        total = self._sums[-1] or 1
        return self._sums[ended] / total, self._sums[begun] / total


def without(now: Predictions, before: Predictions) -> Predictions:
    """What came after `before`, which is an earlier look at the same counters."""
    counts = {(lower, upper): count for lower, upper, count in before.buckets}
    left = ((lower, upper, count - counts.get((lower, upper), 0)) for lower, upper, count in now.buckets)
    buckets = tuple(bucket for bucket in left if bucket[2] > 0)
    return Predictions(max(0, now.count - before.count), now.sum - before.sum, buckets)
