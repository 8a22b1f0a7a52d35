"""How the versions of a trial do beside one another, from what their tasks counted, and whether a candidate is bad."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from shipway.core.assignment import Shadow
from shipway.core.description import Guard, Quality
from shipway.core.observation import Traffic
from shipway.core.quality import judge_predictions, proven_shift
from shipway.core.sketch import Predictions, merged, without
from shipway.core.verdict import Verdict, judge

MOST_LATENCIES = 2_000
_NONE = Predictions()


@dataclass(frozen=True, slots=True)
class Counters:
    """What a version did: `errors` are requests that it could not answer, `latency` is spread in seconds."""

    requests: int = 0
    errors: int = 0
    latency: Predictions = _NONE
    predictions: Predictions = _NONE


@dataclass(frozen=True, slots=True)
class ShadowCounters:
    """How a shadow's predictions differ from those that clients got, over `compared` rows.

    `failed` are requests it could not score, `dropped` those it had no time for.
    """

    compared: int = 0
    disagreements: int = 0
    failed: int = 0
    dropped: int = 0
    difference_sum: float = 0.0
    largest_difference: float = 0.0
    predictions: Predictions = _NONE
    stable_predictions: Predictions = _NONE


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a whole trial, or of a part of it: by version, and of the shadow."""

    versions: Mapping[str, Counters] = field(default_factory=dict)
    shadow: ShadowCounters = ShadowCounters()

    def of(self, version: str) -> Counters:
        """A version's figures; none where it did nothing."""
        return self.versions.get(version, Counters())


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """One task's figures; they begin anew with every `epoch`. `shares` are the versions' percents that it follows.

    None of both where the task does not tell.
    """

    task: str
    epoch: str = ""
    shares: Mapping[str, float] | None = None
    shadow: str | None = None
    figures: Figures | None = None


@dataclass(frozen=True, slots=True)
class VariantReport:
    """How a version does: `p95` in seconds, `shift` of its predictions against stable's beyond chance, 0 to 1.

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
    """How a shadow does. `disagreement` is the share of compared rows, 0 to 1; what is not known yet is None."""

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
class Astray:
    """A task that does not serve what is recorded: what it says instead, and whether it will not, or only has yet to."""

    task: str
    says: str
    refuses: bool = False


def report_variant(
    version: str, percent: float, counters: Counters, stable: Counters, verdict: Verdict | None
) -> VariantReport:
    """The figures of a version in short; `verdict` is None for stable itself."""
    predictions, compared = counters.predictions, stable.predictions
    known = verdict is not None and predictions.count > 0 and compared.count > 0
    return VariantReport(
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
    """The figures of a shadow in short."""
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


def together(parts: Iterable[Figures]) -> Figures:
    """All of the parts as one."""
    parts = tuple(parts)
    versions = {version for part in parts for version in part.versions}
    return Figures(
        {version: _counters([part.of(version) for part in parts]) for version in versions},
        _shadow([part.shadow for part in parts]),
    )


def since(now: Figures, before: Figures) -> Figures:
    """What came after an earlier look at the same figures. Of the shadow nothing is told."""
    return Figures({version: _later(counters, before.of(version)) for version, counters in now.versions.items()})


def judge_variant(guard: Guard, quality: Quality, candidate: Counters, stable: Counters) -> Verdict:
    """Whether a candidate is bad beside stable: by the rules of a rollout, and by what it predicts.

    Without requests to stable only the absolute floors speak.
    """
    traffic = _traffic(stable) if stable.requests else None
    verdict = judge(guard, _traffic(candidate), traffic, seen_in_step=candidate.requests)
    if verdict.kind == "rollback":
        return verdict
    model = judge_predictions(quality, candidate.predictions, stable.predictions)
    if model.kind == "rollback" or verdict.kind == "promote":
        return model if model.kind != "promote" else Verdict("promote", f"{verdict.reason}; {model.reason}")
    return verdict


def quantile(sketch: Predictions, share: float) -> float:
    """The value below which this share of the values lies, as near as the buckets tell; 0 where there is none.

    >>> quantile(Predictions(4, 4.0, ((0.5, 0.5, 2), (1.0, 2.0, 2))), 0.95)
    1.5
    """
    return next(iter(_quantiles(sketch, [share])), 0.0)


def _quantiles(sketch: Predictions, shares: Sequence[float]) -> list[float]:
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


def _counters(parts: Sequence[Counters]) -> Counters:
    return Counters(
        sum(part.requests for part in parts),
        sum(part.errors for part in parts),
        merged(part.latency for part in parts),
        merged(part.predictions for part in parts),
    )


def _shadow(parts: Sequence[ShadowCounters]) -> ShadowCounters:
    return ShadowCounters(
        compared=sum(part.compared for part in parts),
        disagreements=sum(part.disagreements for part in parts),
        failed=sum(part.failed for part in parts),
        dropped=sum(part.dropped for part in parts),
        difference_sum=math.fsum(part.difference_sum for part in parts),
        largest_difference=max((part.largest_difference for part in parts), default=0.0),
        predictions=merged(part.predictions for part in parts),
        stable_predictions=merged(part.stable_predictions for part in parts),
    )


def _later(now: Counters, before: Counters) -> Counters:
    return Counters(
        max(0, now.requests - before.requests),
        max(0, now.errors - before.errors),
        without(now.latency, before.latency),
        without(now.predictions, before.predictions),
    )
