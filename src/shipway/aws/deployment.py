"""A rollout's policy → what ECS is asked to do, and what it cannot do, said before anything starts. Pure.

ECS shifts by its own strategies. Its own waits between steps are 0: at each step it stops at a PAUSE hook, and how long it
stays there, on what evidence it goes on and when it goes back is our plan's (docs/decisions/0025).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from shipway.aws.names import PORT, Names
from shipway.aws.told import Told
from shipway.core.description.app import Rollout
from shipway.core.observations.observation import Side
from shipway.core.rollouts.plan import ALL, Plan, Step, flip_plan, make_plan

STRATEGIES: Mapping[str, str] = {
    "all_at_once": "ROLLING", "rolling": "ROLLING", "flip": "ROLLING",
    "blue_green": "BLUE_GREEN", "canary": "CANARY", "linear": "LINEAR",
}  # fmt: skip
"""Our strategies → ECS's. ROLLING replaces tasks within one side; the others start a second side and stop at hooks."""

SMALLEST_CANARY, SMALLEST_LINEAR = 0.1, 3.0
"""Percent that ECS takes, in tenths."""
LONGEST_HOOK = 20_160
"""Minutes that ECS waits at a hook: 14 days."""
FIGURES_COME_LATE = 180.0
"""Seconds by which CloudWatch may be late: no step is given up for lack of figures before they can be there."""
HOOK_STAGES = ("PRE_PRODUCTION_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT")
"""Before each step, and once all clients meet the candidate: there it is baked, with stable's tasks still up."""


def plan_for(policy: Rollout, tasks: int, start_timeout: float, *, has_stable: bool, back: bool = False) -> Plan:
    """The plan that ECS can carry out. Probes of our own cannot reach tasks in private subnets, so it has none."""
    if back:
        return flip_plan(policy, tasks, start_timeout)
    if policy.strategy == "rolling" or not has_stable:
        # ECS replaces tasks at its own pace: there is no share to stay at, only the bake afterwards.
        steps: tuple[Step, ...] = (Step(ALL, tasks, policy.bake, evidence=False),)
    else:
        steps = make_plan(_as_ecs_can(policy), tasks, start_timeout, has_stable=True).steps
    plan = make_plan(policy, tasks, start_timeout, has_stable=has_stable)
    guard = policy.guard.model_copy(update={"hold_timeout": policy.guard.hold_timeout + FIGURES_COME_LATE})
    strategy = policy.strategy if has_stable else "all_at_once"
    return replace(plan, steps=steps, probe=False, strategy=strategy, guard=guard)


def remarks(policy: Rollout, *, has_stable: bool, routed: bool = True) -> Iterator[str]:
    """What ECS does otherwise than the policy asks for, in words."""
    if not has_stable:
        yield "the first release: there is nothing to compare it with, so all clients meet it at once"
        return
    if policy.strategy == "canary" and len(policy.steps) > 1:
        left_out = " and ".join(f"{share:g}" for share in policy.steps[1:])
        yield f"canary {_first(policy):g} → 100 % (ECS has no {left_out}); use linear for more steps"
    if policy.strategy == "canary" and policy.steps[0] != _first(policy):
        yield f"canary begins with {_first(policy):g} %: ECS counts in tenths of a percent"
    if policy.strategy == "linear" and policy.step_percent != _step_percent(policy):
        yield f"linear steps of {_step_percent(policy):g} %: ECS takes tenths from 3 % on"
    if policy.strategy == "rolling" and policy.step_wait:
        yield "rolling: ECS replaces task by task at its own pace, without step_wait"
    if policy.strategy in ("all_at_once", "rolling"):
        yield f"{policy.strategy}: both releases share one target group, so clients of the new one are not told apart"
    if policy.bake < FIGURES_COME_LATE:
        yield f"bake: the load balancer's figures come {FIGURES_COME_LATE / 60:g} minutes late, so a shorter one sees none"
    if policy.keep_warm > policy.bake:
        yield "keep_warm: ECS stops the old tasks when the bake ends; a later rollback starts them anew"
    if routed and policy.strategy in ("canary", "linear"):
        yield "no probes of our own reach private tasks: a step with too few clients waits for hold_timeout"


def hook_minutes(plan: Plan) -> int:
    """How long ECS waits for us: longer than the longest stay may last, so that a driver that died is noticed by it."""
    longest = max(max(step.stay for step in plan.steps) + plan.guard.hold_timeout, plan.start_timeout)
    return min(LONGEST_HOOK, max(1, math.ceil(longest / 60) + 1))


def update_request(
    names: Names,
    environment: str,
    service: str,
    told: Told,
    plan: Plan,
    task_definition: str,
    *,
    serving: Side | None = None,
    desired: int | None = None,
) -> dict[str, Any]:
    """UpdateService that starts the deployment. `serving` is the side whose target group has the clients now.

    `desired` is given where the number of tasks must change; else autoscaling's stays.
    """
    request: dict[str, Any] = {
        "cluster": names.cluster(environment),
        "service": service,
        "taskDefinition": task_definition,
        "deploymentConfiguration": configuration(names, environment, service, told, plan),
    }
    if told.target_groups:
        request["loadBalancers"] = [_load_balancer(names, environment, service, told, plan, serving)]
    if desired is not None:
        request["desiredCount"] = desired
    return request


def back_request(
    names: Names,
    environment: str,
    service: str,
    told: Told,
    task_definition: str,
    *,
    serving: Side | None,
    desired: int,
) -> dict[str, Any]:
    """UpdateService that brings an earlier task definition back at once, whatever the alarms say of it."""
    request: dict[str, Any] = {
        "cluster": names.cluster(environment),
        "service": service,
        "taskDefinition": task_definition,
        "desiredCount": desired,
        "deploymentConfiguration": _rolling(200) | {
            "deploymentCircuitBreaker": {"enable": False, "rollback": False},
            "alarms": {"alarmNames": [], "enable": False, "rollback": False},
        },
    }  # fmt: skip
    if told.target_groups:
        request["loadBalancers"] = [_one_side(service, told, serving)]
    return request


def without_hooks(names: Names, environment: str, service: str, told: Told, plan: Plan) -> dict[str, Any]:
    """UpdateService that takes the hooks away, so that a later change by Terraform does not wait for us."""
    return {
        "cluster": names.cluster(environment),
        "service": service,
        "deploymentConfiguration": configuration(names, environment, service, told, plan) | {"lifecycleHooks": []},
    }


def configuration(names: Names, environment: str, service: str, told: Told, plan: Plan) -> dict[str, Any]:
    """The deploymentConfiguration of one service."""
    strategy = STRATEGIES[plan.strategy]
    alarms = list(names.rollback_alarms(environment, service)) if told.target_groups else []
    common: dict[str, Any] = {"alarms": {"alarmNames": alarms, "enable": bool(alarms), "rollback": bool(alarms)}}
    if strategy == "ROLLING":
        at_most = 100 + math.ceil(100 / plan.tasks) if plan.strategy == "rolling" else 200
        return common | _rolling(at_most) | {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}
    common |= {
        "strategy": strategy,
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        # ECS's breaker is for rolling updates only; here our plan's start_timeout is the bound.
        "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        "bakeTimeInMinutes": 0,
        "lifecycleHooks": [
            {
                "targetType": "PAUSE",
                "lifecycleStages": list(HOOK_STAGES),
                "timeoutConfiguration": {
                    "timeoutInMinutes": hook_minutes(plan),
                    "action": "CONTINUE" if plan.guard.on_timeout == "promote" else "ROLLBACK",
                },
            }
        ],
    }
    first = plan.steps[0].weight / 100
    if strategy == "CANARY":
        common["canaryConfiguration"] = {"canaryPercent": first, "canaryBakeTimeInMinutes": 0}
    if strategy == "LINEAR":
        common["linearConfiguration"] = {"stepPercent": first, "stepBakeTimeInMinutes": 0}
    return common


def _rolling(at_most: int) -> dict[str, Any]:
    return {
        "strategy": "ROLLING",
        "maximumPercent": at_most,
        "minimumHealthyPercent": 100,
        "lifecycleHooks": [],
    }


def _load_balancer(
    names: Names, environment: str, service: str, told: Told, plan: Plan, serving: Side | None
) -> dict[str, Any]:
    if STRATEGIES[plan.strategy] == "ROLLING":
        return _one_side(service, told, serving)
    return _one_side(service, told, "blue") | {
        # ECS itself finds out which of the two has the clients.
        "advancedConfiguration": {
            "alternateTargetGroupArn": told.target_groups["green"],
            "productionListenerRule": told.rule,
            "roleArn": names.role(names.infrastructure_role(environment)),
        }
    }


def _one_side(service: str, told: Told, serving: Side | None) -> dict[str, Any]:
    return {
        "targetGroupArn": told.target_groups[serving or "blue"],
        "containerName": service,
        "containerPort": PORT,
    }


def _as_ecs_can(policy: Rollout) -> Rollout:
    if policy.strategy == "canary":
        return policy.model_copy(update={"steps": (_first(policy),)})
    if policy.strategy == "linear":
        return policy.model_copy(update={"step_percent": _step_percent(policy)})
    return policy


def _first(policy: Rollout) -> float:
    return max(SMALLEST_CANARY, round(policy.steps[0], 1))


def _step_percent(policy: Rollout) -> float:
    return max(SMALLEST_LINEAR, round(policy.step_percent, 1))
