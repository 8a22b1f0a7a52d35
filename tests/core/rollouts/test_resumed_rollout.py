"""A rollout that goes on after everything was stopped, and what may be held against its candidate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipway.core.observations.observation import Observation, Traffic
from shipway.core.rollouts.machine import State, decide, resumed
from tests.core.looks import FAST, look, plan_of, play, to_shifting

PLAN = plan_of("canary")


def seen(now: float, ready: int = 3, stable: int = 3, *, requests: int = 0, errors: int = 0) -> Observation:
    """A router that started anew: what it counted so far are its own refusals."""
    traffic = Traffic(requests, errors, FAST, "another")
    return replace(look(now, ready, stable), traffic={"green": traffic, "blue": traffic})


def test_what_clients_met_while_it_was_away_is_not_held_against_the_candidate() -> None:
    """503s from before both sides were back count for neither of them; the step begins again, with the same weight."""
    before = decide(PLAN, to_shifting(PLAN), look(2, requests=30))
    state = resumed(before, 100.0)
    for look_at in (
        seen(100, ready=0, stable=0, requests=500, errors=500),
        seen(101, stable=0, requests=900, errors=900),
    ):
        state = decide(PLAN, state, look_at)
    assert ("shifting", before.step, before.weight, None) == (
        state.phase,
        state.step,
        state.weight,
        state.baseline_candidate,
    )
    state = decide(PLAN, state, seen(102, requests=1000, errors=1000))
    assert (102, 1000) == (state.since, state.baseline_candidate and state.baseline_candidate.errors)
    state = play(PLAN, seen(103, requests=1200, errors=1000), state=state)
    assert "shifting" == state.phase


def test_a_bad_candidate_is_still_found() -> None:
    """What fails after both sides are back is evidence."""
    state = play(PLAN, seen(100, requests=10), state=resumed(to_shifting(PLAN), 100.0))
    assert "rolling_back" in decide(PLAN, state, seen(101, stable=2, requests=400, errors=200)).phase


@pytest.mark.parametrize(
    ("phase", "goes_on_as"), [("starting", "starting"), ("probing", "starting"), ("shifting", "shifting")]
)
def test_time_while_it_was_away_is_not_counted(phase: str, goes_on_as: str) -> None:
    """No timeout is over because the control plane was away for an hour, and tasks get the time to come back."""
    state = replace(to_shifting(PLAN), phase=phase)
    after = decide(PLAN, resumed(state, 3600.0), seen(3600.0, ready=0))
    assert goes_on_as == after.phase


def test_a_candidate_that_does_not_come_back_is_rolled_back() -> None:
    """After its start timeout, with a reason that says so."""
    state = resumed(to_shifting(PLAN), 100.0)
    late = 100.0 + PLAN.start_timeout + 1
    ended = decide(PLAN, state, seen(late, ready=1))
    assert ("rolled_back", "1 of 3 tasks ready in time after a restart") == (ended.phase, ended.reason)


def test_a_stable_that_does_not_come_back_does_not_hold_it_for_ever() -> None:
    """After the start timeout the candidate is judged without it."""
    state = resumed(to_shifting(PLAN), 100.0)
    state = decide(PLAN, state, seen(100.0 + PLAN.start_timeout + 1, stable=0, requests=7))
    assert Traffic(7, 0, (), "another") == state.baseline_candidate


def test_a_candidate_that_has_clients_and_still_starts_is_not_judged_by_a_restart() -> None:
    """Between two steps of a rolling release, too."""
    state = replace(to_shifting(PLAN), phase="starting", step=1, since=50.0)
    state = decide(PLAN, resumed(state, 100.0), seen(100, ready=0, stable=0, requests=900, errors=900))
    assert "starting" == state.phase


def test_a_person_is_heard_meanwhile() -> None:
    """Abort, pause and promote mean what they always mean."""
    state = resumed(to_shifting(PLAN), 100.0)
    assert "rolling_back" == decide(PLAN, state, seen(101, stable=0, ready=0), "abort").phase
    assert decide(PLAN, state, seen(101, stable=0), "pause").paused
    assert "promoted" == decide(PLAN, state, seen(101, stable=0), "promote").phase


def test_tasks_of_both_sides_that_die_together_blame_nobody() -> None:
    """It was the machine: the supervisor brings both back. A candidate that is gone alone is rolled back."""
    state = to_shifting(PLAN)
    assert "shifting" == decide(PLAN, state, look(2, ready=0, stable=0)).phase
    assert "none of 3 tasks is ready any more" == decide(PLAN, state, look(2, ready=0)).reason


def test_a_step_does_not_wait_for_requests_that_another_router_counted() -> None:
    """A router that was started anew in mid-step counts from nothing; so does the step."""
    state = decide(PLAN, to_shifting(PLAN), look(2, requests=40))
    state = replace(state, step_requests=1_000_000)
    after = decide(PLAN, state, seen(3, requests=5))
    assert (0, "another") == (after.step_requests, after.baseline_candidate and after.baseline_candidate.epoch)


def test_a_fresh_rollout_is_not_changed_by_being_resumed() -> None:
    """Nothing to forget."""
    assert State("green", True, since=7.0) == resumed(State("green", True), 7.0)
