"""How far two models' predictions for the same rows agree."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

WORST = 10
_CLOSE = 0.10


class Row(TypedDict):
    """One row that two versions answer differently. `label` is what came true, None where it is not known."""

    features: Mapping[str, Any]
    a: float
    b: float
    label: float | None


class Disagreement(TypedDict):
    """Rows that the two versions decide differently: `count` of them, and which share of all that is.

    `threshold` is what parts the decisions; None when the output has none: then a row counts when its predictions
    differ by more than 10 % of the larger. `worst` are the rows with the largest differences, at most 10.
    """

    count: int
    share: float
    threshold: float | None
    mean_difference: float
    largest_difference: float
    worst: list[Row]


class Distribution(TypedDict):
    """Where a version's predictions lie."""

    mean: float
    minimum: float
    p05: float
    p25: float
    p50: float
    p75: float
    p95: float
    maximum: float


def disagreement(
    rows: Sequence[Mapping[str, Any]],
    a: Sequence[float],
    b: Sequence[float],
    labels: Sequence[float | None],
    threshold: float | None,
) -> Disagreement:
    """Compare predictions row by row; all four sequences have one entry a row, and at least one."""
    apart = [abs(x - y) for x, y in zip(a, b, strict=True)]
    decided = [differs(x, y, threshold) for x, y in zip(a, b, strict=True)]
    # rows that change a decision first, then the rest that differ at all
    order = sorted(range(len(apart)), key=lambda n: (not decided[n], -apart[n]))[:WORST]
    return {
        "count": sum(decided),
        "share": sum(decided) / len(decided),
        "threshold": threshold,
        "mean_difference": sum(apart) / len(apart),
        "largest_difference": max(apart),
        "worst": [
            {"features": rows[n], "a": a[n], "b": b[n], "label": labels[n]} for n in order if decided[n] or apart[n] > 0
        ],
    }


def differs(a: float, b: float, threshold: float | None) -> bool:
    """Whether two predictions lead to different decisions.

    >>> differs(0.49, 0.51, 0.5), differs(0.5, 0.9, 0.5), differs(100.0, 109.0, None), differs(100.0, 112.0, None)
    (True, False, False, True)
    """
    if threshold is not None:
        return (a >= threshold) != (b >= threshold)
    return abs(a - b) > _CLOSE * max(abs(a), abs(b))


def distribution(predictions: Sequence[float]) -> Distribution:
    """Mean and quantiles (linear between neighbours) of at least one prediction."""
    ordered = sorted(predictions)

    def quantile(share: float) -> float:
        place = share * (len(ordered) - 1)
        below = int(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (place - below)

    return {
        "mean": sum(ordered) / len(ordered),
        "minimum": ordered[0],
        "p05": quantile(0.05),
        "p25": quantile(0.25),
        "p50": quantile(0.50),
        "p75": quantile(0.75),
        "p95": quantile(0.95),
        "maximum": ordered[-1],
    }


def ks_distance(a: Sequence[float], b: Sequence[float]) -> float:
    """Kolmogorov and Smirnov's distance: the largest gap between the two cumulative distributions, 0 to 1.

    >>> ks_distance([1, 2, 3], [1, 2, 3]), ks_distance([1, 2], [3, 4])
    (0.0, 1.0)
    """
    first, second = sorted(a), sorted(b)
    return max(
        abs(bisect.bisect_right(first, x) / len(first) - bisect.bisect_right(second, x) / len(second))
        for x in {*first, *second}
    )
