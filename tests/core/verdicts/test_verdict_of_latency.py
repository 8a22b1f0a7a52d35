"""Slow and hanging candidates: found or held, never passed; equal ones pass as soon as they did before."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.description.app import Guard, Rollout
from shipway.core.observations.observation import Traffic
from shipway.core.rollouts.plan import Plan, make_plan
from shipway.core.verdicts.traffic import MIN_LATENCIES, judge
from tests.core.clients import Draw, exponential, hangs, log_normal, pareto, roll_out, sometimes, steady

GUARD = Guard()
QUICK = Rollout(strategy="canary", steps=(50,), step_wait=1, bake=1)
SIMILAR = [
    steady(0.02),
    exponential(0.02),
    log_normal(0.02, 1),
    log_normal(0.05, 1.5),
    pareto(0.02, 1.5),
    pareto(0.05, 1.1),
    sometimes(0.03, steady(1), steady(0.01)),
    sometimes(0.05, steady(1), steady(0.01)),
    sometimes(0.08, steady(1), steady(0.01)),
]


def plan_of(policy: Rollout) -> Plan:
    return make_plan(policy, 3, 60, has_stable=True)


def traffic(latencies: list[float], *waiting: float) -> Traffic:
    return Traffic(len(latencies) + len(waiting), 0, tuple(latencies), "e", "", waiting)


def verdict(candidate: Traffic, stable: Traffic | None, guard: Guard = GUARD) -> str:
    return judge(guard, candidate, stable, seen_in_step=candidate.requests).kind


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("policy", [QUICK, Rollout(strategy="linear", step_percent=25, step_wait=1, bake=1)])
def test_a_candidate_of_twenty_times_the_latency_is_taken_back(policy: Rollout, seed: int) -> None:
    """At 120 requests a second and steps of a second, before stable's percentile has an upper bound."""
    state = roll_out(plan_of(policy), 120, steady(0.02), steady(0.4), seed)
    assert "rolled_back" == state.phase
    assert "95th percentile" in state.reason
    assert state.since < 15


@pytest.mark.parametrize("rate", [20, 100])
@pytest.mark.parametrize(
    ("stable", "candidate"),
    [
        (exponential(0.02), exponential(0.4)),
        (log_normal(0.01, 1), log_normal(0.2, 1)),
        (steady(0.02), sometimes(0.3, steady(0.5), steady(0.02))),
        (steady(0.02), sometimes(0.3, steady(4), steady(0.02))),
        (steady(0.02), steady(3)),
    ],
)
def test_a_slower_candidate_does_not_pass(stable: Draw, candidate: Draw, rate: float) -> None:
    """Whatever the rate, and also where the slow answers take longer than the whole rollout would."""
    ends = [roll_out(plan_of(QUICK), rate, stable, candidate, seed) for seed in range(4)]
    assert ["rolled_back"] * 4 == [state.phase for state in ends]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("policy", [QUICK, Rollout(strategy="blue_green", bake=8)])
def test_a_candidate_that_hangs_half_of_its_requests_is_taken_back_soon(policy: Rollout, seed: int) -> None:
    """Soon after the first of them has waited for the longest allowed latency, not after the hold's timeout."""
    half = sometimes(0.5, hangs, steady(0.02))
    state = roll_out(plan_of(policy), 60, steady(0.02), half, seed)
    assert "rolled_back" == state.phase
    assert "no answer within 5000 ms" in state.reason
    assert state.since < 1 + GUARD.max_latency + 2


@pytest.mark.parametrize("rate", [20, 100])
@pytest.mark.parametrize("draw", SIMILAR)
def test_a_candidate_like_stable_passes_in_nearly_all_cases_as_soon_as_before(draw: Draw, rate: float) -> None:
    """Nineteen of twenty rollouts at least are promoted, half of them within a second of the shortest time there is."""
    policy = Rollout(strategy="canary", steps=(50,), step_wait=5, bake=1)
    ends = [roll_out(plan_of(policy), rate, draw, draw, f"{rate} {seed}") for seed in range(20)]
    promoted = [state.since for state in ends if state.phase == "promoted"]
    assert len(promoted) >= 19
    assert median(promoted) < 6.2 + 1


@given(
    st.lists(st.floats(0.001, 4), min_size=MIN_LATENCIES, max_size=300),
    st.lists(st.floats(0.001, 4), min_size=1, max_size=300),
    st.floats(3.5, 50),
)
def test_a_much_slower_candidate_is_never_promoted(ours: list[float], theirs: list[float], factor: float) -> None:
    """However few the samples: one whose every answer is beyond what stable's slowest allows holds at least."""
    slowest = max(theirs)
    slow = [slowest * factor + GUARD.latency_tolerance + seconds for seconds in ours]
    assert "promote" != verdict(traffic(slow), traffic(theirs))


@given(
    st.lists(st.floats(0.001, 20), min_size=MIN_LATENCIES, max_size=300),
    st.lists(st.floats(1, 60), max_size=40),
)
def test_a_percentile_beyond_the_floor_is_never_promoted(answered: list[float], waiting: list[float]) -> None:
    """More than one answer in twenty beyond the longest allowed latency is not passed, stable or not."""
    beyond = sum(seconds > GUARD.max_latency for seconds in (*answered, *waiting))
    if beyond > 0.05 * (len(answered) + len(waiting)) + 1:
        assert "promote" != verdict(traffic(answered, *waiting), None)


@given(st.lists(st.floats(1, 60), max_size=40), st.lists(st.floats(1, 60), max_size=20))
def test_more_hanging_requests_never_help(waiting: list[float], more: list[float]) -> None:
    """A candidate that is rolled back would be rolled back with more requests hanging, too."""
    fewer, all = (traffic([0.02] * 100, *seconds) for seconds in (waiting, waiting + [60.0] * len(more)))
    if "rollback" == verdict(fewer, traffic([0.02] * 400)):
        assert "rollback" == verdict(all, traffic([0.02] * 400))


def test_one_slow_answer_of_a_few_does_not_hold_the_last_step() -> None:
    """A first request that meets a cold cache is no suspicion."""
    assert not judge(GUARD, traffic([6.0, *[0.02] * 10]), None, seen_in_step=11).suspects


def test_a_suspicion_of_failures_holds_the_last_step() -> None:
    """Ten of sixty is worse than allowed, if not yet surely: more requests decide before anything is promoted."""
    found = judge(Guard(confidence=0.9999), Traffic(60, 6, (0.02,) * 54, "e"), None, seen_in_step=60)
    assert ("hold", True) == (found.kind, found.suspects)
