"""The figures by their definitions, on exact values: no sketches, no sums by day kept from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_DRAWS = 4000
_SEED = 20131231
"""Another one than the gate's."""
NOISE = 0.3
"""Deviations by which bounds of two bootstraps may differ: 2.5 % quantiles of 2,000 and of 4,000 draws scatter by 0.075."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean, the bounds of 95 % of the draws of days, and their deviation."""

    value: float
    low: float
    high: float
    deviation: float


def auc(predictions: Floats, labels: Floats) -> float:
    """Of all pairs of one label each, the share in which the positive one is predicted higher; ties count half."""
    positive, negative = predictions[labels == 1], np.sort(predictions[labels == 0])
    below = np.searchsorted(negative, positive, "left")
    not_above = np.searchsorted(negative, positive, "right")
    return float((below + not_above).sum() / 2 / (len(positive) * len(negative)))


def brier(predictions: Floats, labels: Floats) -> float:
    """The mean squared difference."""
    return float(((predictions - labels) ** 2).mean())


def calibration_error(predictions: Floats, labels: Floats) -> float:
    """The mean distance of prediction and outcome in ten bins of equal width, weighted by rows."""
    bins = np.minimum(np.floor(predictions * 10), 9)
    far = [len(labels[bins == n]) * abs((predictions - labels)[bins == n].mean()) for n in np.unique(bins)]
    return float(sum(far) / len(labels))


def calibration_by_chance(predictions: Floats, times: int = 200) -> float:
    """The calibration error that as many rows of a perfectly calibrated model show, on average."""
    draw = np.random.default_rng(_SEED)
    return float(np.mean([calibration_error(predictions, _outcomes(draw, predictions)) for _ in range(times)]))


def _outcomes(draw: np.random.Generator, predictions: Floats) -> Floats:
    return draw.binomial(1, predictions).astype(np.float64)


def calibration_deviation(predictions: Floats, labels: Floats, times: int = 100) -> float:
    """How far chance moves the calibration error: bootstrap by row."""
    draw = np.random.default_rng(_SEED)
    rows = [draw.integers(0, len(labels), len(labels)) for _ in range(times)]
    return float(np.std([calibration_error(predictions[places], labels[places]) for places in rows], ddof=1))


def robust_distance(a: Floats, b: Floats) -> float:
    """Kolmogorov and Smirnov's distance beyond 1.8 √((n + m) / (n m)); 0 at least."""
    a, b = np.sort(a), np.sort(b)
    places = np.union1d(a, b)
    far = np.abs(np.searchsorted(a, places, "right") / len(a) - np.searchsorted(b, places, "right") / len(b)).max()
    return max(0.0, float(far) - 1.8 * ((len(a) + len(b)) / (len(a) * len(b))) ** 0.5)


def by_days(values: Floats, days: Sequence[Any]) -> Interval:
    """The mean of `values`, of shape (rows,), and how sure it is: whole days are drawn, as many as there are."""
    _, of = np.unique(np.asarray(days), return_inverse=True)
    rows = [np.flatnonzero(of == day) for day in range(of.max() + 1)]
    sums, counts = np.array([values[places].sum() for places in rows]), np.array([len(places) for places in rows])
    drawn = np.random.default_rng(_SEED).integers(0, len(rows), (_DRAWS, len(rows)))
    means = np.sort(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high), float(means.std(ddof=1)))
