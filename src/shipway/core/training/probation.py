"""A promotion on probation: the record of it, and how it ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shipway.core.description.training import Probation
from shipway.core.errors import Refused
from shipway.core.training.champion import ProbationVerdict
from shipway.core.training.evidence import Evidence

Outcome = Literal["kept", "taken back", "over"]


@dataclass(frozen=True, slots=True)
class OnProbation:
    """A model version in an environment, on probation since `since`; the version `before` it is its shadow.

    `id` is the rollout that brought it. Before `until` it is decided. All times are Unix time. `looked` is the newest look at
    labels, with what it `found`. `run` is the promotion that brings the old version back. `trouble`: why it does
    not get on. Once it has `ended`, `outcome` says how and `reason` why; `over`: another version serves, or a person ended it.
    """

    id: str
    environment: str
    version: str
    before: str
    since: float
    until: float
    looked: float | None = None
    found: Evidence | None = None
    verdict: ProbationVerdict | None = None
    run: str | None = None
    trouble: str = ""
    ended: float | None = None
    outcome: Outcome | None = None
    reason: str = ""


def shown(trials: Iterable[OnProbation], environment: str, serves: str | None) -> OnProbation | None:
    """The one that goes on there, or the newest if that took its model back and what it brought back still serves."""
    there = [trial for trial in trials if trial.environment == environment]
    newest = max(there, key=lambda trial: trial.since, default=None)
    if newest is None or newest.ended is None:
        return newest
    return newest if newest.outcome == "taken back" and serves == newest.before else None


def check_not_needed(version: str, live: Iterable[OnProbation]) -> None:
    """Refuse to put away a version that may have to come back."""
    for trial in live:
        if version == trial.before:
            raise Refused(
                f"model {version} may have to come back in {trial.environment}: {trial.version} is on probation there",
                fix=f"wait until it has ended, or end it: shipway model shadow --off --env {trial.environment}",
                state="nothing changed",
            )


def at_timeout(settings: Probation, verdict: ProbationVerdict | None) -> ProbationVerdict:
    """What happens where labels have been lacking for too long."""
    said = verdict.reason if verdict is not None else "no label was looked at"
    if settings.on_timeout == "promote":
        return ProbationVerdict("keep", f"{said}; nothing speaks against it, and on_timeout says promote")
    return ProbationVerdict("back", f"{said}: nothing proves it good in time, and on_timeout says rollback")


def is_trained(metadata: Mapping[str, Any]) -> bool:
    """Whether a training of ours has made the version."""
    lineage = metadata.get("lineage")
    return isinstance(lineage, Mapping) and isinstance(lineage.get("run"), str)
