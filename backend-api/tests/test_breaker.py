"""The rule that leaves a route alone: when it opens, who probes, and what closes it."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from backend_api.model_client.breaker import Breaker

FAILURES, COOL_DOWN, DEADLINE = 3, 10.0, 4.0


def opened(at: float = 0.0) -> Breaker:
    """A breaker that opened then."""
    breaker = Breaker(FAILURES, COOL_DOWN)
    assert [False, False, True] == [breaker.failed(at, at) for _ in range(FAILURES)]
    return breaker


def test_opens_by_failures_in_a_row() -> None:
    """As many failures as told open it, and one answer between them starts the count anew."""
    breaker = Breaker(FAILURES, COOL_DOWN)
    assert [False, False] == [breaker.failed(0, 1) for _ in range(2)]
    breaker.answered(1)
    assert [False, False, True] == [breaker.failed(0, 1) for _ in range(3)]
    assert "open" == breaker.state


def test_closed_admits_everybody() -> None:
    """While the route answers, all clients go there."""
    breaker = Breaker(FAILURES, COOL_DOWN)
    assert [True] * 3 == [breaker.admits(0, DEADLINE) for _ in range(3)]


def test_one_probe_after_the_cool_down() -> None:
    """Nobody is admitted during the cool-down, one after it, and further ones only when that one has failed."""
    breaker = opened()
    assert (False, "open") == (breaker.admits(9.9, 13.9), breaker.state)
    assert (True, "half_open") == (breaker.admits(10, 14), breaker.state)
    assert (False, "half_open") == (breaker.admits(13, 17), breaker.state)
    breaker.still_unreachable(10, 12)
    assert "open" == breaker.state
    assert [False, True] == [breaker.admits(now, now + DEADLINE) for now in (21.9, 22)]


def test_a_probe_that_is_never_heard_of_again() -> None:
    """It counts as failed at its deadline: the breaker is not stuck half-open."""
    breaker = opened()
    breaker.admits(10, 14)
    assert [False, True] == [breaker.admits(now, now + DEADLINE) for now in (23.9, 24)]


@pytest.mark.parametrize("probing", [False, True])
def test_one_answer_closes(probing: bool) -> None:
    """An answer closes it, the probe's or one of a request that came here otherwise."""
    breaker = opened()
    if probing:
        breaker.admits(10, 14)
    assert [True, False] == [breaker.answered(11), breaker.answered(11)]
    assert ("closed", True, True) == (breaker.state, breaker.admits(11, 15), breaker.admits(11, 15))


def test_failures_from_before_the_closing() -> None:
    """What was asked before the route came back, and fails after it, says nothing about the route now."""
    breaker = opened()
    breaker.answered(5)
    assert {False} == {breaker.failed(4.9, 6) for _ in range(10)}
    assert [False, False, True] == [breaker.failed(5, 6) for _ in range(3)]


def test_failures_from_before_the_probe() -> None:
    """They don't end it."""
    breaker = opened()
    breaker.admits(10, 14)
    breaker.still_unreachable(9.9, 11)
    assert "half_open" == breaker.state


def test_failures_beside_do_not_prolong_the_cool_down() -> None:
    """Requests that fail here while it is open, as both routes are, leave the next probe where it was."""
    breaker = opened()
    breaker.still_unreachable(5, 7)
    assert not breaker.failed(5, 7)
    assert breaker.admits(10, 14)


def test_what_ends_a_probe_opens_nothing() -> None:
    """A failure that is not a client's own, however often, leaves a closed breaker closed."""
    breaker = Breaker(FAILURES, COOL_DOWN)
    for _ in range(10):
        breaker.still_unreachable(0, 1)
    assert "closed" == breaker.state


@dataclass(frozen=True)
class Request:
    """One that is under way: since when, and whether its client was sent here before any other route."""

    began: float
    first: bool


class AnyHistory(RuleBasedStateMachine):
    """Requests that begin, overlap, answer, fail and vanish in any order, against what their history says."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(FAILURES, COOL_DOWN)
        self.under_way: list[Request] = []
        self.now = self.closed_since = self.last_failure = 0.0
        self.is_open = False
        self.in_a_row = 0
        self.probe: Request | None = None

    @rule(seconds=st.sampled_from([0.1, 3.9, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(clients=st.integers(1, 2 * FAILURES))
    def clients(self, clients: int) -> None:
        """They ask here even where they are not admitted: the other route may be left alone, too."""
        for _ in range(clients):
            request = Request(self.now, first=True)
            admitted = self.breaker.admits(self.now, self.now + DEADLINE)
            quiet_since = self.last_failure if self.probe is None else self.probe.began + DEADLINE
            assert admitted == (not self.is_open or self.now >= quiet_since + COOL_DOWN)
            if self.is_open and admitted:
                self.probe = request
            self.under_way.append(request)

    @rule()
    def somebody_else(self) -> None:
        """A comparison, or a client whose own route was away."""
        self.under_way.append(Request(self.now, first=False))

    @precondition(lambda self: self.under_way)
    @rule(oldest=st.booleans())
    def answers(self, oldest: bool) -> None:
        """The first answer since it opened closes it."""
        self.under_way.pop(0 if oldest else -1)
        assert self.is_open == self.breaker.answered(self.now)
        if self.is_open:
            self.closed_since = self.now
        self.is_open, self.probe, self.in_a_row = False, None, 0

    @precondition(lambda self: self.under_way)
    @rule(oldest=st.booleans())
    def fails(self, oldest: bool) -> None:
        """Nothing but clients' failures in a row, all of them asked since it closed, opens it."""
        request = self.under_way.pop(0 if oldest else -1)
        self.breaker.still_unreachable(request.began, self.now)
        if self.probe is not None and request.began >= self.probe.began:
            self.probe, self.last_failure = None, self.now
        if not request.first:
            return
        counts = not self.is_open and request.began >= self.closed_since
        self.in_a_row += counts
        opens = counts and self.in_a_row == FAILURES
        assert opens == self.breaker.failed(request.began, self.now)
        if opens:
            self.is_open, self.last_failure = True, self.now

    @rule()
    def all_fail(self) -> None:
        """As when the route hangs."""
        while self.under_way:
            self.fails(oldest=True)

    @precondition(lambda self: self.under_way)
    @rule()
    def vanishes(self) -> None:
        """Its task was cancelled: nothing is reported."""
        self.under_way.pop()

    @invariant()
    def the_state_is_told(self) -> None:
        expected = "closed" if not self.is_open else "open" if self.probe is None else "half_open"
        assert expected == self.breaker.state

    @invariant()
    def never_stuck(self) -> None:
        """Whatever happened, a client who comes late enough is admitted."""
        late = self.now + DEADLINE + COOL_DOWN
        assert copy(self.breaker).admits(late, late + DEADLINE)


TestAnyHistory = pytest.mark.slow(AnyHistory.TestCase)
