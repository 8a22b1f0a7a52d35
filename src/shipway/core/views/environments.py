"""What people see of environments: what serves there, and what is under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shipway.core.daemon.disk import Usage
from shipway.core.daemon.loops import Loop
from shipway.core.experiments.report import ExperimentReport
from shipway.core.observations.observation import Side
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import RolloutKind, RolloutRecord, Warm
from shipway.core.rollouts.waiting import Waiting
from shipway.core.training.probation import OnProbation
from shipway.core.views.bundles import OfferingView


@dataclass(frozen=True, slots=True)
class ClientsView:
    """What the clients of an environment saw in the last `seconds`; `failing` as in each service.

    `p95` in seconds, None where too few requests were timed; `worst` is the most frequent failure.
    """

    seconds: float
    requests: int
    errors: int
    failing: bool
    p95: float | None
    worst: str


@dataclass(frozen=True, slots=True)
class ServiceView:
    """A service of an environment: its artifact in short, its tasks, and what clients saw of it in the last `seconds`.

    `state_note` says why a task is not ready; `failing` is worse than the environment's guard allows.
    """

    name: str
    artifact: str
    ready: int
    wanted: int
    restarts: int
    state_note: str
    seconds: float
    requests: int
    errors: int
    failing: bool


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A rollout as it is now: `step` of `steps`, `weight` in ten-thousandths, times in Unix time."""

    id: str
    environment: str
    release: str
    previous: str | None
    kind: RolloutKind
    strategy: str
    phase: str
    step: int
    steps: int
    shares: str
    weight: int
    paused: bool
    reason: str
    verdict: str
    waiting: Waiting | None
    run: str | None
    since: float
    started: float
    ended: float | None


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """An environment: what serves there with which tasks, and what is under way. `approval` are the roles that may.

    `probation` is that of its model, or the one that ended by taking the model back.
    """

    name: str
    branch: str
    url: str
    approval: tuple[str, ...] | None
    https_url: str | None
    side: Side
    release: str | None
    previous: str | None
    commit: str | None
    subject: str | None
    model_version: str | None
    services: tuple[ServiceView, ...]
    candidate_services: tuple[ServiceView, ...]
    clients: ClientsView | None
    warm: Warm | None
    rollout: RolloutView | None
    experiment: ExperimentReport | None
    app: OfferingView | None = None
    probation: OnProbation | None = None


@dataclass(frozen=True, slots=True)
class StatusView:
    """What serves where, and the newest runs. `routing` says whether what takes the clients' requests is up."""

    app: str
    routing: bool
    environments: tuple[EnvironmentView, ...]
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class DaemonView:
    """A daemon on its machine: the app's folder, since when it runs (Unix time), its loops, and what it holds on disk.

    `committed` says whether the roles and approvals in force ever stood in a commit; `held_back` are those of the
    working copy that wait for one.
    """

    root: str
    started: float
    committed: bool
    held_back: Mapping[str, str]
    loops: tuple[Loop, ...]
    disk: Usage | None


def rollout_view(record: RolloutRecord) -> RolloutView:
    """A rollout as people see it."""
    state = record.state
    return RolloutView(
        id=record.id,
        environment=record.environment,
        release=record.release,
        previous=record.previous,
        kind=record.kind,
        strategy=record.plan.strategy,
        phase=state.phase,
        step=state.step + 1,
        steps=len(record.plan.steps),
        shares=record.plan.shares(),
        weight=state.weight,
        paused=state.paused,
        reason=state.reason,
        verdict=state.verdict,
        waiting=state.waiting if state.phase == "shifting" else None,
        run=record.run,
        since=state.since,
        started=record.started,
        ended=record.ended,
    )
