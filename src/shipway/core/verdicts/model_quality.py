"""Is the candidate's model good? Its predictions beside stable's at the same time, and its labels where there are any.

Distance of distributions: Kolmogorov-Smirnov, less what chance gives samples of this size (the allowance of SageMaker
Model Monitor's "Robust" comparison). Disagreement: Wilson's score interval. Losses: a bound of the difference of means.
"""

from __future__ import annotations

import math

from shipway.core.contract.distribution import Distribution
from shipway.core.description.app import Quality
from shipway.core.observations.losses import Losses
from shipway.core.verdicts.distance import ks_distance
from shipway.core.verdicts.intervals import repeated_z, wilson
from shipway.core.verdicts.verdict import Count, Verdict


def proven_shift(candidate: Distribution, stable: Distribution) -> float:
    """The distance of two distributions that chance does not explain, 0 to 1; both counts are positive.

    Moves by less than a tenth of stable's deviation, or a hundredth of its mean, do not count: the leaves of a model
    with few different predictions move with each training, all at once and very little.
    """
    slack = max(stable.deviation / 10, abs(stable.mean) / 100)
    chance = 1.8 * math.sqrt((candidate.count + stable.count) / (candidate.count * stable.count))
    return max(0.0, ks_distance(candidate, stable, slack) - chance)


def judge_predictions(quality: Quality, candidate: Distribution, stable: Distribution) -> Verdict:
    """`rollback` where the candidate's predictions are distributed unlike stable's, beyond chance and tolerance."""
    fewest = min(candidate.count, stable.count)
    if fewest < quality.min_predictions:
        whose = "candidate" if candidate.count <= stable.count else "stable"
        needed = f"{fewest:,} of {quality.min_predictions:,} predictions seen of {whose}"
        counts = (
            Count("predictions", candidate.count, quality.min_predictions),
            Count("predictions", stable.count, quality.min_predictions, "stable"),
        )
        return Verdict("hold", needed, lacking=True, counts=counts)
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


def judge_losses(quality: Quality, confidence: float, candidate: Losses, stable: Losses) -> Verdict:
    """`rollback` where the candidate's mean loss is surely worse than stable's by more than is allowed."""
    fewest = min(candidate.count, stable.count)
    if fewest < max(quality.min_predictions, 2):
        return Verdict("hold", f"{fewest:,} of {quality.min_predictions:,} labels known", lacking=True)
    error = math.sqrt(candidate.variance + stable.variance)
    low = candidate.mean - stable.mean - repeated_z(confidence, fewest, quality.min_predictions) * error
    allowed = stable.mean * quality.max_loss_increase / 100
    said = f"squared error {candidate.mean:.4g}, stable {stable.mean:.4g}"
    if low > allowed:
        labels = f"{candidate.count:,} and {stable.count:,} labels"
        return Verdict("rollback", f"{said}: worse by more than {low:.3g}, allowed {allowed:.3g} ({labels})")
    return Verdict("promote", said)
