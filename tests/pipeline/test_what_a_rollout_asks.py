"""What a rollout asks of its target, in order, and when it stops asking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from shipway.core.observations.observation import ProbeAnswer, Side
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import Lock
from shipway.pipeline.environment_lock import LockLost
from shipway.pipeline.rollouts import Rollouts
from tests.pipeline.house import House
from tests.pipeline.rolling import CANARY, ROLLING, release, roll_out


class Killed(BaseException):
    """The control plane dies."""


@pytest.fixture
def served(house: House) -> House:
    """r1 serves dev on blue. Nothing was asked of the target since."""
    roll_out(house, release("r1", ROLLING))
    house.target.calls.clear()
    return house


def asked(house: House, *names: str) -> list[tuple[object, ...]]:
    return [(call[0], *call[2:]) for call in house.target.calls if call[0] in names]


def die_at(house: House, weight: int) -> None:
    """Kill the control plane as soon as it looks at the environment with this weight."""

    def die() -> None:
        if house.target.weights["dev"][1] == weight:
            raise Killed

    house.target.at_observe = die


def test_a_rollout_asks_for_tasks_before_traffic(served: House) -> None:
    """Whatever the step, the tasks of both sides come first; the side is emptied and made ready before any of that."""
    roll_out(served, release("r2", ROLLING))
    blue = ("scale", "blue", "r1", 2)
    assert [
        ("shift", "green", 0),
        ("retire", "green"),
        ("prepare", "green", "r2"),
        ("before_traffic", "green", "r2"),
        *(("scale", "green", "r2", 1), blue, ("shift", "green", 0)),
        *(("scale", "green", "r2", 1), blue, ("begin_window",), ("shift", "green", 5000)),
        *(("scale", "green", "r2", 2), blue, ("shift", "green", 5000)),
        *(("scale", "green", "r2", 2), blue, ("shift", "green", 10_000)),
        *(("scale", "green", "r2", 2), ("shift", "green", 10_000)),
    ] == [(call[0], *call[2:]) for call in served.target.calls]


def test_a_rollout_that_goes_on_asks_for_tasks_before_traffic(served: House) -> None:
    """The tasks may be gone with the control plane: weight is given again only after they were asked for again."""
    die_at(served, 5000)
    with pytest.raises(Killed):
        roll_out(served, release("r2", CANARY))
    served.target.at_observe = lambda: None
    served.target.calls.clear()
    roll_out(served, release("r2", CANARY))
    wanted = [("scale", "green", "r2", 2), ("scale", "blue", "r1", 2), ("begin_window",), ("shift", "green", 5000)]
    assert wanted == [(call[0], *call[2:]) for call in served.target.calls][:4]


def test_a_candidate_has_no_weight_before_its_side_is_touched(served: House) -> None:
    """Weight that was left there by somebody else is taken away before the side is emptied: nobody meets old tasks."""
    served.target.shift("dev", "green", 5000)
    served.target.calls.clear()
    roll_out(served, release("r2", CANARY))
    assert [("shift", "green", 0), ("retire", "green")] == asked(served, "shift", "retire")[:2]


def test_a_warm_side_has_no_weight_before_it_is_prepared(served: House) -> None:
    """On the way back, too, though nothing is emptied there."""
    roll_out(served, release("r2", CANARY))
    served.target.calls.clear()
    roll_out(served, release("r1", ROLLING), back=True)
    assert [("shift", "blue", 0), ("prepare", "blue", "r1")] == asked(served, "shift", "retire", "prepare")[:2]


def test_the_first_release_takes_no_weight_from_anybody(house: House) -> None:
    """There is no stable side that the weight could go to."""
    roll_out(house, release("r1", CANARY))
    assert ("retire", "blue") == asked(house, "shift", "retire")[0]


def test_latencies_are_collected_from_the_first_client_on(served: House) -> None:
    """The window begins once, right before the candidate's first weight: what was slow before is nobody's fault."""
    roll_out(served, release("r2", CANARY))
    assert [
        *(("shift", "green", 0), ("shift", "green", 0), ("begin_window",)),
        *(("shift", "green", weight) for weight in (1000, 5000, 10_000, 10_000)),
    ] == asked(served, "begin_window", "shift")


def test_a_rollout_whose_lock_was_taken_asks_for_nothing_more(served: House) -> None:
    """Who took the environment moves it now; two at work there would undo each other's steps."""
    looks: list[int] = []

    def take() -> None:
        if served.target.weights["dev"][1] == 1000:
            looks.append(len(served.target.calls))
            lock = served.store.get(Lock, "dev")
            assert lock is not None
            served.store.put("dev", replace(lock, owner="somebody else"))

    served.target.at_observe = take
    with pytest.raises(LockLost, match="somebody else holds dev"):
        roll_out(served, release("r2", CANARY))
    assert 1 == len(looks)


@pytest.mark.parametrize(("policy", "probed"), [(ROLLING, {0}), (CANARY, {0, 1000, 5000})])
def test_probes_make_up_for_clients_only_where_a_step_asks_for_evidence(
    served: House, policy: dict[str, object], probed: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first client each candidate is probed; afterwards only one whose step needs more than clients give."""
    weights: set[int] = set()
    probe = served.target.probe

    def note(environment: str, side: Side, release: Release) -> Sequence[ProbeAnswer]:
        weights.add(served.target.weights["dev"][1])
        return probe(environment, side, release)

    monkeypatch.setattr(served.target, "probe", note)
    served.target.latencies = ()
    assert "promoted" == roll_out(served, release("r2", policy)).state.phase
    assert probed == weights


@pytest.mark.parametrize("back", [False, True])
def test_no_side_is_made_ready_for_an_artifact_that_was_changed(served: House, *, back: bool) -> None:
    """Neither on the way there nor on the way back, whatever was right when it was built."""
    if back:
        roll_out(served, release("r2", ROLLING))
        served.target.calls.clear()
    new = release("r1" if back else "r2", ROLLING)
    served.workshop.damaged.add(new.artifacts["hello"].digest)
    ended = roll_out(served, new, back=back)
    assert "rolled_back" == ended.state.phase
    assert f"artifact {new.artifacts['hello'].short} of hello was changed after its build" == ended.state.reason
    assert [] == asked(served, "prepare", "scale")


def test_a_rollout_rests_only_where_a_look_moved_nothing(served: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it moved to is looked at at once: every step would cost a rest more."""
    looked_at: list[object] = []
    moves, rests = 0, 0

    def state() -> object:
        record = served.rollouts.under_way("dev")
        return (record.state.phase, record.state.step) if record is not None else None

    def rest(self: Rollouts, seconds: float) -> None:
        nonlocal rests
        rests += 1
        assert state() == looked_at[-1]

    def look() -> None:
        nonlocal moves
        moves += bool(looked_at) and looked_at[-1] != state()
        looked_at.append(state())

    served.target.at_observe = look
    monkeypatch.setattr(Rollouts, "_rest", rest)
    roll_out(served, release("r2", ROLLING))
    assert moves >= 3
    assert rests <= len(looked_at) - moves
