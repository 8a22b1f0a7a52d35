"""The distribution of many numbers in bounded memory: exponential buckets, each split into 32 of equal width.

The idea is that of DDSketch (Masson, Rim and Lee 2019); bounds that are exact binary fractions need no logarithm and
are the same in every process, so that sketches of several tasks can be added up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from math import frexp
from typing import Any

from ml_model_service.contract.distribution import Bucket, Distribution

# A bucket [k/64, (k + 1)/64) * 2**e with 32 <= k < 64 is at most 1/32 of its lower bound wide.
_PARTS = 32
_GRID = 2 * _PARTS
SMALLEST, LARGEST = 2.0**-64, 2.0**64


class Sketch:
    """Counts of values by bucket, with their number and sum. Not safe to use from several threads.

    What is nearer to zero than `SMALLEST` counts as zero, what is farther than `LARGEST` as `LARGEST`. NaN, which is
    no value, is left out.
    """

    __slots__ = ("_negative", "_positive", "_zeros", "count", "sum")

    def __init__(self) -> None:
        self.count, self.sum = 0, 0.0
        self._positive: Counter[int] = Counter()
        self._negative: Counter[int] = Counter()
        self._zeros = 0

    def add(self, value: float) -> None:
        """Count one value."""
        if SMALLEST <= value < LARGEST:
            mantissa, exponent = frexp(value)
            bucket = exponent * _PARTS + int(mantissa * _GRID)
            self._positive[bucket] = self._positive.get(bucket, 0) + 1
            self.count += 1
            self.sum += value
        elif value == value:
            self._add_other(value)

    def add_many(self, values: Sequence[float]) -> None:
        """Count several values; quicker than one by one."""
        if not values:
            return
        total = sum(values)
        # A NaN shows in the sum, whatever min and max say.
        if SMALLEST <= min(values) and max(values) < LARGEST and total == total:
            self._positive.update(
                [exponent * _PARTS + int(mantissa * _GRID) for mantissa, exponent in map(frexp, values)]
            )
            self.count += len(values)
            self.sum += total
        else:
            for value in values:
                self.add(value)

    def merge(self, other: Sketch) -> None:
        """Count what `other` counted as well."""
        self._positive.update(other._positive)
        self._negative.update(other._negative)
        self._zeros += other._zeros
        self.count += other.count
        self.sum += other.sum

    def to_json(self) -> dict[str, Any]:
        """The distribution so far, as whoever compares tasks reads it."""
        buckets: list[Bucket] = []
        for bucket in sorted(self._negative, reverse=True):
            lower, upper = _bounds(bucket)
            buckets.append((-upper, -lower, self._negative[bucket]))
        if self._zeros:
            buckets.append((0.0, 0.0, self._zeros))
        buckets += [(*_bounds(bucket), self._positive[bucket]) for bucket in sorted(self._positive)]
        return Distribution(self.count, self.sum, tuple(buckets)).to_json()

    def _add_other(self, value: float) -> None:
        size = min(abs(value), math.nextafter(LARGEST, 0))
        self.count += 1
        if size < SMALLEST:
            self._zeros += 1
            return
        mantissa, exponent = frexp(size)
        counts = self._positive if value > 0 else self._negative
        counts[exponent * _PARTS + int(mantissa * _GRID)] += 1
        self.sum += math.copysign(size, value)


def _bounds(bucket: int) -> tuple[float, float]:
    exponent, part = divmod(bucket - _PARTS, _PARTS)
    scale = 2.0**exponent / _GRID
    return (part + _PARTS) * scale, (part + _PARTS + 1) * scale
