"""Classes, against the classes that came true: SageMaker's multiclass metrics, each class weighted by its labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from model_monitoring.quality.binary import f_score

Places = np.ndarray[Any, np.dtype[np.intp]]
Metrics = dict[str, float | None]
_SCORES = (("weighted_f0_5", 0.5), ("weighted_f1", 1.0), ("weighted_f2", 2.0))

LOWER_IS_WORSE = ("accuracy", "weighted_recall", "weighted_precision", *(name for name, _ in _SCORES))


def metrics(said: Places, true: Places, classes: int) -> Metrics:
    """The metrics of classes by their numbers, below `classes`. A class that was never said has precision 0."""
    return _of(confusion(said, true, classes))


def best_constant(true: Places, classes: int) -> Metrics:
    """The metrics of a classifier that always says the most frequent class."""
    best = np.full(len(true), np.bincount(true, minlength=classes).argmax(), dtype=np.intp)
    return {f"{name}_best_constant_classifier": value for name, value in metrics(best, true, classes).items()}


def confusion(said: Places, true: Places, classes: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Rows are what came true, columns what was said."""
    return np.bincount(true * classes + said, minlength=classes**2).reshape(classes, classes)


def _of(table: np.ndarray[Any, np.dtype[np.intp]]) -> Metrics:
    hits, labels, called = table.diagonal(), table.sum(1), table.sum(0)
    weights = labels / labels.sum()
    recall = np.divide(hits, labels, out=np.zeros(len(hits)), where=labels > 0)
    precision = np.divide(hits, called, out=np.zeros(len(hits)), where=called > 0)
    found: Metrics = {
        "accuracy": float(hits.sum() / labels.sum()),
        "weighted_recall": float(recall @ weights),
        "weighted_precision": float(precision @ weights),
    }
    return found | {
        name: float(
            np.array([f_score(p, r, beta) or 0.0 for p, r in zip(precision.tolist(), recall.tolist(), strict=True)])
            @ weights
        )
        for name, beta in _SCORES
    }
