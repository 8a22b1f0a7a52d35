"""How a rollout begins and what an environment is after it: records in, records out."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.observation import other
from shipway.core.plan import Plan, flip_plan, make_plan
from shipway.core.records import EnvironmentRecord, RolloutKind, RolloutRecord
from shipway.core.release import Release
from shipway.core.rollout import State

_START_MARGIN = 30.0


def kind_of(stable: Release | None, release: Release, *, back: bool) -> RolloutKind:
    """`swap` where only the model differs, `flip` on the way back, otherwise a rollout by the policy."""
    if stable is not None and _only_model_differs(stable, release):
        return "swap"
    return "flip" if back else "rollout"


def begun(
    id: str,
    environment: EnvironmentRecord,
    stable: Release | None,
    release: Release,
    *,
    run: str,
    by: str,
    now: float,
    back: bool,
) -> RolloutRecord:
    """The record of a rollout that begins now. The candidate takes the side that stable does not have."""
    kind = kind_of(stable, release, back=back)
    plan = _plan(kind, environment.name, stable, release)
    has_stable = stable is not None
    side = other(environment.side) if has_stable and kind != "swap" else environment.side
    state = State(side, has_stable, since=now, started=now)
    return RolloutRecord(
        id, environment.name, release.id, environment.stable, kind, plan, state, by, now, back=back, run=run
    )


def relabelled(environment: EnvironmentRecord, record: RolloutRecord) -> EnvironmentRecord:
    """The environment after a promotion: the candidate is stable; going back takes the newest release away."""
    history = environment.history[:-1] if record.back else (*environment.history, record.release)
    return replace(environment, side=record.state.candidate, history=history, rollout=None)


def _plan(kind: RolloutKind, environment: str, stable: Release | None, release: Release) -> Plan:
    described = release.app.environments[environment]
    start_timeout = max(service.start_timeout for service in release.app.services.values()) + _START_MARGIN
    if kind == "rollout":
        plan = make_plan(described.rollout, described.tasks.min, start_timeout, has_stable=stable is not None)
    else:
        plan = flip_plan(described.rollout, described.tasks.min, start_timeout)
    return plan if stable is None else replace(plan, stable_tasks=stable.app.environments[environment].tasks.min)


def _only_model_differs(stable: Release, release: Release) -> bool:
    def without_model(one: Release) -> Release:
        return replace(one, id="", model_version=None, model_digest=None, request_schema=None, created_at=0)

    return stable.model_digest != release.model_digest and without_model(stable) == without_model(release)
