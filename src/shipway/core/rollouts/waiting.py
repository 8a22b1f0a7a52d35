"""What a step of a rollout still waits for, until when at most, and what happens then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shipway.core.rollouts.plan import Plan, Step
from shipway.core.verdicts.verdict import Count, Verdict


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a step lacks. `counts` is empty where a clear verdict is missing rather than a count: `reason` says so.

    The step's shortest stay lasts until `holds_from`; from then on nothing else holds it. Times are the observations'.
    """

    reason: str
    counts: tuple[Count, ...]
    holds_from: float
    until: float
    then: Literal["rollback", "promote"]


def holds(step: Step, verdict: Verdict) -> bool:
    """Whether the verdict keeps the step from ending: for lack of evidence where it asks for any, for a suspicion always."""
    return verdict.kind == "hold" and (step.evidence or verdict.suspects)


def waits_for(plan: Plan, step: int, since: float, ready: int, verdict: Verdict) -> Waiting | None:
    """What the step that began at `since` lacks with so many tasks ready; None where only its stay must pass."""
    asked = plan.steps[step]
    holds_from, until = since + asked.stay, plan.held_until(step, since)
    if ready < asked.tasks:
        count = Count("tasks", ready, asked.tasks)
        return Waiting(f"{ready} of {asked.tasks} tasks ready", (count,), holds_from, until, "rollback")
    if holds(asked, verdict):
        return Waiting(verdict.reason, verdict.counts, holds_from, until, plan.guard.on_timeout)
    return None
