"""What a step of a rollout says it waits for."""

from __future__ import annotations

from shipway.core.description.app import Guard, Rollout
from shipway.core.rollouts.machine import decide
from shipway.core.rollouts.plan import make_plan
from shipway.core.rollouts.waiting import Waiting
from shipway.core.verdicts.verdict import Count
from tests.core.looks import look, plan_of, play, to_shifting


def test_a_step_says_what_it_waits_for() -> None:
    """How many requests of how many, from when on nothing else holds it, until when, and what happens then."""
    plan = plan_of("canary")
    state = play(plan, look(3, requests=12), look(3, requests=20), state=to_shifting(plan))
    assert Waiting("20 of 50 requests seen", (Count("requests", 20, 50),), 6, 126, "rollback") == state.waiting
    assert play(plan, look(4, requests=50), state=state).waiting is None
    assert "shifting" == play(plan, look(126, requests=20), state=state).phase
    assert "rolled_back" == play(plan, look(126.1, requests=20), state=state).phase


def test_own_probes_are_told_from_clients() -> None:
    """Where the app's own requests make up for clients, the count says so."""
    plan = plan_of("canary")
    state = play(plan, look(2, requests=1, probes=30), state=to_shifting(plan))
    assert state.waiting is not None
    assert (Count("requests", 31, 50, probes=True),) == state.waiting.counts


def test_a_step_that_lacks_no_count_gives_its_reason() -> None:
    """A suspicion waits for a clear verdict, missing tasks for themselves; what the policy lets go on goes on."""
    policy = Rollout(strategy="canary", steps=(5,), guard=Guard(on_timeout="promote"))
    plan = make_plan(policy, 3, 60, has_stable=True)
    held = play(plan, look(8, requests=60, errors=1), state=to_shifting(plan)).waiting
    assert held is not None
    assert ((), "promote") == (held.counts, held.then)
    assert "failed 1 of 60 requests (1.67 %, stable 0 %): not conclusive yet" == held.reason
    tasks = play(plan, look(8, ready=2, requests=60), state=to_shifting(plan)).waiting
    assert Waiting("2 of 3 tasks ready", (Count("tasks", 2, 3),), 6, 126, "rollback") == tasks


def test_a_pause_waits_for_a_person_alone() -> None:
    """No limit runs while a rollout is paused; resumed, the step begins anew."""
    plan = plan_of("canary")
    state = play(plan, look(2, requests=12), state=to_shifting(plan))
    paused = decide(plan, state, look(3, requests=12), "pause")
    assert paused.waiting is None
    resumed = decide(plan, paused, look(503, requests=12), "resume")
    assert resumed.waiting is not None
    assert (508, 628) == (resumed.waiting.holds_from, resumed.waiting.until)


def test_a_new_step_forgets_what_the_one_before_waited_for() -> None:
    """Its own count begins with its first look, though the step before was let go with too few."""
    policy = Rollout(strategy="canary", steps=(5, 50), guard=Guard(on_timeout="promote"))
    plan = make_plan(policy, 3, 60, has_stable=True)
    state = play(plan, look(2, requests=12), look(127, requests=12), look(128, requests=12), state=to_shifting(plan))
    assert ("shifting", 1, None) == (state.phase, state.step, state.waiting)
