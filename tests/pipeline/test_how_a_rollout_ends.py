"""What is left of a rollout: which side is kept warm, what was let go, and when one is given up."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from shipway.core.errors import Refused, ShipwayError
from shipway.core.observations.observation import Side
from shipway.core.releases.run import Run
from shipway.pipeline.rollouts import Rollouts
from tests.doubles.target import QUICK
from tests.pipeline.house import House
from tests.pipeline.rolling import CANARY, ROLLING, release, roll_out

NOT_WARM = ROLLING | {"keep_warm": 0}


@pytest.fixture
def served(house: House) -> House:
    """r1 serves dev on blue."""
    roll_out(house, release("r1", ROLLING))
    return house


def test_an_old_side_that_nobody_wants_warm_goes_at_once(served: House) -> None:
    """With `keep_warm: 0` only the new release's tasks are left when the rollout ends."""
    roll_out(served, release("r2", NOT_WARM))
    assert {("dev", "green"): ("r2", 2)} == served.target.running
    assert served.rollouts.record_of("dev").warm is None


def test_an_old_side_that_cannot_be_let_go_fails_no_rollout(served: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new release serves all the same, and housekeeping tries again."""
    retire = served.target.retire

    def fail(environment: str, side: Side) -> None:
        if side == "blue":
            raise ShipwayError("a task does not end")
        retire(environment, side)

    monkeypatch.setattr(served.target, "retire", fail)
    assert "promoted" == roll_out(served, release("r2", NOT_WARM)).state.phase
    warm = served.rollouts.record_of("dev").warm
    assert ("blue", "r1") == (warm and warm.side, warm and warm.release)
    monkeypatch.setattr(served.target, "retire", retire)
    served.rollouts.tend()
    assert {("dev", "green"): ("r2", 2)} == served.target.running


def test_a_warm_side_of_another_release_is_emptied_before_it_is_used(served: House) -> None:
    """The third release comes where the first is warm: nothing of that one is left."""
    roll_out(served, release("r2", ROLLING))
    served.target.calls.clear()
    roll_out(served, release("r3", ROLLING))
    assert ("retire", "dev", "blue") in served.target.calls
    assert {("dev", "blue"): ("r3", 2), ("dev", "green"): ("r2", 2)} == served.target.running


@pytest.mark.parametrize(("blind_looks", "phase"), [(2, "promoted"), (6, "rolled_back")])
def test_a_rollout_is_given_up_when_it_sees_nothing_for_long_without_a_break(
    served: House, blind_looks: int, phase: str
) -> None:
    """Faults that come and go do not add up; those that last do."""
    now, looks = 0.0, 0

    def look() -> None:
        nonlocal now, looks
        now, looks = now + QUICK.fault / 3, looks + 1
        served.target.blind = looks % (blind_looks + 1) != 0

    served.target.at_observe = look
    rollouts = Rollouts(
        served.store, served.target, served.workshop, lambda: now, threading.Event(), steady=lambda: now
    )
    new = release("r2", CANARY | {"guard": {"hold_timeout": 3600}})
    served.store.put("r2", new)
    with rollouts.entered("dev", "blind", "1", lambda: None):
        assert phase == rollouts.roll_out("blind", "dev", new, run="1", by="ann").state.phase
    served.target.blind, served.target.at_observe = False, lambda: None


def test_promote_now_is_heard_once_the_candidate_has_clients(served: House) -> None:
    """Before that it is refused; afterwards the rollout ends by it, and the audit log says for which release and run."""
    refused: list[str] = []

    def ask() -> None:
        weight = served.target.weights["dev"][1]
        if weight == 0 and not refused:
            with pytest.raises(Refused) as refusal:
                served.rollouts.command("dev", "promote", "ann", "")
            refused.append(refusal.value.what)
        elif weight == 1000:
            served.rollouts.command("dev", "promote", "ann", "fine")

    served.target.at_observe = ask
    ended = roll_out(served, release("r2", CANARY))
    assert ["dev: the candidate is starting, it can't take all of the traffic yet"] == refused
    assert ("promoted", "promoted by hand") == (ended.state.phase, ended.state.reason)
    said = [(e.who, e.why, e.detail) for e in served.store.audit(20) if e.action == "promote"]
    assert [("ann", "fine", {"release": "r2", "run": "1"})] == said


def test_housekeeping_leaves_a_rollout_whose_run_goes_on(served: House) -> None:
    """A control plane that has just started carries it out by itself soon: its candidate keeps what it has."""

    class Killed(BaseException):
        pass

    def die() -> None:
        if served.target.weights["dev"][1] == 5000:
            raise Killed

    served.target.at_observe = die
    with pytest.raises(Killed):
        roll_out(served, release("r2", CANARY))
    served.target.at_observe = lambda: None
    run = Run("1", "deploy", "r2", "s", None, ("dev",), "ann", 0.0)
    served.store.put("1", run)
    served.rollouts.tend()
    assert ("green", 5000) == served.target.weights["dev"]
    served.store.put("1", replace(run, status="failed"))
    served.rollouts.tend()
    assert ("green", 0) == served.target.weights["dev"]
