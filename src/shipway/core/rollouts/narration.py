"""A rollout's story, one line for each thing that happened. Pure: states in, a line out."""

from __future__ import annotations

from dataclasses import dataclass

from shipway.core.events import EventKind
from shipway.core.observations.observation import Observation, other
from shipway.core.rollouts.machine import State, assess, assess_model, since_baseline
from shipway.core.rollouts.plan import Plan


@dataclass(frozen=True, slots=True)
class Line:
    """What to say, and how long it took."""

    kind: EventKind
    text: str
    seconds: float | None = None


def narrate(plan: Plan, before: State, after: State, seen: Observation) -> Line | None:
    """The line that belongs to this change of state; None where there is nothing to tell."""
    took = seen.now - before.since
    if after.paused != before.paused:
        return Line("note", "paused; still watched" if after.paused else "resumed")
    match (before.phase, after.phase):
        case ("starting", "probing") | ("starting", "shifting") if before.step == 0:
            return Line("done", f"started {after.candidate} {_count(plan, before, seen)}, healthy", took)
        case ("probing", "shifting"):
            probes = seen.probes
            text = f"{probes.requests - probes.errors} of {probes.requests} probes answered well; "
            return Line("done", f"{text}{after.candidate} takes {after.weight / 100:g} %", took)
        case ("shifting", "shifting") | ("shifting", "starting") | ("starting", "shifting") | ("shifting", "promoted"):
            if before.step == after.step and after.phase != "promoted":
                return None
            return Line("done", f"{before.weight / 100:g} %: {_clients(plan, before, seen)}", took)
        case (_, "rolling_back") | (_, "rolled_back") if before.phase != "rolling_back":
            ended = "rolled back" if after.has_stable else "not released,"
            text = f"{ended} after {seen.now - before.started:.1f} s: {after.candidate} {after.reason.splitlines()[0]}"
            return Line("fail", text, took)
        case ("rolling_back", "rolled_back"):
            return Line("done", f"all traffic on {other(after.candidate)} again", took)
    return None


def _count(plan: Plan, state: State, seen: Observation) -> str:
    return f"{seen.tasks_of(state.candidate).ready}/{plan.steps[state.step].tasks}"


def _clients(plan: Plan, state: State, seen: Observation) -> str:
    verdict, _ = assess(plan, state, seen)
    traffic = since_baseline(seen.traffic_of(state.candidate), state.baseline_candidate)
    if traffic.requests == 0:
        return f"no client yet, own probes: {verdict.reason}" if seen.probes.requests else "no client yet"
    stable = since_baseline(seen.traffic_of(other(state.candidate)), state.baseline_stable)
    failed = f"{traffic.errors:,} of {traffic.requests:,} requests failed"
    text = f"{failed} (stable: {stable.errors:,} of {stable.requests:,})"
    model = assess_model(plan, state, seen)
    return text if model is None or model.kind == "hold" else f"{text}; {model.reason}"
