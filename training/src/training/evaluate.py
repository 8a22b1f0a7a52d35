"""How good predictions are: area under the ROC curve, Brier score, log loss, calibration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 10
Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]


def auc(labels: Labels, scores: Scores) -> float:
    """Chance that a late flight scores above a punctual one; ties count half. NaN with only one class."""
    late = int(labels.sum())
    punctual = labels.size - late
    if late == 0 or punctual == 0:
        return float("nan")
    _, positions, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    return float((mean_rank[positions][labels].sum() - late * (late + 1) / 2) / (late * punctual))


def brier(labels: Labels, scores: Scores) -> float:
    """Mean squared error of the probabilities."""
    return float(np.mean((scores - labels) ** 2))


def log_losses(labels: Labels, scores: Scores) -> Scores:
    """Negative log likelihood of each row, natural logarithm; certainty is bounded at the precision of a double."""
    smallest = np.finfo(np.float64).eps
    bounded = np.clip(scores, smallest, 1 - smallest)
    return np.asarray(-np.where(labels, np.log(bounded), np.log1p(-bounded)))


def log_loss(labels: Labels, scores: Scores) -> float:
    """Mean of `log_losses`."""
    return float(log_losses(labels, scores).mean())


def evaluate(labels: Labels, scores: Scores) -> dict[str, float]:
    """The metrics of metadata.json: quality, and the mean outcome beside the mean prediction."""
    return {
        "auc": auc(labels, scores),
        "brier": brier(labels, scores),
        "log_loss": log_loss(labels, scores),
        "late_rate": float(labels.mean()),
        "mean_prediction": float(scores.mean()),
        "rows": float(labels.size),
    }


def by_month(months: NDArray[np.int64], labels: Labels, scores: Scores) -> dict[int, dict[str, float]]:
    """`evaluate` for every month that has rows; all three arrays have shape (rows,)."""
    return {int(month): evaluate(labels[months == month], scores[months == month]) for month in np.unique(months)}


def calibration_error(labels: Labels, scores: Scores) -> float:
    """Mean distance between prediction and outcome over ten bins of equal width, weighted by rows."""
    bins = np.minimum((scores * BINS).astype(np.intp), BINS - 1)
    return float(np.abs(np.bincount(bins, scores - labels, BINS)).sum() / labels.size)
