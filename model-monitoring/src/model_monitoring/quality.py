"""How good probabilities were, against what came true: SageMaker's binary classification metrics, and calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

BINS = 10
Vector = np.ndarray[Any, np.dtype[np.float64]]


@dataclass
class Judged:
    """Predictions whose labels are known, collected batch by batch."""

    rows: int = 0
    predictions: list[float] = field(default_factory=list)
    labels: list[float] = field(default_factory=list)

    def add(self, events: list[tuple[str, int]], predictions: list[float], labels: dict[str, list[float]]) -> None:
        """Take in a batch. Rows of a request are labelled by position; those without a label count in `rows` alone."""
        self.rows += len(events)
        for (event, place), prediction in zip(events, predictions, strict=True):
            truth = labels.get(event)
            if truth is not None and place < len(truth):
                self.predictions.append(prediction)
                self.labels.append(truth[place])

    def add_labelled(self, predictions: list[Any] | None, labels: list[Any] | None, count: int) -> None:
        """Take in a table's rows, those of them that have both."""
        self.rows += count
        for prediction, label in zip(predictions or (), labels or (), strict=False):
            if isinstance(prediction, int | float) and isinstance(label, int | float):
                self.predictions.append(prediction)
                self.labels.append(label)


def document(judged: Judged, threshold: float) -> dict[str, Any]:
    """statistics.json of model quality. A metric that does not exist there is None."""
    predictions, labels = np.array(judged.predictions), np.array(judged.labels)
    usable = np.isfinite(predictions) & np.isin(labels, (0.0, 1.0))
    predictions, labels = predictions[usable], labels[usable]
    found: dict[str, Any] = {
        "version": 0.0,
        "dataset": {
            "item_count": judged.rows,
            "labelled_count": len(labels),
            "labelled_share": len(labels) / judged.rows if judged.rows else 0.0,
        },
    }
    if len(labels):
        metrics = {name: {"value": value} for name, value in _metrics(predictions, labels, threshold).items()}
        found["binary_classification_metrics"] = {
            "confusion_matrix": _confusion(predictions, labels, threshold)
        } | metrics
    return found


def _metrics(predictions: Vector, labels: Vector, threshold: float) -> dict[str, float | None]:
    said, late = predictions >= threshold, labels == 1
    hits = int((said & late).sum())
    precision, recall = _ratio(hits, int(said.sum())), _ratio(hits, int(late.sum()))
    return {
        "accuracy": float((said == late).mean()),
        "precision": precision,
        "recall": recall,
        "f1": _ratio(2 * hits, int(said.sum()) + int(late.sum())),
        "auc": auc(predictions, labels),
        "brier": float(((predictions - labels) ** 2).mean()),
        "calibration_error": calibration_error(predictions, labels),
        "mean_prediction": float(predictions.mean()),
        "label_rate": float(labels.mean()),
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _confusion(predictions: Vector, labels: Vector, threshold: float) -> dict[str, dict[str, int]]:
    said = predictions >= threshold
    return {
        str(truth): {str(answer): int(((labels == truth) & (said == bool(answer))).sum()) for answer in (0, 1)}
        for truth in (0, 1)
    }


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
    place = np.clip((predictions * BINS).astype(np.intp), 0, BINS - 1)
    gap = np.bincount(place, predictions - labels, BINS)
    return math.fsum(abs(gap)) / len(labels)


def suggested(statistics: dict[str, Any]) -> dict[str, Any]:
    """constraints.json of model quality: as good as the baseline, which has labels of both classes."""
    metrics = statistics.get("binary_classification_metrics", {})
    lower = ("accuracy", "precision", "recall", "f1", "auc")
    higher = ("brier", "calibration_error")
    return {
        "version": 0.0,
        "binary_classification_constraints": {
            name: {"threshold": metrics[name]["value"], "comparison_operator": operator}
            for names, operator in ((lower, "LessThanThreshold"), (higher, "GreaterThanThreshold"))
            for name in names
            if metrics.get(name, {}).get("value") is not None
        },
    }
