"""The rollout machine: what can happen to an environment, whatever observers report and people say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shipway.core.description.app import Guard, Rollout
from shipway.core.observations.observation import Observation, Side, Tasks, Traffic
from shipway.core.rollouts.machine import RESTORE_TIMEOUT, Command, State, assess, decide, desired, may_retire, moved
from shipway.core.rollouts.plan import ALL, flip_plan, make_plan
from tests.core.looks import FAST, STRATEGIES, look, plan_of, play, to_shifting


def test_a_canary_goes_through_its_steps_and_is_promoted() -> None:
    """With good evidence at each step the weights are 5, 25, 50 and 100 %."""
    plan = plan_of("canary")
    state = to_shifting(plan)
    weights = [state.weight]
    now = 1.0
    requests = 0
    while not state.ended:
        now, requests = now + 6, requests + 60
        state = decide(plan, state, look(now, requests=requests))
        weights.append(state.weight)
    assert ([500, 2500, 5000, ALL, ALL], "promoted") == (weights, state.phase)


def test_no_weight_before_the_candidate_is_ready() -> None:
    """Two of three ready tasks get nothing."""
    state = play(plan_of("blue_green"), *(look(second, ready=2) for second in range(30)))
    assert ("starting", 0) == (state.phase, state.weight)


def test_crash_before_ready_rolls_back_at_once() -> None:
    """A task that exits before it was ready ends the rollout with its last log lines."""
    state = play(plan_of("canary"), look(0.5, ready=0, crash="backend-api exit code 1: ImportError"))
    assert ("rolled_back", 0) == (state.phase, state.weight)
    assert "ImportError" in state.reason


def test_slow_start_is_given_up() -> None:
    """A candidate that is not ready in time is rolled back."""
    state = play(plan_of("canary"), look(0, ready=0), look(61, ready=0))
    assert "rolled_back" == state.phase


def test_failing_probes_stop_it_before_any_client() -> None:
    """A candidate that fails its own probes never meets a client."""
    state = play(plan_of("canary"), look(0), look(1, probes=12, bad_probes=12))
    assert ("rolled_back", 0) == (state.phase, state.weight)


def test_the_first_client_comes_after_six_good_probes() -> None:
    """One answer, or five, is too little to know: the candidate still gets no weight."""
    plan = plan_of("canary")
    states = [play(plan, look(0), look(1, probes=probes)) for probes in (1, 5, 6)]
    assert [("probing", 0), ("probing", 0), ("shifting", 500)] == [(state.phase, state.weight) for state in states]


def test_a_clock_that_was_set_changes_no_duration() -> None:
    """As much of the step has passed as before; labels are read from no later time than the rollout began."""
    state = replace(to_shifting(plan_of("canary")), since=100.0, started=50.0)
    assert replace(state, since=160.0, started=50.0) == moved(state, 60.0)
    assert replace(state, since=40.0, started=-10.0) == moved(state, -60.0)


def test_bad_candidate_is_rolled_back() -> None:
    """Half of the requests failing takes all traffic back."""
    plan = plan_of("canary")
    state = play(plan, look(2, requests=20, errors=10), state=to_shifting(plan))
    assert ("rolled_back", 0) == (state.phase, state.weight)
    assert "failed 10 of 20 requests" in state.reason


def test_no_evidence_is_hold_and_then_rollback() -> None:
    """Without clients or probes a step holds, and a hold that outlasts its timeout rolls back."""
    plan = plan_of("canary")
    state = play(plan, *(look(float(s)) for s in range(2, 120, 2)), state=to_shifting(plan))
    assert ("shifting", 500) == (state.phase, state.weight)
    assert "rolled_back" == play(plan, look(130), state=state).phase


def test_no_evidence_may_promote_where_the_policy_says_so() -> None:
    """The timeout's action is configurable."""
    policy = Rollout(strategy="canary", steps=(5,), guard=Guard(on_timeout="promote"))
    plan = make_plan(policy, 3, 60, has_stable=True)
    state = to_shifting(plan)
    for second in range(2, 400, 2):
        state = decide(plan, state, look(float(second)))
    assert "promoted" == state.phase


def test_a_suspicion_in_the_last_step_may_promote_where_the_policy_says_so() -> None:
    """Three failures of sixty speak for nothing for sure: the last step ends by its timeout, too."""
    policy = Rollout(strategy="blue_green", guard=Guard(on_timeout="promote", confidence=0.9999))
    plan = make_plan(policy, 3, 60, has_stable=True)
    held = play(plan, look(60, requests=60, errors=3), state=to_shifting(plan))
    assert "shifting" == held.phase
    ended = play(plan, look(2 + plan.held_until(0, held.since), requests=60, errors=3), state=held)
    assert ("promoted", ALL) == (ended.phase, ended.weight)


def test_probes_stand_in_for_clients() -> None:
    """Where nobody calls, the app's own probes carry a canary to the end."""
    plan = plan_of("canary")
    state = to_shifting(plan)
    for second in range(2, 60, 2):
        state = decide(plan, state, look(float(second), probes=60))
    assert "promoted" == state.phase


def test_pause_holds_and_still_watches() -> None:
    """A paused rollout does not go on, and is rolled back when it turns bad."""
    plan = plan_of("canary")
    state = decide(plan, to_shifting(plan), look(2), "pause")
    state = play(plan, *(look(float(s), requests=s * 10) for s in range(2, 2000, 50)), state=state)
    assert ("shifting", 500, True) == (state.phase, state.weight, state.paused)
    assert "rolled_back" == play(plan, look(2001, requests=20_100, errors=9000), state=state).phase


def test_clients_are_watched_while_more_tasks_start() -> None:
    """A rolling candidate that fails its first clients goes back before its next task is up."""
    plan = make_plan(Rollout(strategy="rolling", step_wait=0), 3, 60, has_stable=True)
    state = play(plan, look(0, ready=1), look(1, ready=1, probes=6), look(2, ready=1))
    assert ("starting", 3333) == (state.phase, state.weight)
    assert "rolled_back" == decide(plan, state, look(3, ready=1, requests=100, errors=50)).phase


def test_a_pause_while_starting_holds() -> None:
    """A candidate that is paused before it was ready takes no client."""
    plan = plan_of("all_at_once")
    state = decide(plan, play(plan, look(0, ready=0)), look(1, ready=0), "pause")
    state = play(plan, look(2), look(3), state=state)
    assert ("starting", 0) == (state.phase, state.weight)
    assert ALL == decide(plan, state, look(4), "resume").weight


def test_resume_begins_the_step_again() -> None:
    """The time of a pause does not count as evidence."""
    plan = plan_of("canary")
    state = decide(plan, to_shifting(plan), look(2), "pause")
    state = decide(plan, state, look(500, requests=100), "resume")
    assert ("shifting", 500, 500) == (state.phase, state.weight, state.since)
    assert 2500 == play(plan, look(506, requests=200), state=state).weight


def test_promote_now_skips_the_rest() -> None:
    """A person may take a full candidate to 100 % at once."""
    plan = plan_of("canary")
    assert ("promoted", ALL) == (
        (after := decide(plan, to_shifting(plan), look(2), "promote")).phase,
        after.weight,
    )


def test_promote_now_does_not_help_a_bad_candidate() -> None:
    """The verdict comes before the person's haste."""
    plan = plan_of("canary")
    assert "rolled_back" == decide(plan, to_shifting(plan), look(2, requests=50, errors=40), "promote").phase


def test_unhealthy_stable_does_not_stop_a_fix() -> None:
    """With stable down nothing is compared, and a candidate within the floors goes on."""
    plan = plan_of("blue_green")
    state = play(plan, look(0, stable=0), look(1, stable=0, probes=6))
    assert "promoted" == play(plan, look(10, stable=0, requests=1000, errors=20), state=state).phase


def test_rollback_waits_for_stables_capacity() -> None:
    """Traffic goes back at once only to a side that stands at least as well; the candidate stays meanwhile."""
    plan = plan_of("canary")
    bad = {"requests": 100, "errors": 60}
    state = play(plan, look(2, stable=1, **bad), state=to_shifting(plan))
    assert ("rolling_back", 500) == (state.phase, state.weight)
    state = play(plan, look(4, stable=3, **bad), state=state)
    assert ("rolled_back", 0) == (state.phase, state.weight)


def test_rollback_ends_even_if_stable_never_recovers() -> None:
    """Every rollout ends; this one says that stable is not whole."""
    plan = plan_of("canary")
    bad = {"requests": 100, "errors": 60}
    state = play(plan, look(2, stable=1, **bad), look(3 + RESTORE_TIMEOUT, stable=1, **bad), state=to_shifting(plan))
    assert "rolled_back" == state.phase
    assert "stable has 1 of 3 tasks" in state.reason


def test_first_release_has_one_step() -> None:
    """Without stable there is nobody to shift away from."""
    plan = make_plan(STRATEGIES["canary"], 3, 60, has_stable=False)
    state = play(plan, look(0), look(1, probes=6), state=State("green", has_stable=False))
    assert ALL == state.weight


def test_router_restart_does_not_lose_the_count() -> None:
    """Counters that begin anew are not read as fewer requests than before."""
    plan = plan_of("canary")
    state = to_shifting(plan)
    seen = look(8, requests=200)
    restarted = replace(seen, traffic={side: replace(t, epoch="other") for side, t in seen.traffic.items()})
    assert 2500 == decide(plan, state, restarted).weight


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_weights_of_a_plan_grow(strategy: str) -> None:
    """Each step asks for more than the one before, up to all."""
    for tasks in range(1, 12):
        weights = [step.weight for step in plan_of(strategy, tasks).steps]
        assert sorted(set(weights)) == weights
        assert ALL == weights[-1]


def test_a_flip_is_one_step() -> None:
    """A rollback on request shifts everything at once."""
    assert [ALL] == [step.weight for step in flip_plan(STRATEGIES["canary"], 3, 60).steps]


class Environment(RuleBasedStateMachine):
    """An environment whose tasks and clients do as they please, steered by people who say anything at any time."""

    @initialize(strategy=st.sampled_from(sorted(STRATEGIES)), tasks=st.integers(1, 5), has_stable=st.booleans())
    def begin(self, strategy: str, tasks: int, has_stable: bool) -> None:
        self.plan = make_plan(STRATEGIES[strategy], tasks, 60, has_stable=has_stable)
        self.state = State("green", has_stable)
        self.now = 0.0
        self.ready: dict[Side, int] = {"green": 0, "blue": tasks if has_stable else 0}
        self.counts = {"green": (0, 0), "blue": (0, 0)}
        self.stopped: set[Side] = set()
        self.crash: str | None = None
        self.aborted = False
        self.passed = [self.state]

    @rule(seconds=st.floats(0.1, 400))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(ready=st.integers(0, 5))
    def candidate_tasks(self, ready: int) -> None:
        if "green" not in self.stopped:
            self.ready["green"] = min(ready, self.plan.tasks)

    @rule(ready=st.integers(0, 5))
    def stable_tasks(self, ready: int) -> None:
        if "blue" not in self.stopped and self.state.has_stable:
            self.ready["blue"] = min(ready, self.plan.tasks)

    @rule(side=st.sampled_from(["green", "blue"]), requests=st.integers(0, 300), errors=st.integers(0, 300))
    def clients(self, side: Side, requests: int, errors: int) -> None:
        seen, failed = self.counts[side]
        self.counts[side] = (seen + requests, failed + min(errors, requests))

    @rule()
    def crashes(self) -> None:
        self.crash = "exit code 1"

    @rule()
    def good_clients(self) -> None:
        for side in ("green", "blue"):
            seen, failed = self.counts[side]
            self.counts[side] = (seen + 200, failed)

    @rule(command=st.sampled_from([None, None, None, "pause", "resume", "promote", "abort"]))
    def decides(self, command: Command | None) -> None:
        seen = self.seen()
        self.aborted = self.aborted or (command == "abort" and not self.state.ended)
        self.state = decide(self.plan, self.state, seen, command)
        self.passed.append(self.state)
        self.tells_what_holds_it()
        self.act(seen)

    def tells_what_holds_it(self) -> None:
        """A step that outlasts its stay says what it lacks, and is over by the time that it names."""
        state, step = self.state, self.plan.steps[self.state.step]
        if state.phase != "shifting" or state.paused:
            return
        if self.now >= state.since + step.stay:
            assert state.waiting is not None
        if state.waiting is not None:
            assert self.now <= state.waiting.until

    def seen(self) -> Observation:
        wanted: dict[Side, int] = {"green": self.plan.tasks, "blue": self.plan.tasks if self.state.has_stable else 0}
        tasks = {
            side: Tasks(wanted[side], self.ready[side], self.crash if side == "green" else None) for side in wanted
        }
        traffic = {side: Traffic(*self.counts[side], FAST, "e") for side in wanted}
        return Observation(self.now, tasks, traffic, Traffic(20, 0, FAST))

    def act(self, seen: Observation) -> None:
        """What the driver does once a rollout has ended: the side that lost goes, if it may."""
        if not self.state.ended:
            return
        loser: Side = "blue" if self.state.phase == "promoted" else "green"
        weight = desired(self.plan, self.state).weight
        carried = ALL - weight if loser == "blue" else weight
        if may_retire(seen, loser, carried, has_other=self.state.has_stable):
            self.stopped.add(loser)
            self.ready[loser] = 0

    @invariant()
    def stable_is_never_scaled_down_before_the_end(self) -> None:
        if self.state.has_stable and self.state.phase != "promoted":
            assert desired(self.plan, self.state).stable_tasks == self.plan.tasks

    @invariant()
    def a_side_is_only_retired_while_the_other_can_carry_everything(self) -> None:
        assert len(self.stopped) <= (1 if self.state.has_stable else 2)

    @invariant()
    def weight_only_grows_until_it_is_taken_back(self) -> None:
        for before, after in zip(self.passed, self.passed[1:], strict=False):
            if after.phase not in ("rolling_back", "rolled_back"):
                assert before.weight <= after.weight

    @invariant()
    def weight_is_one_of_the_plans(self) -> None:
        assert self.state.weight in {0, ALL, *(step.weight for step in self.plan.steps)}

    @invariant()
    def abort_wins(self) -> None:
        if self.aborted:
            assert self.state.phase in ("rolling_back", "rolled_back")

    @invariant()
    def a_candidate_takes_traffic_only_after_it_was_ready(self) -> None:
        if self.state.weight > 0:
            assert self.state.baseline_candidate is not None

    def teardown(self) -> None:
        """Left alone, every rollout that nobody paused ends within its own timeouts."""
        if not hasattr(self, "plan"):
            return
        if self.state.paused:
            self.state = decide(self.plan, self.state, self.seen(), "resume")
        for _ in range(200):
            if self.state.ended:
                break
            self.now += 150
            self.state = decide(self.plan, self.state, self.seen())
        assert self.state.ended


Environment.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestEnvironment = Environment.TestCase


@given(st.sampled_from(sorted(STRATEGIES)), st.integers(1, 6), st.integers(0, 5))
def test_rollback_is_always_wanted_whole(strategy: str, tasks: int, step: int) -> None:
    """In every state but promoted, stable is wanted at full capacity."""
    plan = plan_of(strategy, tasks)
    state = State("green", True, "shifting", min(step, len(plan.steps) - 1))
    assert tasks == desired(plan, state).stable_tasks


@pytest.mark.parametrize(("requests", "errors"), [(8, 4), (20, 8), (49, 12)])
def test_good_probes_never_outvote_clients(requests: int, errors: int) -> None:
    """However many probes go well, clients that fail are heard: rolled back or held, never promoted."""
    plan = plan_of("canary")
    state = to_shifting(plan)
    seen = look(30, requests=requests, errors=errors, probes=450)
    assert "promote" != assess(plan, state, seen)[0].kind
    assert 500 >= decide(plan, state, seen).weight


def test_clients_that_fail_half_are_heard_among_probes() -> None:
    """Twelve of twenty-four clients failing rolls back at once, whatever the probes say."""
    plan = plan_of("canary")
    seen = look(3, requests=24, errors=12, probes=90)
    assert "rolled_back" == decide(plan, to_shifting(plan), seen).phase


def test_one_bad_probe_is_asked_again() -> None:
    """A probe that failed once keeps the candidate from its first client until enough others went well."""
    plan = plan_of("canary")
    assert "probing" == play(plan, look(0), look(1, probes=9, bad_probes=1)).phase
    assert "shifting" == play(plan, look(0), look(1, probes=9, bad_probes=1), look(2, probes=27, bad_probes=1)).phase
