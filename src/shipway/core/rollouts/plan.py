"""From a rollout policy to its steps: what each strategy means."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.core.description.app import Guard, Quality, Rollout

ALL = 10_000
"""Every device: weights are ten-thousandths."""


@dataclass(frozen=True, slots=True)
class Step:
    """One stay at a share of the traffic.

    `tasks` candidate tasks of every service must be ready before `weight` is given; the step lasts at least `stay`
    seconds and, where `evidence` is asked, until enough requests were seen to call the candidate good.
    """

    weight: int
    tasks: int
    stay: float
    evidence: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """A rollout as frozen data: it can be printed, compared and tested.

    `tasks` of each service are for the candidate, `stable_tasks` for stable: a release may change their number.
    `quality` is given where the two sides serve different models; where nothing else differs, a step that asks for
    evidence `needs_predictions` as well.
    """

    strategy: str
    tasks: int
    stable_tasks: int
    steps: tuple[Step, ...]
    guard: Guard
    probe: bool
    keep_warm: float
    start_timeout: float
    quality: Quality | None = None
    needs_predictions: bool = False

    def shares(self) -> str:
        """The weights as people read them: `5 → 25 → 100 %`."""
        return " → ".join(f"{step.weight / 100:g}" for step in self.steps) + " %"

    def held_until(self, step: int, since: float) -> float:
        """The time at which a step that began at `since`, and still lacks something, is given up."""
        return since + self.steps[step].stay + self.guard.hold_timeout


def make_plan(policy: Rollout, tasks: int, start_timeout: float, *, has_stable: bool) -> Plan:
    """The plan for `tasks` tasks of each service. Without stable there is no traffic to shift: one step."""
    last = Step(ALL, tasks, policy.bake, evidence=False)
    steps: tuple[Step, ...] = (last,)
    if has_stable:
        steps = (*_steps_before_last(policy, tasks), last)
    return Plan(
        strategy=policy.strategy,
        tasks=tasks,
        stable_tasks=tasks,
        steps=steps,
        guard=policy.guard,
        probe=policy.strategy != "all_at_once",
        keep_warm=policy.keep_warm,
        start_timeout=start_timeout,
    )


def flip_plan(policy: Rollout, tasks: int, start_timeout: float) -> Plan:
    """A rollback on request: everything at once, to a release that has proved itself."""
    step = Step(ALL, tasks, 0.0, evidence=False)
    return Plan(
        "flip", tasks, tasks, (step,), policy.guard,
        probe=False, keep_warm=policy.keep_warm, start_timeout=start_timeout,
    )  # fmt: skip


def _steps_before_last(policy: Rollout, tasks: int) -> tuple[Step, ...]:
    match policy.strategy:
        case "all_at_once" | "blue_green":
            return ()
        case "rolling":
            return tuple(
                Step(ALL * ready // tasks, ready, policy.step_wait, evidence=False) for ready in range(1, tasks)
            )
        case "canary":
            return tuple(Step(round(p * 100), tasks, policy.step_wait, evidence=True) for p in policy.steps)
        case "linear":
            count = int(100 / policy.step_percent - 1e-9)
            return tuple(
                Step(round(policy.step_percent * 100 * (n + 1)), tasks, policy.step_wait, evidence=True)
                for n in range(count)
            )
