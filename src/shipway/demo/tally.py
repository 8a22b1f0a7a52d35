"""What a load client saw, counted by step, release and model version. Pure: outcomes in, figures out.

Cohorts: within a rollout a device that was moved to the candidate stays there. It may come back only when the
whole rollout was taken back, so once one device came back, no later request of anyone may reach that candidate.
"Later" means sent after the other's answer was complete; what overlapped proves nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from shipway.demo.exchange import FailureKind

MAX_LISTED = 100
"""Failures that a summary lists one by one; all are counted."""
_FINEST, _GROWTH = 1e-5, 1.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one request went. Times are Unix seconds; `due` is when it should have been sent.

    `release`, `side` and `version` (of the model) are empty where the answer did not say, or there was none.
    """

    device: str
    due: float
    sent: float
    done: float
    failure: FailureKind | None = None
    detail: str = ""
    status: int = 0
    release: str = ""
    side: str = ""
    version: str = ""
    fresh: bool = False

    def as_json(self) -> dict[str, Any]:
        """The outcome as one line of a report."""
        return {
            "at": round(self.done, 4), "kind": self.failure, "detail": self.detail, "status": self.status,
            "device": self.device, "release": self.release, "side": self.side, "version": self.version,
            "connection": "fresh" if self.fresh else "kept",
        }  # fmt: skip


@dataclass(slots=True)
class Latencies:
    """A histogram in steps of 2 %: memory stays bounded however long the load lasts."""

    counts: dict[int, int] = field(default_factory=dict)
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        place = math.ceil(math.log(max(seconds, _FINEST) / _FINEST, _GROWTH))
        self.counts[place] = self.counts.get(place, 0) + 1
        self.longest = max(self.longest, seconds)

    def quantile(self, share: float) -> float:
        """The smallest bound that `share` (0 to 1) of the requests kept; 0 when there were none."""
        wanted, seen = share * sum(self.counts.values()), 0
        for place, count in sorted(self.counts.items()):
            seen += count
            if seen >= wanted:
                return min(_FINEST * _GROWTH**place, self.longest)
        return 0.0

    def as_json(self) -> dict[str, float]:
        """Milliseconds."""
        named = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        figures = {name: round(self.quantile(share) * 1000, 2) for name, share in named.items()}
        return figures | {"max": round(self.longest * 1000, 2)}


@dataclass(slots=True)
class Seen:
    """Answers of one kind: how many, how many failed, when the first, the first bad and the last one came."""

    answers: int = 0
    failed: int = 0
    first: float = math.inf
    last: float = 0.0
    first_failure: float = math.inf
    example: str = ""
    devices: set[str] = field(default_factory=set)

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.answers += 1
        self.first = min(self.first, outcome.done)
        self.last = max(self.last, outcome.done)
        self.devices.add(outcome.device)
        if outcome.failure is not None:
            self.failed += 1
            self.first_failure = min(self.first_failure, outcome.done)
            self.example = self.example or outcome.detail

    def as_json(self) -> dict[str, Any]:
        """Times that never came are null."""
        return {
            "answers": self.answers, "failed": self.failed, "devices": len(self.devices),
            "first": _time(self.first), "last": _time(self.last), "first_failure": _time(self.first_failure),
            "example": self.example,
        }  # fmt: skip


@dataclass(slots=True)
class Step:
    """Everything that was sent while a step lasted."""

    name: str
    began: float
    sent: int = 0
    failed: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    latencies: Latencies = field(default_factory=Latencies)
    releases: dict[str, Seen] = field(default_factory=dict)
    versions: dict[str, Seen] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one."""
        self.latencies.add(outcome.done - outcome.due)
        self.releases.setdefault(outcome.release, Seen()).add(outcome)
        if outcome.version:
            self.versions.setdefault(outcome.version, Seen()).add(outcome)
        if outcome.failure is not None:
            self.count_failure(outcome.failure)

    def count_failure(self, kind: FailureKind) -> None:
        """Count a failure of this kind."""
        self.failed += 1
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def as_json(self) -> dict[str, Any]:
        """The step's figures; latencies in milliseconds."""
        return {
            "name": self.name, "began": _time(self.began), "sent": self.sent, "failed": self.failed,
            "kinds": self.kinds, "latency_ms": self.latencies.as_json(),
            "releases": {name: seen.as_json() for name, seen in self.releases.items()},
            "versions": {name: seen.as_json() for name, seen in self.versions.items()},
        }  # fmt: skip


class Tally:
    """All that one load client saw. `mark` begins a step; requests belong to the step they were sent in."""

    def __init__(self, step: str, now: float) -> None:
        self.step = Step(step, now)
        self._steps = [self.step]
        self._listed: list[Outcome] = []
        self._cohorts = _Cohorts()

    def mark(self, name: str, now: float) -> None:
        """Begin a step."""
        self.step = Step(name, now)
        self._steps.append(self.step)

    def add(self, outcome: Outcome, step: Step) -> list[Outcome]:
        """Count an outcome for the step it was sent in; the failures that it shows."""
        step.add(outcome)
        failures = [outcome] if outcome.failure is not None else []
        broken = self._cohorts.add(outcome)
        if broken is not None and outcome.failure is None:
            step.count_failure("cohort")
            failures.append(broken)
        self._listed += failures[: MAX_LISTED - len(self._listed)]
        return failures

    def summary(self) -> dict[str, Any]:
        """All figures, as JSON."""
        sent, failed = sum(step.sent for step in self._steps), sum(step.failed for step in self._steps)
        return {
            "sent": sent, "failed": failed, "steps": [step.as_json() for step in self._steps],
            "failures": [outcome.as_json() for outcome in self._listed],
        }  # fmt: skip


class _Cohorts:
    """Whether devices stay where a rollout put them. Releases are ranked by when they first answered."""

    def __init__(self) -> None:
        self._ranks: dict[str, int] = {}
        self._newest: dict[str, Outcome] = {}
        self._left: dict[str, Outcome] = {}

    def add(self, outcome: Outcome) -> Outcome | None:
        """The outcome, named as a failure, when it shows that a device came back without a rollback."""
        if not outcome.release:
            return None
        rank = self._ranks.setdefault(outcome.release, len(self._ranks))
        newest = self._newest.setdefault(outcome.device, outcome)
        newest_rank = self._ranks[newest.release]
        if rank > newest_rank:
            self._newest[outcome.device] = outcome
        elif rank < newest_rank and outcome.sent > newest.done:
            self._left.setdefault(newest.release, outcome)
        returned = self._left.get(outcome.release)
        if returned is None or outcome.sent <= returned.done:
            return None
        del self._left[outcome.release]
        detail = (
            f"{outcome.device} got {outcome.release} {outcome.sent - returned.done:.2f} s after "
            f"{returned.device} had gone from it back to {returned.release}"
        )
        return replace(outcome, failure="cohort", detail=detail)


def _time(value: float) -> float | None:
    return round(value, 4) if 0 < value < math.inf else None
