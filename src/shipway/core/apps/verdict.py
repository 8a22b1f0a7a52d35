"""Is a bundle good? What devices did with it beside what they did with stable at the same time, each device once.

The statistics are those of rollouts (`core/verdicts`): Wilson's score interval for one side, Newcombe's hybrid score
interval for the difference, corrected for looking often.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from shipway.core.contract.bundles import BundleCounts
from shipway.core.description.device_app import BundleGuard
from shipway.core.observations.observation import Traffic
from shipway.core.verdicts.intervals import chance_of, repeated_z, wilson
from shipway.core.verdicts.traffic import difference_low
from shipway.core.verdicts.verdict import Count, Verdict

_LIKELY = 1.0
_FEW = 1_000
"""Devices or sessions; of more than these score intervals are exact enough."""


@dataclass(frozen=True, slots=True)
class _Measure:
    """Bad ones of all, of both sides, and what is allowed in percent. `what` is a sentence of its two numbers."""

    what: str
    candidate: Traffic
    stable: Traffic
    most: float
    increase: float

    def told(self) -> str:
        bad, all = self.candidate.errors, self.candidate.requests
        of_stable = "no stable to compare with"
        if self.stable.requests:
            of_stable = f"stable {100 * self.stable.errors / self.stable.requests:.3g} %"
        return f"{self.what.format(bad=f'{bad:,}', all=f'{all:,}')} ({100 * bad / all:.3g} %, {of_stable})"

    def proven(self, z: float, fewest: int) -> bool:
        """Whether it is surely worse than allowed, at this level."""
        if self.candidate.requests < fewest:
            return False
        low, _ = wilson(self.candidate.errors, self.candidate.requests, z)
        if low > self.most / 100:
            return True
        if self.stable.requests < fewest or difference_low(self.candidate, self.stable, z) <= self.increase / 100:
            return False
        return self.candidate.requests > _FEW or self._is_no_chance(z)

    def _is_no_chance(self, z: float) -> bool:
        """Whether the allowed rate would hardly make so many: score intervals are too narrow for two bad ones of ten."""
        allowed = self.stable.errors / self.stable.requests + self.increase / 100
        return chance_of(self.candidate.errors, self.candidate.requests, min(allowed, 1.0)) < 1 - NormalDist().cdf(z)

    def suspicious(self) -> bool:
        """Whether it is worse than allowed, though that may be chance."""
        if not self.candidate.requests:
            return False
        allowed = self.most / 100
        if self.stable.requests:
            allowed = min(allowed, self.stable.errors / self.stable.requests + self.increase / 100)
        return self.candidate.errors / self.candidate.requests > allowed


def settled(counts: BundleCounts) -> int:
    """The devices of which it is known whether the bundle starts."""
    return counts.started + counts.failed


def judge_bundle(
    guard: BundleGuard, candidate: BundleCounts, stable: BundleCounts, *, in_step: int, needed: int
) -> Verdict:
    """The verdict on what devices did since the candidate began.

    `in_step`: devices settled since its step began, of which as many as `needed` let it pass.
    """
    measures = (
        _Measure(
            "it did not start on {bad} of {all} devices" + _most_frequent(candidate),
            Traffic(settled(candidate), candidate.failed), Traffic(settled(stable), stable.failed),
            guard.max_failures, guard.max_failures_increase,
        ),
        _Measure(
            "{bad} of {all} sessions met an uncaught error",
            Traffic(candidate.sessions, min(candidate.errors, candidate.sessions)),
            Traffic(stable.sessions, min(stable.errors, stable.sessions)),
            guard.max_crashes, guard.max_crashes_increase,
        ),
    )  # fmt: skip
    fewest = guard.min_devices_to_fail
    if settled(candidate) >= fewest:
        for measure in measures:
            if measure.proven(repeated_z(guard.confidence, max(measure.candidate.requests, fewest), fewest), fewest):
                return Verdict("rollback", measure.told())
    for measure in measures:
        if measure.suspicious():
            likely = measure.proven(_LIKELY, fewest)
            return Verdict("hold", f"{measure.told()}: not conclusive yet", suspects=likely)
    if in_step < needed:
        count = Count("devices", in_step, needed)
        return Verdict("hold", f"{in_step:,} of {needed:,} devices seen", lacking=True, counts=(count,))
    return Verdict("promote", measures[0].told())


def _most_frequent(counts: BundleCounts) -> str:
    reason = max(counts.reasons, key=lambda one: counts.reasons[one], default="")
    return f", mostly {reason[:60]}" if reason and counts.reasons[reason] > 0 else ""
