"""How good predictions are against what came true: calibration and scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from model_packaging.schema import Vector

BINS = 10


def quality(predictions: Vector, labels: Vector) -> dict[str, Any] | None:
    """Judge predictions by their labels, one of each a row; None without rows.

    Probabilities (labels 0 and 1) have Brier score, log loss, AUC (None with one class only), calibration and its
    expected error; other predictions have mean absolute and root mean squared error. What does not apply is None.
    """
    if not len(labels):
        return None
    errors = predictions - labels
    squared = float(np.mean(errors**2))
    found: dict[str, Any] = {
        "rows": len(labels),
        "brier": None,
        "log_loss": None,
        "auc": None,
        "calibration_error": None,
        "calibration": [],
        "mean_absolute_error": None,
        "root_mean_squared_error": None,
    }
    if not _are_probabilities(predictions, labels):
        return found | {
            "mean_absolute_error": float(np.mean(np.abs(errors))),
            "root_mean_squared_error": float(np.sqrt(squared)),
        }
    bins = calibration(predictions, labels)
    return found | {
        "brier": squared,
        "log_loss": float(log_loss(labels, predictions, labels=[0, 1])),
        "auc": float(roc_auc_score(labels, predictions)) if 0 < labels.sum() < len(labels) else None,
        "calibration_error": sum(b["count"] * abs(b["predicted"] - b["observed"]) for b in bins) / len(labels),
        "calibration": bins,
    }


def calibration(predictions: Vector, labels: Vector) -> list[dict[str, Any]]:
    """The ten bins of equal width that hold predictions, in ascending order; 1 belongs to the last.

    `predicted` is the mean prediction of a bin's rows, `observed` how often the event came true.
    """
    place = np.minimum((predictions * BINS).astype(np.intp), BINS - 1)
    count, predicted, observed = (np.bincount(place, weights, BINS) for weights in (None, predictions, labels))
    return [
        {
            "lower": n / BINS,
            "upper": (n + 1) / BINS,
            "count": int(count[n]),
            "predicted": float(predicted[n] / count[n]),
            "observed": float(observed[n] / count[n]),
        }
        for n in np.flatnonzero(count).tolist()
    ]


def _are_probabilities(predictions: Vector, labels: Vector) -> bool:
    """Whether the predictions can be chances of an event that the labels tell of."""
    return bool(np.all((0 <= predictions) & (predictions <= 1)) and np.all(np.isin(labels, (0, 1))))
