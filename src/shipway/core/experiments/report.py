"""How the versions of an experiment compare, and whether one is bad."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from shipway.core.contract.distribution import Distribution
from shipway.core.contract.wanted import Shadow
from shipway.core.description.app import Guard, Quality
from shipway.core.experiments.experiment import Experiment
from shipway.core.experiments.figures import Counters, ShadowCounters
from shipway.core.observations.observation import Traffic
from shipway.core.verdicts.model_quality import judge_predictions, proven_shift
from shipway.core.verdicts.traffic import judge
from shipway.core.verdicts.verdict import Verdict

MOST_LATENCIES = 2_000


@dataclass(frozen=True, slots=True)
class VersionReport:
    """A version's figures: `p95` in seconds; `shift` of its predictions from stable's, beyond chance, 0 to 1.

    What is not known yet is None; stable has no verdict.
    """

    version: str
    percent: float
    requests: int
    errors: int
    p95: float | None
    mean: float | None
    shift: float | None
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """A shadow's figures. `disagreement` is the share of compared rows, 0 to 1; what is not known yet is None."""

    version: str
    percent: float
    compared: int
    disagreements: int
    failed: int
    dropped: int
    disagreement: float | None
    mean_difference: float | None
    largest_difference: float
    mean: float | None
    stable_mean: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """An experiment and how its versions do, stable first; `tasks` have told their figures.

    `told` says what is known of the tasks where they cannot be asked themselves.
    """

    experiment: Experiment
    versions: tuple[VersionReport, ...] = ()
    shadow: ShadowReport | None = None
    tasks: int = 0
    told: tuple[str, ...] = ()


def report_version(
    version: str, percent: float, counters: Counters, stable: Counters, verdict: Verdict | None
) -> VersionReport:
    """A version's counters in summary; `verdict` is None for stable itself."""
    predictions, compared = counters.predictions, stable.predictions
    known = verdict is not None and predictions.count > 0 and compared.count > 0
    return VersionReport(
        version=version,
        percent=percent,
        requests=counters.requests,
        errors=counters.errors,
        p95=quantile(counters.latency, 0.95) if counters.latency.count else None,
        mean=predictions.mean if predictions.count else None,
        shift=proven_shift(predictions, compared) if known else None,
        verdict=verdict,
    )


def report_shadow(shadow: Shadow, counters: ShadowCounters, verdict: Verdict) -> ShadowReport:
    """A shadow's counters in summary."""
    compared = counters.compared
    return ShadowReport(
        version=shadow.version,
        percent=shadow.percent,
        compared=compared,
        disagreements=counters.disagreements,
        failed=counters.failed,
        dropped=counters.dropped,
        disagreement=counters.disagreements / compared if compared else None,
        mean_difference=counters.difference_sum / compared if compared else None,
        largest_difference=counters.largest_difference,
        mean=counters.predictions.mean if counters.predictions.count else None,
        stable_mean=counters.stable_predictions.mean if counters.stable_predictions.count else None,
        verdict=verdict,
    )


def judge_version(guard: Guard, quality: Quality, candidate: Counters, stable: Counters) -> Verdict:
    """Whether a candidate is bad beside stable: by the rules of a rollout, and by what it predicts.

    Without requests to stable only the absolute limits apply.
    """
    traffic = _traffic(stable) if stable.requests else None
    verdict = judge(guard, _traffic(candidate), traffic, seen_in_step=candidate.requests)
    if verdict.kind == "rollback":
        return verdict
    model = judge_predictions(quality, candidate.predictions, stable.predictions)
    if model.kind == "rollback" or verdict.kind == "promote":
        return model if model.kind != "promote" else Verdict("promote", f"{verdict.reason}; {model.reason}")
    return verdict


def quantile(sketch: Distribution, share: float) -> float:
    """The value below which this share of the values lies, as exactly as the buckets allow; 0 where there is none.

    >>> quantile(Distribution(4, 4.0, ((0.5, 0.5, 2), (1.0, 2.0, 2))), 0.95)
    1.5
    """
    return next(iter(_quantiles(sketch, [share])), 0.0)


def _quantiles(sketch: Distribution, shares: Sequence[float]) -> list[float]:
    sums = list(accumulate(count for _, _, count in sketch.buckets))
    if not sums or sums[-1] == 0:
        return []
    places = (min(bisect_right(sums, share * sums[-1]), len(sums) - 1) for share in shares)
    return [(sketch.buckets[place][0] + sketch.buckets[place][1]) / 2 for place in places]


def _traffic(counters: Counters) -> Traffic:
    # As many latencies as there were, up to a bound beyond which more would only make the verdict's interval narrower.
    samples = min(counters.latency.count, MOST_LATENCIES)
    latencies = _quantiles(counters.latency, [(n + 0.5) / samples for n in range(samples)])
    return Traffic(counters.requests, counters.errors, tuple(latencies))
