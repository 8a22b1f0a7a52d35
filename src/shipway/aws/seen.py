"""What a rollout on AWS sees: ECS's deployments and CloudWatch's figures as the observation that core judges."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.aws.deployment import STRATEGIES
from shipway.aws.moving import Moving
from shipway.aws.shifting import Progress
from shipway.aws.target_groups import PERIOD, Group, TargetGroups
from shipway.aws.told import Told
from shipway.core.observations.observation import Observation, Side, Tasks, Traffic, other
from shipway.core.rollouts.machine import State


def observed(
    moving: Moving, progress: Mapping[str, Progress], traffic: Mapping[Side, Traffic], now: float
) -> Observation:
    """One look. A candidate's tasks count once ECS holds them for healthy: from its first hook on.

    Stable's are ECS's to keep until the last hook is left, so they count as full. A deployment that turned back by itself
    (an alarm, the circuit breaker, a hook that timed out) is a crash of the candidate.
    """
    plan, state = moving.rollout.plan, moving.rollout.state
    turned = [f"{service}: ECS rolls back ({each.reason or 'no reason given'})"
              for service, each in progress.items() if each.turned]  # fmt: skip
    proven = state.phase == "shifting"
    ready = min((each.running if proven else _healthy(each) for each in progress.values()), default=0)
    tasks = {state.candidate: Tasks(plan.tasks, ready, turned[0] if turned else None)}
    if state.has_stable:
        tasks[other(state.candidate)] = Tasks(plan.stable_tasks, plan.stable_tasks)
    return Observation(now, tasks, traffic)


def has_arrived(state: State, progress: Mapping[str, Progress]) -> bool:
    """Whether every service stands where the state's weight asks for, at its hook or at its end."""
    return all(each.share * 100 >= state.weight and each.stand in ("waiting", "done") for each in progress.values())


def traffic_of(moving: Moving, told: Mapping[str, Told], groups: TargetGroups, now: float) -> dict[Side, Traffic]:
    """What clients saw of both releases since the rollout began.

    Where ECS replaces tasks within one target group, its requests are the candidate's from the first whole minute in which
    no other task has clients; there is nothing to compare them with.
    """
    state = moving.rollout.state
    two_sides = STRATEGIES[moving.rollout.plan.strategy] != "ROLLING"
    if not two_sides and state.weight == 0:
        return {}
    candidate, stable = [], []
    for service, move in moving.services.items():
        balancer = told[service].load_balancer
        if move.serving is None or balancer is None:
            continue
        its = told[service].target_groups
        if two_sides:
            stable.append(Group(its[move.serving], balancer))
        candidate.append(Group(its[other(move.serving) if two_sides else move.serving], balancer))
    since = state.started if two_sides else state.since + PERIOD
    found = {state.candidate: groups.traffic(candidate, since, now)}
    if stable:
        found[other(state.candidate)] = groups.traffic(stable, since, now)
    return found


def _healthy(progress: Progress) -> int:
    return progress.running if progress.stand in ("waiting", "done") or progress.share > 0 else 0
