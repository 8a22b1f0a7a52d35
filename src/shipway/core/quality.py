"""Is the candidate's model good? Its predictions beside stable's at the same time, and its labels where there are any.

Distance of distributions: Kolmogorov-Smirnov, less what chance gives samples of this size (the allowance of SageMaker
Model Monitor's "Robust" comparison). Disagreement: Wilson's score interval. Losses: a bound of the difference of means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from shipway.core.description import Quality
from shipway.core.sketch import Predictions, ks_distance
from shipway.core.verdict import Verdict, repeated_z, wilson

__all__ = [
    "Losses", "Predictions", "judge_disagreement", "judge_loss_differences", "judge_losses", "judge_predictions",
    "ks_distance", "proven_shift",
]  # fmt: skip


def proven_shift(a: Predictions, b: Predictions) -> float:
    """The distance of two distributions that chance does not explain, 0 to 1; both counts are positive."""
    chance = 1.8 * math.sqrt((a.count + b.count) / (a.count * b.count))
    return max(0.0, ks_distance(a, b) - chance)


def judge_predictions(quality: Quality, candidate: Predictions, stable: Predictions) -> Verdict:
    """`rollback` where the candidate's predictions are spread otherwise than stable's, beyond chance and tolerance."""
    fewest = min(candidate.count, stable.count)
    if fewest < quality.min_predictions:
        whose = "candidate" if candidate.count <= stable.count else "stable"
        needed = f"{fewest:,} of {quality.min_predictions:,} predictions seen of {whose}"
        return Verdict("hold", needed, lacking=True)
    shift = proven_shift(candidate, stable)
    means = f"mean {candidate.mean:.3g}, stable {stable.mean:.3g}"
    if shift > quality.max_prediction_shift / 100:
        return Verdict(
            "rollback",
            f"predictions shifted by more than {100 * shift:.3g} %, allowed {quality.max_prediction_shift:g} %; {means} "
            f"({candidate.count:,} and {stable.count:,} predictions)",
        )
    return Verdict("promote", f"predictions agree within {quality.max_prediction_shift:g} %; {means}")


def judge_disagreement(quality: Quality, confidence: float, compared: int, disagreements: int) -> Verdict:
    """`rollback` where two versions, asked the same rows, surely disagree on more of them than is allowed."""
    if compared < quality.min_predictions:
        return Verdict("hold", f"{compared:,} of {quality.min_predictions:,} rows compared", lacking=True)
    low, _ = wilson(disagreements, compared, repeated_z(confidence, compared, quality.min_predictions))
    said = f"{disagreements:,} of {compared:,} rows disagree"
    if low > quality.max_disagreement / 100:
        return Verdict("rollback", f"{said}: more than {100 * low:.3g} %, allowed {quality.max_disagreement:g} %")
    return Verdict("promote", said)


@dataclass(frozen=True, slots=True)
class Losses:
    """Labelled predictions: how many, the sum of their losses (Brier or log loss), and the sum of their squares."""

    count: int = 0
    sum: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        """The mean loss; 0 where there is none."""
        return self.sum / self.count if self.count else 0.0

    @property
    def variance(self) -> float:
        """Of the mean, estimated from the sample; `count` > 1."""
        return max(0.0, self.squares - self.count * self.mean**2) / (self.count - 1) / self.count


def judge_losses(quality: Quality, confidence: float, candidate: Losses, stable: Losses) -> Verdict:
    """`rollback` where the candidate's loss is surely worse than stable's by more than is allowed (other rows each)."""
    fewest = min(candidate.count, stable.count)
    if fewest < quality.min_predictions:
        return _too_few_labels(quality, fewest)
    error = math.sqrt(candidate.variance + stable.variance)
    return _judge_increase(quality, confidence, candidate.mean - stable.mean, error, fewest, stable.mean)


def judge_loss_differences(quality: Quality, confidence: float, differences: Losses, stable: Losses) -> Verdict:
    """The same where both answered the same rows: `differences` are candidate's loss minus stable's, row by row."""
    if differences.count < quality.min_predictions:
        return _too_few_labels(quality, differences.count)
    error = math.sqrt(differences.variance)
    return _judge_increase(quality, confidence, differences.mean, error, differences.count, stable.mean)


def _judge_increase(
    quality: Quality, confidence: float, difference: float, error: float, count: int, stable: float
) -> Verdict:
    low = difference - repeated_z(confidence, count, quality.min_predictions) * error
    allowed = stable * quality.max_loss_increase / 100
    said = f"loss {stable + difference:.4g}, stable {stable:.4g}"
    if low > allowed:
        return Verdict("rollback", f"{said}: more than {low:.3g} worse, allowed {allowed:.3g} ({count:,} labels)")
    return Verdict("promote", said)


def _too_few_labels(quality: Quality, count: int) -> Verdict:
    return Verdict("hold", f"{count:,} of {quality.min_predictions:,} labels known", lacking=True)
