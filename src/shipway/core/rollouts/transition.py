"""How a rollout begins and what an environment is after it: records in, records out."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from shipway.core.observations.observation import other
from shipway.core.releases.release import Release
from shipway.core.rollouts.machine import State
from shipway.core.rollouts.plan import Plan, flip_plan, make_plan
from shipway.core.rollouts.records import EnvironmentRecord, RolloutKind, RolloutRecord

ModelWay = Literal["swap", "rollout", "canary"]
"""How a release that differs only in its model is rolled out: in the running tasks; by the environment's policy; or by
the policy and with enough predictions to compare at each step."""

_START_MARGIN = 30.0


def kind_of(
    environment: EnvironmentRecord, stable: Release | None, release: Release, *, back: bool, way: ModelWay
) -> RolloutKind:
    """`swap` where only the model differs and `way` says so, `flip` on the way back, otherwise a rollout.

    Going back to a release that is still warm is a flip even where only the model differs: no task has to load it.
    """
    warm = back and environment.warm is not None and environment.warm.release == release.id
    if way == "swap" and not warm and stable is not None and _only_model_differs(environment.name, stable, release):
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
    way: ModelWay,
) -> RolloutRecord:
    """The record of a rollout that begins now. The candidate takes the side that stable does not have."""
    kind = kind_of(environment, stable, release, back=back, way=way)
    plan = _plan(kind, environment.name, stable, release)
    if plan.quality is not None and way == "canary":
        plan = replace(plan, needs_predictions=True)
    has_stable = stable is not None
    side = other(environment.side) if has_stable and kind != "swap" else environment.side
    state = State(side, has_stable, since=now, started=now)
    return RolloutRecord(
        id, environment.name, release.id, environment.stable, kind, plan, state, by, now, back=back, run=run
    )


def relabelled(environment: EnvironmentRecord, record: RolloutRecord) -> EnvironmentRecord:
    """The environment after a promotion: the candidate is stable; going back takes the newest release away."""
    history = environment.history[:-1] if record.back else (*environment.history, record.release)
    return replace(environment, side=record.state.candidate, history=history, rollout=None, described_by=None)


def _plan(kind: RolloutKind, environment: str, stable: Release | None, release: Release) -> Plan:
    described = release.app.environments[environment]
    start_timeout = max(service.start_timeout for service in release.app.services.values()) + _START_MARGIN
    if kind == "rollout":
        plan = make_plan(described.rollout, described.tasks.min, start_timeout, has_stable=stable is not None)
    else:
        plan = flip_plan(described.rollout, described.tasks.min, start_timeout)
    if stable is None:
        return plan
    plan = replace(plan, stable_tasks=stable.app.environments[environment].tasks.min)
    model, before = set(release.models.values()), set(stable.models.values())
    if kind != "rollout" or release.app.model is None or not model or not before or model == before:
        return plan
    return replace(plan, quality=release.app.model.quality)


def _only_model_differs(environment: str, stable: Release, release: Release) -> bool:
    return stable.models != release.models and release.same_code_in(environment, stable)
