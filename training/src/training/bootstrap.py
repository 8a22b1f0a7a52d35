"""How sure a figure is, by drawing **days** with replacement rather than rows.

Flights of one day are late together: drawn by row, a difference looks surer than it is. Figures that are means over
rows need only their sums of each day, so that thousands of draws cost milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluate import Labels, Scores

Floats = NDArray[np.float64]
_SEED = 2013


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the bounds that hold the given share of the draws, half of the rest below and half above."""

    value: float
    low: float
    high: float
    deviation: float


def draws(days: int, times: int) -> Floats:
    """How often each day is in each draw, shape (times, days): equal for equal arguments."""
    generator = np.random.default_rng(_SEED)
    return generator.multinomial(days, np.full(days, 1 / days), size=times).astype(np.float64)


def mean_interval(values: Floats, days: NDArray[Any], drawn: Floats, confidence: float) -> Interval:
    """The mean of `values` over rows. `days` has shape (rows,), with numbers from 0; `drawn` is from `draws`."""
    sums = np.bincount(days, values, drawn.shape[1])
    rows = np.bincount(days, minlength=drawn.shape[1])
    return interval(float(values.mean()), (drawn @ sums) / (drawn @ rows), confidence)


def auc_interval(
    value: float, labels: Labels, scores: Scores, days: NDArray[Any], drawn: Floats, confidence: float
) -> Interval:
    """The area under the ROC curve; a day drawn n times has its rows n times."""
    order = np.argsort(scores, kind="stable")
    ordered, late, day = scores[order], labels[order], days[order]
    # rows of equal score share a place
    ends = np.append(np.flatnonzero(np.diff(ordered)), ordered.size - 1)
    found = []
    for times in drawn:
        weights = times[day]
        lates = np.diff(np.cumsum(weights * late)[ends], prepend=0.0)
        punctual = np.diff(np.cumsum(weights * ~late)[ends], prepend=0.0)
        pairs = lates.sum() * punctual.sum()
        if pairs:
            below = np.cumsum(punctual) - punctual / 2
            found.append(float(lates @ below / pairs))
    return interval(value, np.array(found), confidence)


def interval(value: float, found: Floats, confidence: float) -> Interval:
    """The bounds of the draws' figures. NaN where there are too few draws to tell."""
    if found.size < 2:
        return Interval(value, float("nan"), float("nan"), float("nan"))
    tail = (1 - confidence) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Interval(value, float(low), float(high), float(found.std(ddof=1)))
