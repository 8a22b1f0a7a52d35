"""The rollout machine: (plan, state, observation, command) → state. Pure; docs/decisions/0004 tells its thirteen rules.

Level-triggered: `desired` says what the world should look like in a state, so a control plane that died between
saving a state and acting on it only has to act again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from shipway.core.observations.losses import Losses
from shipway.core.observations.observation import Observation, Side, Traffic, other
from shipway.core.observations.predictions import TaskPredictions, predicted_since
from shipway.core.rollouts.plan import ALL, Plan, Step
from shipway.core.rollouts.waiting import Waiting, holds, waits_for
from shipway.core.verdicts.model_quality import judge_losses, judge_predictions
from shipway.core.verdicts.traffic import judge
from shipway.core.verdicts.verdict import Verdict

Phase = Literal["starting", "probing", "shifting", "rolling_back", "promoted", "rolled_back"]
Command = Literal["pause", "resume", "promote", "abort"]
TERMINAL: frozenset[Phase] = frozenset({"promoted", "rolled_back"})
MIN_PROBES = 6
"""How many of the app's own probes a candidate must answer well before its first client."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a rollout stands. `since` is when the phase or step began, on the observations' clock.

    `waiting` is what the step lacked at the last look; it means something only in the phase "shifting".
    """

    candidate: Side
    has_stable: bool
    phase: Phase = "starting"
    step: int = 0
    weight: int = 0
    since: float = 0.0
    started: float = 0.0
    paused: bool = False
    reason: str = ""
    baseline_candidate: Traffic | None = None
    baseline_stable: Traffic | None = None
    step_requests: int = 0
    verdict: str = ""
    baseline_predictions: tuple[TaskPredictions, ...] | None = None
    waiting: Waiting | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.phase in TERMINAL


@dataclass(frozen=True, slots=True)
class Desired:
    """What the environment should look like: the candidate's weight and the tasks of both sides.

    None leaves a side's tasks as they are.
    """

    weight: int
    candidate_tasks: int | None
    stable_tasks: int | None


def desired(plan: Plan, state: State) -> Desired:
    """The world that the state asks for. Stable keeps its full capacity throughout."""
    stable = plan.stable_tasks if state.has_stable else None
    match state.phase:
        case "starting" | "probing" | "shifting":
            return Desired(state.weight, plan.steps[state.step].tasks, stable)
        case "promoted":
            return Desired(ALL, plan.tasks, None)
        case "rolling_back" | "rolled_back":
            return Desired(state.weight, None, stable)


def decide(plan: Plan, state: State, seen: Observation, command: Command | None = None) -> State:
    """The next state. Abort always wins; a bad candidate is rolled back even while paused."""
    if state.ended:
        return state
    if command == "abort" and state.phase != "rolling_back":
        return _roll_back(state, seen, "aborted")
    match state.phase:
        case "rolling_back":
            return _finish_rollback(state, seen)
        case "starting":
            return _while_starting(plan, _paused(state, command, seen), seen)
        case "probing":
            return _while_probing(plan, _paused(state, command, seen), seen)
        case _:
            return _while_shifting(plan, state, seen, command)


def resumed(state: State, now: float) -> State:
    """The state after the control plane was down: what clients met meanwhile, and whose fault it was, is unknown.

    Evidence and the time of the phase or step start afresh once the tasks of both sides are ready again.
    """
    return replace(
        state,
        phase="starting" if state.phase == "probing" else state.phase,
        since=now,
        baseline_candidate=None,
        baseline_stable=None,
        step_requests=0,
        baseline_predictions=None,
        verdict="",
        waiting=None,
    )


def moved(state: State, seconds: float) -> State:
    """The state after the clock was set by so many seconds: the time passed in the phase or step stays the same.

    `started` only moves back, so labels since the rollout's start are never read from too late a time.
    """
    return replace(state, since=state.since + seconds, started=state.started + min(0.0, seconds))


def may_retire(seen: Observation, side: Side, weight_of_side: int, *, has_other: bool) -> bool:
    """Whether a side may go: it carries nothing, and the other side can carry everything."""
    return not has_other or (weight_of_side == 0 and seen.tasks_of(other(side)).full)


def _while_starting(plan: Plan, state: State, seen: Observation) -> State:
    tasks = seen.tasks_of(state.candidate)
    if tasks.crash is not None:
        return _roll_back(state, seen, tasks.crash)
    if state.weight > 0 and state.baseline_candidate is not None:
        # It has clients already, while more of its tasks start.
        verdict, _ = assess(plan, state, seen)
        if verdict.kind == "rollback":
            return _roll_back(state, seen, verdict.reason)
    if tasks.ready >= plan.steps[state.step].tasks:
        if state.paused:
            return state
        if plan.probe and state.step == 0:
            return replace(state, phase="probing", since=seen.now)
        return _enter_step(plan, state, seen)
    if seen.now - state.since > plan.start_timeout:
        return _roll_back(state, seen, f"{tasks.ready} of {plan.steps[state.step].tasks} tasks ready in time")
    return state


def _while_probing(plan: Plan, state: State, seen: Observation) -> State:
    crash = _lost(plan.steps[state.step], state, seen)
    if crash is not None:
        return _roll_back(state, seen, crash)
    verdict = judge(plan.guard, seen.probes, None, seen_in_step=seen.probes.requests)
    if verdict.kind == "rollback":
        return _roll_back(state, seen, f"before any client: {verdict.reason}")
    good = verdict.lacking or verdict.kind == "promote"
    if good and seen.probes.requests >= MIN_PROBES and not state.paused:
        return _enter_step(plan, state, seen)
    if seen.now - state.since > plan.guard.hold_timeout and not state.paused:
        return _roll_back(state, seen, f"its own probes: {seen.probes.errors} of {seen.probes.requests} failed")
    return state


def _while_shifting(plan: Plan, state: State, seen: Observation, command: Command | None) -> State:
    step = plan.steps[state.step]
    if state.baseline_candidate is None:
        return _before_evidence(plan, _paused(state, command, seen), seen, command)
    state = _on_this_router(state, seen)
    crash = _lost(step, state, seen)
    if crash is not None:
        return _roll_back(state, seen, crash)
    state = _with_predictions(state, seen)
    verdict, seen_in_step = assess(plan, state, seen)
    if verdict.kind == "rollback":
        return _roll_back(state, seen, verdict.reason)
    if command == "promote" and seen.tasks_of(state.candidate).ready >= plan.tasks:
        return _promoted(replace(state, weight=ALL, reason="promoted by hand"), seen)
    state = replace(_paused(state, command, seen), verdict=verdict.reason)
    stayed, ready = seen.now - state.since, seen.tasks_of(state.candidate).ready
    state = replace(state, waiting=None if state.paused else waits_for(plan, state.step, state.since, ready, verdict))
    if state.paused or stayed < step.stay or ready < step.tasks:
        return _roll_back_if_late(plan, state, seen, verdict)
    if holds(step, verdict):
        return _roll_back_if_late(plan, state, seen, verdict)
    if state.step + 1 == len(plan.steps):
        return _promoted(replace(state, reason=f"{seen_in_step:,} requests in the last step"), seen)
    following = replace(state, step=state.step + 1, since=seen.now)
    if ready < plan.steps[following.step].tasks:
        return replace(following, phase="starting")
    return _enter_step(plan, following, seen)


def assess(plan: Plan, state: State, seen: Observation) -> tuple[Verdict, int]:
    """The verdict now, and the candidate's requests in this step, probes included where they counted.

    Clients' requests are judged by themselves, so that good probes never outvote them. Where only their number is
    too small, the probes, judged by themselves as well, make up for it.
    """
    verdict, in_step = _assess_traffic(plan, state, seen)
    model = assess_model(plan, state, seen)
    if model is None or verdict.kind == "rollback":
        return verdict, in_step
    if model.kind == "rollback" or (model.kind == "hold" and plan.needs_predictions and verdict.kind == "promote"):
        return model, in_step
    if plan.needs_predictions and verdict.lacking and model.lacking:
        return replace(verdict, counts=verdict.counts + model.counts), in_step
    return verdict, in_step


def assess_model(plan: Plan, state: State, seen: Observation) -> Verdict | None:
    """The verdict on the candidate's model alone; None where it is stable's model, or no task of stable is ready."""
    stable = other(state.candidate)
    if plan.quality is None or not state.has_stable or seen.tasks_of(stable).ready == 0:
        return None
    baseline = state.baseline_predictions
    if baseline is None or not seen.predictions:
        return Verdict("hold", "not every task with a model tells its predictions (GET /variants)", lacking=True)
    candidate, compared = (
        predicted_since(seen.predictions.get(side, ()), baseline) for side in (state.candidate, stable)
    )
    verdict = judge_predictions(plan.quality, candidate, compared)
    # Labels come late and rarely: they can fail the candidate, but are never waited for.
    losses = (seen.losses.get(side, Losses()) for side in (state.candidate, stable))
    by_labels = judge_losses(plan.quality, plan.guard.confidence, *losses)
    return by_labels if by_labels.kind == "rollback" else verdict


def _assess_traffic(plan: Plan, state: State, seen: Observation) -> tuple[Verdict, int]:
    clients = since_baseline(seen.traffic_of(state.candidate), state.baseline_candidate)
    in_step = max(0, clients.requests - state.step_requests)
    stable: Traffic | None = None
    if state.has_stable and seen.tasks_of(other(state.candidate)).ready > 0:
        stable = since_baseline(seen.traffic_of(other(state.candidate)), state.baseline_stable)
    verdict = judge(plan.guard, clients, stable, seen_in_step=in_step)
    if not verdict.lacking or seen.probes.requests == 0:
        return verdict, in_step
    together = in_step + seen.probes.requests
    verdict = judge(plan.guard, seen.probes, None, seen_in_step=together)
    return replace(verdict, counts=tuple(replace(count, probes=True) for count in verdict.counts)), together


def since_baseline(now: Traffic, baseline: Traffic | None) -> Traffic:
    """The traffic since the baseline; all of it, when the router restarted in between."""
    if baseline is None or baseline.epoch != now.epoch or now.requests < baseline.requests:
        return now
    return replace(now, requests=now.requests - baseline.requests, errors=max(0, now.errors - baseline.errors))


def _enter_step(plan: Plan, state: State, seen: Observation) -> State:
    first = state.baseline_candidate is None
    candidate = seen.traffic_of(state.candidate)
    stable = seen.traffic_of(other(state.candidate))
    baseline = _counters(candidate) if first else state.baseline_candidate
    return replace(
        state,
        phase="shifting",
        weight=max(state.weight, plan.steps[state.step].weight),
        since=seen.now,
        baseline_candidate=baseline,
        baseline_stable=_counters(stable) if first else state.baseline_stable,
        step_requests=since_baseline(candidate, baseline).requests,
        verdict="",
        waiting=None,
    )


def _with_predictions(state: State, seen: Observation) -> State:
    """Predictions count from the first look at which the candidate has clients; those made for probes never do."""
    if not seen.predictions or not (seen.probed or state.baseline_predictions is None):
        return state
    return replace(state, baseline_predictions=tuple(task for side in seen.predictions.values() for task in side))


def _counters(traffic: Traffic) -> Traffic:
    return replace(traffic, latencies=(), worst="", waiting=())


def _paused(state: State, command: Command | None, seen: Observation) -> State:
    if command == "pause" and not state.paused:
        return replace(state, paused=True)
    if command == "resume" and state.paused:
        return replace(state, paused=False, since=seen.now)
    return state


def _before_evidence(plan: Plan, state: State, seen: Observation, command: Command | None) -> State:
    """After a restart, wait for the tasks of both sides. Until then, failed requests are the restart's fault."""
    tasks, needed = seen.tasks_of(state.candidate), plan.steps[state.step].tasks
    if tasks.crash is not None:
        return _roll_back(state, seen, tasks.crash)
    if command == "promote" and tasks.ready >= plan.tasks:
        return _promoted(replace(state, weight=ALL, reason="promoted by hand"), seen)
    late = seen.now - state.since > plan.start_timeout
    whole = tasks.ready >= needed and (not state.has_stable or seen.tasks_of(other(state.candidate)).full)
    if late and tasks.ready < needed:
        return _roll_back(state, seen, f"{tasks.ready} of {needed} tasks ready in time after a restart")
    return _enter_step(plan, state, seen) if whole or late else state


def _on_this_router(state: State, seen: Observation) -> State:
    """A restarted router counts from zero, and so do the requests of the step."""
    now, baseline = seen.traffic_of(state.candidate), state.baseline_candidate
    if baseline is None or not now.epoch or now.epoch == baseline.epoch:
        return state
    fresh = Traffic(epoch=now.epoch)
    return replace(state, baseline_candidate=fresh, baseline_stable=fresh, step_requests=0)


def _lost(step: Step, state: State, seen: Observation) -> str | None:
    tasks = seen.tasks_of(state.candidate)
    if tasks.crash is not None:
        return tasks.crash
    # Where stable's tasks are gone as well, it was the machine; the supervisor brings both back.
    alone = not state.has_stable or seen.tasks_of(other(state.candidate)).ready > 0
    return f"none of {step.tasks} tasks is ready any more" if tasks.ready == 0 and alone else None


def _roll_back_if_late(plan: Plan, state: State, seen: Observation, verdict: Verdict) -> State:
    step = plan.steps[state.step]
    if state.paused or seen.now <= plan.held_until(state.step, state.since):
        return state
    if plan.guard.on_timeout == "promote" and seen.tasks_of(state.candidate).ready >= step.tasks:
        if state.step + 1 == len(plan.steps):
            return _promoted(state, seen)
        return replace(state, phase="starting", step=state.step + 1, since=seen.now)
    return _roll_back(state, seen, f"no verdict after {seen.now - state.since:.0f} s: {verdict.reason}")


def _promoted(state: State, seen: Observation) -> State:
    # Point of no return: from here on the candidate is stable, and going back is a rollout of its own.
    return replace(state, phase="promoted", weight=ALL, since=seen.now, paused=False)


def _roll_back(state: State, seen: Observation, reason: str) -> State:
    return _finish_rollback(replace(state, phase="rolling_back", since=seen.now, reason=reason, paused=False), seen)


RESTORE_TIMEOUT = 120.0


def _finish_rollback(state: State, seen: Observation) -> State:
    """All traffic to stable at once unless the candidate has more ready tasks; end when it has full capacity again."""
    if not state.has_stable:
        return replace(state, phase="rolled_back", since=seen.now)
    stable, candidate = seen.tasks_of(other(state.candidate)), seen.tasks_of(state.candidate)
    if stable.full or stable.ready >= candidate.ready:
        state = replace(state, weight=0)
    if stable.full:
        return replace(state, phase="rolled_back", since=seen.now)
    if seen.now - state.since > RESTORE_TIMEOUT:
        note = f"{state.reason}; stable has {stable.ready} of {stable.wanted} tasks"
        weight = 0 if stable.ready else state.weight
        return replace(state, phase="rolled_back", weight=weight, since=seen.now, reason=note)
    return state
