"""Probabilities of a class, against whether it came true: SageMaker's binary metrics, Brier score and calibration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

BINS = 10
POINTS = 201
"""Points of a curve that are written."""
Vector = np.ndarray[Any, np.dtype[np.float64]]
Metrics = dict[str, float | None]

LOWER_IS_WORSE = (
    "recall",
    "precision",
    "accuracy",
    "true_positive_rate",
    "true_negative_rate",
    "auc",
    "f0_5",
    "f1",
    "f2",
)
HIGHER_IS_WORSE = ("false_positive_rate", "false_negative_rate", "brier", "calibration_error")


def metrics(predictions: Vector, labels: Vector, threshold: float) -> Metrics:
    """The metrics; None for one that does not exist there. `labels` are 0 and 1; a row at `threshold` is called 1."""
    said, true = predictions >= threshold, labels == 1
    hits, called, ones = int((said & true).sum()), int(said.sum()), int(true.sum())
    rates = _rates(hits, called - hits, ones - hits, len(labels) - called - ones + hits)
    return rates | {
        "auc": auc(predictions, labels),
        "brier": float(np.square(predictions - labels).mean()),
        "calibration_error": calibration_error(predictions, labels),
        "mean_prediction": float(predictions.mean()),
        "label_rate": float(labels.mean()),
    }


def best_constant(labels: Vector) -> Metrics:
    """The metrics of a classifier that always says what is more frequent."""
    ones = int((labels == 1).sum())
    zeros = len(labels) - ones
    rates = _rates(ones, zeros, 0, 0) if ones >= zeros else _rates(0, 0, ones, zeros)
    return {f"{name}_best_constant_classifier": value for name, value in rates.items()} | {
        "auc_best_constant_classifier": 0.5 if ones and zeros else None
    }


def extras(predictions: Vector, labels: Vector, threshold: float) -> dict[str, Any]:
    """Confusion matrix (label, then what was said) and both curves."""
    said = predictions >= threshold
    confusion = {
        str(truth): {str(answer): int(((labels == truth) & (said == bool(answer))).sum()) for answer in (0, 1)}
        for truth in (0, 1)
    }
    return {"confusion_matrix": confusion} | _curves(predictions, labels)


def _rates(hits: int, false_alarms: int, misses: int, rejections: int) -> Metrics:
    precision, recall = _ratio(hits, hits + false_alarms), _ratio(hits, hits + misses)
    return {
        "recall": recall,
        "precision": precision,
        "accuracy": _ratio(hits + rejections, hits + false_alarms + misses + rejections),
        "true_positive_rate": recall,
        "false_positive_rate": _ratio(false_alarms, false_alarms + rejections),
        "true_negative_rate": _ratio(rejections, false_alarms + rejections),
        "false_negative_rate": _ratio(misses, hits + misses),
    } | {name: f_score(precision, recall, beta) for name, beta in (("f0_5", 0.5), ("f1", 1.0), ("f2", 2.0))}


def f_score(precision: float | None, recall: float | None, beta: float) -> float | None:
    """(1 + β²) P R / (β² P + R) (van Rijsbergen 1979); 0 where both are 0, None where either does not exist."""
    if precision is None or recall is None:
        return None
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def auc(predictions: Vector, labels: Vector) -> float | None:
    """The chance that a row of class 1 has the higher prediction, ties half; None with one class only."""
    ones = int(labels.sum())
    zeros = len(labels) - ones
    if not ones or not zeros:
        return None
    _, place, counts = np.unique(predictions, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # mean rank of equal predictions (Mann-Whitney)
    return float((ranks[place][labels == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def calibration_error(predictions: Vector, labels: Vector) -> float:
    """Expected calibration error over ten bins of equal width: |predicted - observed|, weighted by rows."""
    gap = np.bincount(_bins(predictions), predictions - labels, BINS)
    return math.fsum(abs(gap)) / len(labels)


def reliability(predictions: Vector, labels: Vector) -> list[dict[str, float]]:
    """Of each bin that has rows: how many, the mean prediction, the share of label 1."""
    places = _bins(predictions)
    counts = np.bincount(places, minlength=BINS)
    said, true = np.bincount(places, predictions, BINS), np.bincount(places, labels, BINS)
    return [
        {
            "rows": int(counts[bin_]),
            "mean_prediction": said[bin_] / counts[bin_],
            "label_rate": true[bin_] / counts[bin_],
        }
        for bin_ in np.flatnonzero(counts).tolist()
    ]


def _bins(predictions: Vector) -> np.ndarray[Any, np.dtype[np.intp]]:
    return np.clip((predictions * BINS).astype(np.intp), 0, BINS - 1)


def _curves(predictions: Vector, labels: Vector) -> dict[str, Any]:
    """Receiver operating characteristic, and precision by recall, at quantiles of the predictions."""
    ones = float(labels.sum())
    zeros = len(labels) - ones
    if not ones or not zeros:
        return {}
    order = np.argsort(-predictions, kind="stable")
    falling = predictions[order]
    last = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))  # rows with one prediction are called together
    shown = last[np.unique(np.linspace(0, len(last) - 1, POINTS).round().astype(np.intp))]
    hits, called = np.cumsum(labels[order])[shown], shown + 1.0
    return {
        "receiver_operating_characteristic_curve": {
            "false_positive_rates": [0.0, *((called - hits) / zeros).tolist()],
            "true_positive_rates": [0.0, *(hits / ones).tolist()],
        },
        "precision_recall_curve": {
            "precisions": [1.0, *(hits / called).tolist()],
            "recalls": [0.0, *(hits / ones).tolist()],
        },
    }
