"""Rollouts played look by look: plans, what is seen of both sides, and where that leads."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.contract.distribution import Distribution
from shipway.core.description.app import Quality, Rollout
from shipway.core.observations.observation import Observation, Side, Tasks, Traffic
from shipway.core.observations.predictions import TaskPredictions
from shipway.core.rollouts.machine import State, decide
from shipway.core.rollouts.plan import Plan, make_plan

FAST = tuple([0.005] * 50)
STRATEGIES = {
    "all_at_once": Rollout(strategy="all_at_once"),
    "rolling": Rollout(strategy="rolling", step_wait=1),
    "blue_green": Rollout(strategy="blue_green"),
    "canary": Rollout(strategy="canary", steps=(5, 25, 50)),
    "linear": Rollout(strategy="linear", step_percent=30),
}


def plan_of(strategy: str, tasks: int = 3) -> Plan:
    return make_plan(STRATEGIES[strategy], tasks, 60, has_stable=True)


def look(
    now: float,
    ready: int = 3,
    stable: int = 3,
    *,
    requests: int = 0,
    errors: int = 0,
    crash: str | None = None,
    probes: int = 0,
    bad_probes: int = 0,
) -> Observation:
    """Green is the candidate, blue is stable with clients enough."""
    return Observation(
        now,
        {"green": Tasks(3, ready, crash), "blue": Tasks(3, stable)},
        {"green": Traffic(requests, errors, FAST, "e"), "blue": Traffic(10_000 + 10 * requests, 0, FAST, "e")},
        Traffic(probes, bad_probes, (0.005,) * min(probes, 100)),
    )


def play(plan: Plan, *looks: Observation, state: State | None = None) -> State:
    state = state or State("green", has_stable=True)
    for seen in looks:
        state = decide(plan, state, seen)
    return state


def to_shifting(plan: Plan) -> State:
    return play(plan, look(0), look(1, probes=6))


def predicted(count: int, mean: float, *, task: str, epoch: str = "e") -> tuple[TaskPredictions, ...]:
    """So many predictions of one task, all alike."""
    return (TaskPredictions(task, epoch, Distribution(count, count * mean, ((mean - 0.01, mean, count),))),)


def of_models(
    now: float, candidate: tuple[int, float], stable: tuple[int, float], *, requests: int = 100, probed: bool = False
) -> Observation:
    """Both sides with their predictions so far: how many, and where they lie."""
    predictions: dict[Side, tuple[TaskPredictions, ...]] = {
        "green": predicted(*candidate, task="green"),
        "blue": predicted(*stable, task="blue"),
    }
    return replace(look(now, requests=requests), predictions=predictions, probed=probed)


def plan_of_models(*, needed: bool) -> Plan:
    return replace(plan_of("canary"), quality=Quality(), needs_predictions=needed)
