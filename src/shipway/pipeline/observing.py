"""One look at an environment that a rollout moves: tasks and clients, probes where clients are few, predictions."""

from __future__ import annotations

from dataclasses import replace

from shipway.core.observations.observation import Observation, Side, Traffic, count_probes, other
from shipway.core.ports.target import Target
from shipway.core.releases.release import Release
from shipway.core.rollouts.machine import State, since_baseline
from shipway.core.rollouts.plan import Plan
from shipway.core.rollouts.records import RolloutRecord
from shipway.core.verdicts.traffic import MIN_LATENCIES


def observe(target: Target, record: RolloutRecord, release: Release, probes: Traffic) -> Observation:
    """What the rollout's rules want to know now. `probes` are those of the looks before at the same step."""
    plan, state = record.plan, record.state
    wanted: dict[Side, int] = {state.candidate: plan.steps[state.step].tasks}
    if state.has_stable:
        wanted[other(state.candidate)] = plan.stable_tasks
    seen = target.observe(record.environment, wanted)
    probing = state.phase == "probing" or (state.phase == "shifting" and _lacks_requests(plan, state, seen, probes))
    if probing:
        answers = tuple(target.probe(record.environment, state.candidate, release))
        probes = count_probes(probes, answers)
    seen = replace(seen, probes=probes, probed=probing)
    if plan.quality is None or state.weight == 0:
        return seen
    oldest = 0.0 if probing else target.pace.predictions_age
    return replace(
        seen,
        predictions=target.predictions(record.environment, oldest),
        losses=target.losses(record.environment, state.started),
    )


def _lacks_requests(plan: Plan, state: State, seen: Observation, probes: Traffic) -> bool:
    if plan.needs_predictions or not plan.steps[state.step].evidence:
        # Probes can't make up for the predictions of clients, and would be counted among them.
        return False
    clients = since_baseline(seen.traffic_of(state.candidate), state.baseline_candidate)
    in_step = clients.requests - state.step_requests + probes.requests
    # Where nothing waits for its answer, what has no latency is of a kind that never has one: WebSockets, large uploads.
    untimed = not clients.waiting and max(len(clients.latencies), len(probes.latencies)) < MIN_LATENCIES
    return in_step < max(plan.guard.min_requests, MIN_LATENCIES) or untimed
