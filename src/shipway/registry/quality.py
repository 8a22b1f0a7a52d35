"""How good predictions are against what came true: calibration and scores."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import TypedDict

BINS = 10


class Bin(TypedDict):
    """Predictions in `[lower, upper)`: how many, their mean, and how often the event came true."""

    lower: float
    upper: float
    count: int
    predicted: float
    observed: float


class Quality(TypedDict):
    """A version against the labels of `rows` rows.

    Probabilities (labels 0 and 1) have Brier score, log loss, AUC (None with one class only), calibration and its
    expected error; other predictions have mean absolute and root mean squared error. What does not apply is None.
    """

    rows: int
    brier: float | None
    log_loss: float | None
    auc: float | None
    calibration_error: float | None
    calibration: list[Bin]
    mean_absolute_error: float | None
    root_mean_squared_error: float | None


def quality(predictions: Sequence[float], labels: Sequence[float]) -> Quality | None:
    """Judge predictions by their labels, one of each a row; None without rows."""
    if not labels:
        return None
    errors = [p - y for p, y in zip(predictions, labels, strict=True)]
    squared = sum(error * error for error in errors) / len(errors)
    if not is_probability(predictions, labels):
        return {
            "rows": len(labels),
            "brier": None,
            "log_loss": None,
            "auc": None,
            "calibration_error": None,
            "calibration": [],
            "mean_absolute_error": sum(map(abs, errors)) / len(errors),
            "root_mean_squared_error": math.sqrt(squared),
        }
    bins = calibration(predictions, labels)
    return {
        "rows": len(labels),
        "brier": squared,
        "log_loss": log_loss(predictions, labels),
        "auc": auc(predictions, labels),
        "calibration_error": sum(b["count"] * abs(b["predicted"] - b["observed"]) for b in bins) / len(labels),
        "calibration": bins,
        "mean_absolute_error": None,
        "root_mean_squared_error": None,
    }


def is_probability(predictions: Sequence[float], labels: Sequence[float]) -> bool:
    """Whether the predictions can be chances of an event that the labels tell of."""
    return all(0 <= p <= 1 for p in predictions) and all(y in (0, 1) for y in labels)


def calibration(predictions: Sequence[float], labels: Sequence[float]) -> list[Bin]:
    """The ten bins of equal width that hold predictions, in ascending order; 1 belongs to the last.

    >>> [(b["lower"], b["count"], b["observed"]) for b in calibration([0.12, 0.18, 1.0], [0, 1, 1])]
    [(0.1, 2, 0.5), (0.9, 1, 1.0)]
    """
    inside: list[list[tuple[float, float]]] = [[] for _ in range(BINS)]
    for prediction, label in zip(predictions, labels, strict=True):
        inside[min(int(prediction * BINS), BINS - 1)].append((prediction, label))
    return [
        {
            "lower": n / BINS,
            "upper": (n + 1) / BINS,
            "count": len(pairs),
            "predicted": sum(prediction for prediction, _ in pairs) / len(pairs),
            "observed": sum(label for _, label in pairs) / len(pairs),
        }
        for n, pairs in enumerate(inside)
        if pairs
    ]


def log_loss(predictions: Sequence[float], labels: Sequence[float]) -> float:
    """Mean negative log likelihood, natural logarithm; certainty is bounded at the precision of a double."""
    smallest = sys.float_info.epsilon
    bounded = [min(max(p, smallest), 1 - smallest) for p in predictions]
    return -sum(math.log(p) if y else math.log1p(-p) for p, y in zip(bounded, labels, strict=True)) / len(labels)


def auc(predictions: Sequence[float], labels: Sequence[float]) -> float | None:
    """Chance that an event scores above a non-event; ties count half. None with one class only.

    >>> auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    events = sum(labels)
    others = len(labels) - events
    if not events or not others:
        return None
    ranks, before = 0.0, 0
    for _, tied in groupby(sorted(zip(predictions, labels, strict=True)), key=lambda pair: pair[0]):
        group = [label for _, label in tied]
        ranks += sum(group) * (before + (len(group) + 1) / 2)
        before += len(group)
    return (ranks - events * (events + 1) / 2) / (events * others)
