"""How good the answers were: from predictions and what came true of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True)
class Figures:
    """Of `labels` answered predictions whose outcomes are known. None is what cannot be computed.

    `brier` is the mean squared difference of prediction and label; `auc` the chance that of two, one of each label, the
    positive one has the higher prediction, half for equal ones; `predicted` and `positive` the means of both.
    """

    labels: int
    auc: float | None = None
    brier: float | None = None
    predicted: float | None = None
    positive: float | None = None


def figures(scored: Sequence[tuple[float, int]]) -> Figures:
    """Of pairs of prediction and label (0 or 1)."""
    count = len(scored)
    if not count:
        return Figures(0)
    positives = sum(label for _, label in scored)
    brier = sum((prediction - label) ** 2 for prediction, label in scored) / count
    predicted = sum(prediction for prediction, _ in scored) / count
    return Figures(count, _auc(scored, positives), brier, predicted, positives / count)


def _auc(scored: Sequence[tuple[float, int]], positives: int) -> float | None:
    """By ranks, Mann and Whitney's U over the pairs; equal predictions share the mean of their ranks."""
    negatives = len(scored) - positives
    if not positives or not negatives:
        return None
    below, ranks = 0, 0.0
    for _, equal in groupby(sorted(scored), key=lambda pair: pair[0]):
        labels = [label for _, label in equal]
        ranks += sum(labels) * (below + (len(labels) + 1) / 2)
        below += len(labels)
    return (ranks - positives * (positives + 1) / 2) / (positives * negatives)
