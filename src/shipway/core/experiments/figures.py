"""What tasks count for each version of an experiment, added up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shipway.core.contract.distribution import Distribution, merged, without

NOTHING = Distribution()


@dataclass(frozen=True, slots=True)
class Counters:
    """What a version did: `errors` are requests that it could not answer, `latency` is in seconds."""

    requests: int = 0
    errors: int = 0
    latency: Distribution = NOTHING
    predictions: Distribution = NOTHING


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
    predictions: Distribution = NOTHING
    stable_predictions: Distribution = NOTHING


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of a whole experiment, or of a part of it: by version, and of the shadow."""

    versions: Mapping[str, Counters] = field(default_factory=dict)
    shadow: ShadowCounters = ShadowCounters()

    def of(self, version: str) -> Counters:
        """A version's figures; zeros where it did nothing."""
        return self.versions.get(version, Counters())


@dataclass(frozen=True, slots=True)
class TaskFigures:
    """One task's figures; they start from zero with every `epoch`. `shares` are the versions' percents that it follows.

    What the task does not report is None.
    """

    task: str
    epoch: str = ""
    shares: Mapping[str, float] | None = None
    shadow: str | None = None
    figures: Figures | None = None


def together(parts: Iterable[Figures]) -> Figures:
    """The sum of all parts."""
    parts = tuple(parts)
    versions = {version for part in parts for version in part.versions}
    return Figures(
        {version: _counters([part.of(version) for part in parts]) for version in versions},
        _shadow([part.shadow for part in parts]),
    )


def since(now: Figures, before: Figures) -> Figures:
    """What was counted since an earlier look at the same figures. The shadow's figures are left out."""
    return Figures({version: _later(counters, before.of(version)) for version, counters in now.versions.items()})


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
