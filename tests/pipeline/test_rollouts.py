"""Rollouts over a target in memory and a real store: who holds what, what is kept, what is taken back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.core.description.app import App
from shipway.core.errors import Refused
from shipway.core.observations.observation import Side
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Artifact, Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord, Lock, RolloutRecord, Warm
from shipway.local.state.store import Store
from shipway.pipeline import environment_lock
from shipway.pipeline.rollouts import Rollouts
from tests.doubles.builder import FakeBuilder
from tests.doubles.target import QUICK, FakeTarget
from tests.waiting import wait_for

APP = App.model_validate(
    {
        "app": "hello",
        "services": {"hello": {"path": "hello", "command": "run", "routes": ["/*"], "model": True}},
        "model": {"name": "m"},
        "environments": {
            "prod": {
                "branch": "main",
                "port": 8080,
                "tasks": {"min": 2, "max": 2},
                "rollout": {"strategy": "canary", "steps": [10, 50], "step_wait": "50ms", "bake": "50ms"},
            }
        },
    }
)


def release(id: str, *, digest: str = "", model: str = "v1.0", commit: str = "c1") -> Release:
    artifact = Artifact("hello", digest or id.ljust(64, "0"), "/tree")
    return Release(id, commit, APP, {"hello": artifact}, model, f"digest of {model}", "schema")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.db")
    yield store
    store.close()


@pytest.fixture
def target() -> FakeTarget:
    return FakeTarget()


@pytest.fixture
def rollouts(store: Store, target: FakeTarget) -> Rollouts:
    for id in ("r1", "r2", "r3"):
        store.put(id, release(id))
    return Rollouts(store, target, FakeBuilder(), time.time, threading.Event())


def roll_out(rollouts: Rollouts, id: str, *, back: bool = False, of: Release | None = None) -> RolloutRecord:
    name = f"{id}-{time.time()}"
    with rollouts.entered("prod", name, "1", lambda: None):
        return rollouts.roll_out(name, "prod", of or release(id), run="1", by="ann", back=back)


def test_first_release_serves(rollouts: Rollouts, target: FakeTarget) -> None:
    """The first release takes everything on blue."""
    assert "promoted" == roll_out(rollouts, "r1").state.phase
    assert EnvironmentRecord("prod", "blue", ("r1",)) == rollouts.record_of("prod")
    assert ("blue", 10_000) == target.weights["prod"]


def test_second_release_takes_the_other_side_and_the_first_stays_warm(rollouts: Rollouts, target: FakeTarget) -> None:
    """Promotion relabels the warm candidate: nothing is started or stopped after the last shift."""
    roll_out(rollouts, "r1")
    target.calls.clear()
    assert "promoted" == roll_out(rollouts, "r2").state.phase
    record = rollouts.record_of("prod")
    assert ("green", ("r1", "r2")) == (record.side, record.history)
    assert isinstance(record.warm, Warm)
    assert ("blue", "r1") == (record.warm.side, record.warm.release)
    assert [1000, 5000, 10_000] == sorted({call[3] for call in target.calls if call[0] == "shift" and call[3]})
    assert ("shift", "prod", "green", 10_000) == target.calls[-1]
    assert ("r1", 2) == target.running["prod", "blue"]


def test_bad_candidate_goes_and_stable_stays(rollouts: Rollouts, target: FakeTarget) -> None:
    """A release that fails half of its requests is taken back, and only its own tasks are stopped."""
    roll_out(rollouts, "r1")
    target.fail_on = frozenset({"r2"})
    ended = roll_out(rollouts, "r2")
    assert "rolled_back" == ended.state.phase
    assert "failed" in ended.state.reason
    assert EnvironmentRecord("prod", "blue", ("r1",)) == rollouts.record_of("prod")
    assert ("green", 0) == target.weights["prod"]
    assert {("prod", "blue"): ("r1", 2)} == target.running


def test_crash_at_start_is_the_reason(rollouts: Rollouts, target: FakeTarget) -> None:
    """The last log lines of the task that crashed are why."""
    roll_out(rollouts, "r1")
    target.crash_on = frozenset({"r2"})
    assert "hello exit code 1: boom" == roll_out(rollouts, "r2").state.reason


def test_failing_preparation_changes_nothing(rollouts: Rollouts, target: FakeTarget) -> None:
    """A migration that fails ends the rollout before any task starts."""
    roll_out(rollouts, "r1")
    target.fail_on = frozenset({"prepare r2"})
    ended = roll_out(rollouts, "r2")
    assert ("rolled_back", "before_traffic failed with exit code 1") == (ended.state.phase, ended.state.reason)
    assert {("prod", "blue"): ("r1", 2)} == target.running


def test_rollback_flips_to_the_warm_side(rollouts: Rollouts, target: FakeTarget) -> None:
    """Going back starts nothing: the old side is still warm."""
    roll_out(rollouts, "r1")
    roll_out(rollouts, "r2")
    target.calls.clear()
    assert "promoted" == roll_out(rollouts, "r1", back=True).state.phase
    assert ("blue", ("r1",)) == ((record := rollouts.record_of("prod")).side, record.history)
    assert [] == [call for call in target.calls if call[0] in ("retire", "before_traffic")]
    assert [("prepare", "prod", "blue", "r1")] == [call for call in target.calls if call[0] == "prepare"]
    assert {("blue", "r1", 2), ("green", "r2", 2)} == {call[2:] for call in target.calls if call[0] == "scale"}
    assert ("blue", 10_000) == target.weights["prod"]


def test_model_swap_touches_no_task(rollouts: Rollouts, store: Store, target: FakeTarget) -> None:
    """Where only the model differs, running tasks are pointed at it."""
    roll_out(rollouts, "r1")
    newer = replace(release("r1", model="v1.1"), id="r2")
    store.put("r2", newer)
    target.calls.clear()
    assert "promoted" == roll_out(rollouts, "r2", of=newer).state.phase
    assert [("take_model", "prod", "blue", "v1.1"), ("label", "prod", "blue", "r2")] == target.calls
    assert ("r1", "r2") == rollouts.record_of("prod").history


def test_failed_swap_points_back(rollouts: Rollouts, store: Store, target: FakeTarget) -> None:
    """A version that one task can't load is taken back everywhere, and no answer ever named its release."""
    roll_out(rollouts, "r1")
    newer = replace(release("r1", model="v1.1"), id="r2")
    store.put("r2", newer)
    target.broken_models = frozenset({"v1.1"})
    ended = roll_out(rollouts, "r2", of=newer)
    why = "model v1.1 is not served by every task of prod: blue-hello-0 refuses: broken; blue-hello-1 refuses: broken"
    assert ("rolled_back", why) == (ended.state.phase, ended.state.reason)
    assert "v1.0" == target.models["prod", "blue"]
    assert ["r1"] == [call[3] for call in target.calls if call[0] == "label"]
    assert ("r1",) == rollouts.record_of("prod").history


def test_abort_reaches_a_running_rollout(rollouts: Rollouts, store: Store, target: FakeTarget) -> None:
    """A person's abort ends the rollout, with who and why in the audit log."""
    roll_out(rollouts, "r1")
    told = threading.Event()

    def abort_once() -> None:
        if target.weights["prod"][1] == 1000 and not told.is_set():
            told.set()
            rollouts.command("prod", "abort", "ann", "looks odd")

    target.at_observe = abort_once
    ended = roll_out(rollouts, "r2")
    assert ("rolled_back", "aborted") == (ended.state.phase, ended.state.reason)
    assert ("ann", "abort", "looks odd") in [(e.who, e.action, e.why) for e in store.audit(10)]


def test_command_without_a_rollout_is_refused(rollouts: Rollouts) -> None:
    """There is nothing to pause where nothing moves."""
    with pytest.raises(Refused, match="no rollout is under way"):
        rollouts.command("prod", "pause", "ann", "")


def test_a_rollout_is_resumed_where_it_was(rollouts: Rollouts, store: Store, target: FakeTarget) -> None:
    """Called again with the same id after a crash, it goes on with the same plan and ends once."""
    roll_out(rollouts, "r1")

    class Killed(BaseException):
        pass

    def die_at_half() -> None:
        if target.weights["prod"] == ("green", 5000):
            raise Killed

    target.at_observe = die_at_half
    with pytest.raises(Killed):
        rollouts.roll_out("same", "prod", release("r2"), run="1", by="ann")
    target.at_observe = lambda: None
    target.calls.clear()
    ended = rollouts.roll_out("same", "prod", release("r2"), run="1", by="ann")
    assert "promoted" == ended.state.phase
    assert not [call for call in target.calls if call[0] == "prepare"]
    assert 5000 <= min(int(str(call[3])) for call in target.calls if call[0] == "shift")
    assert ended == rollouts.roll_out("same", "prod", release("r2"), run="1", by="ann")


def test_a_rollout_without_an_owner_is_taken_back_first(rollouts: Rollouts, target: FakeTarget) -> None:
    """A rollout that died for good does not block: the next one takes it back, then goes ahead."""
    roll_out(rollouts, "r1")

    class Killed(BaseException):
        pass

    def die() -> None:
        if target.weights["prod"][1] == 1000:
            raise Killed

    target.at_observe = die
    with pytest.raises(Killed):
        roll_out(rollouts, "r2")
    target.at_observe = lambda: None
    assert "promoted" == roll_out(rollouts, "r3").state.phase
    assert ("r1", "r3") == rollouts.record_of("prod").history


def test_two_rollouts_of_one_environment_wait_for_each_other(
    rollouts: Rollouts, store: Store, target: FakeTarget
) -> None:
    """The lock lets one rollout at a time into an environment."""
    roll_out(rollouts, "r1")
    target.hold.clear()
    first = threading.Thread(target=roll_out, args=(rollouts, "r2"))
    first.start()
    wait_for(lambda: store.get(Lock, "prod"), "the first has the lock")
    second = threading.Thread(target=roll_out, args=(rollouts, "r3"))
    second.start()
    wait_for(lambda: any("waits for prod" in event.text for event in store.events("1", 0)), "the second waits")
    assert ("r1",) == rollouts.record_of("prod").history
    target.hold.set()
    first.join(20)
    second.join(20)
    assert ("r1", "r2", "r3") == rollouts.record_of("prod").history


def test_a_dead_owners_lock_expires(rollouts: Rollouts, store: Store) -> None:
    """A lock whose owner stopped beating is taken over."""
    now = time.monotonic()
    store.put("prod", Lock("prod", "a dead rollout", now - 90, now - 60))
    assert "promoted" == roll_out(rollouts, "r1").state.phase


def test_blindness_is_a_hold_and_then_an_end(rollouts: Rollouts, target: FakeTarget) -> None:
    """While the router can't be read nothing is decided; after its patience the rollout ends, saying so."""
    roll_out(rollouts, "r1")
    target.pace = replace(QUICK, fault=0.05)
    target.blind = True

    def see_again() -> None:
        given_up = rollouts.under_way("prod")
        target.blind = given_up is None or given_up.state.phase != "rolled_back"

    target.at_observe = see_again
    ended = roll_out(rollouts, "r2")
    assert "rolled_back" == ended.state.phase
    assert "the router does not answer" in ended.state.reason


def test_warm_side_is_let_go_in_time(rollouts: Rollouts, store: Store, target: FakeTarget) -> None:
    """After its time the old side is retired, and a rollback would start it anew."""
    roll_out(rollouts, "r1")
    roll_out(rollouts, "r2")
    rollouts.tend()
    assert ("prod", "blue") in target.running
    store.change(EnvironmentRecord, "prod", lambda e: replace(e, warm=replace(e.warm, until=0)))  # type: ignore[type-var]
    rollouts.tend()
    assert {("prod", "green"): ("r2", 2)} == target.running
    assert rollouts.record_of("prod").warm is None
    assert "promoted" == roll_out(rollouts, "r1", back=True).state.phase


def test_housekeeping_looks_again_before_it_stops_a_side(
    rollouts: Rollouts, store: Store, target: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A side that a rollback brought back while another environment drained is not let go."""
    roll_out(rollouts, "r1")
    roll_out(rollouts, "r2")
    store.put("aaa", EnvironmentRecord("aaa", "blue", ("r1",), Warm("green", "r0", 0.0)))
    store.change(EnvironmentRecord, "prod", lambda e: replace(e, warm=Warm("blue", "r1", 0.0)))
    retire = target.retire

    def drain(environment: str, side: Side) -> None:
        if environment == "aaa":
            roll_out(rollouts, "r1", back=True)
        retire(environment, side)

    monkeypatch.setattr(target, "retire", drain)
    rollouts.tend()
    assert ("blue", ("r1", 2)) == (rollouts.record_of("prod").side, target.running["prod", "blue"])


def test_two_rollbacks_asked_at_once_go_back_once(rollouts: Rollouts) -> None:
    """The second was meant for what the first has changed already: it is refused, and nothing is lost."""
    roll_out(rollouts, "r1")
    roll_out(rollouts, "r2")
    roll_out(rollouts, "r1", back=True)
    with pytest.raises(Refused, match="changed meanwhile"):
        roll_out(rollouts, "r1", back=True)
    assert ("r1",) == rollouts.record_of("prod").history


def test_a_model_chosen_for_another_release_is_refused(rollouts: Rollouts) -> None:
    """A release derived from one that no longer serves would bring old code back."""
    roll_out(rollouts, "r1")
    roll_out(rollouts, "r2")
    with pytest.raises(Refused, match="serves r2"):
        rollouts.roll_out("late", "prod", release("r3", model="v1.1"), run="1", by="ann", over="r1")


def test_a_rollback_runs_no_migration(rollouts: Rollouts, target: FakeTarget) -> None:
    """An old migration does not know what newer ones made of the database."""
    roll_out(rollouts, "r1")
    roll_out(rollouts, "r2")
    target.calls.clear()
    roll_out(rollouts, "r1", back=True)
    assert [] == [call for call in target.calls if call[0] == "before_traffic"]


def test_a_swap_that_cannot_be_undone_at_once_still_ends(rollouts: Rollouts, store: Store, target: FakeTarget) -> None:
    """One hung task fails the swap and the way back; the environment is not blocked by it."""
    roll_out(rollouts, "r1")
    newer = replace(release("r1", model="v1.1"), id="r2")
    store.put("r2", newer)
    target.broken_models = frozenset({"v1.0", "v1.1"})
    assert "rolled_back" == roll_out(rollouts, "r2", of=newer).state.phase
    assert EnvironmentRecord("prod", "blue", ("r1",)) == rollouts.record_of("prod")


def test_a_long_migration_keeps_its_lock(
    rollouts: Rollouts, target: FakeTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long one step lasts, no second rollout gets in beside it."""
    roll_out(rollouts, "r1")
    monkeypatch.setattr(environment_lock, "EXPIRY", 0.3)
    inside: list[str] = []
    together: list[int] = []

    def migrate(environment: str, side: Side, release: Release, tell: Tell) -> None:
        inside.append(release.id)
        together.append(len(inside))
        threading.Event().wait(0.8)
        inside.remove(release.id)

    monkeypatch.setattr(target, "before_traffic", migrate)
    both = [threading.Thread(target=roll_out, args=(rollouts, id)) for id in ("r2", "r3")]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(20)
    assert [1, 1] == together
    assert {"r1", "r2", "r3"} == set(rollouts.record_of("prod").history)


def test_who_is_overtaken_while_taking_the_lock_gives_it_back(rollouts: Rollouts, store: Store) -> None:
    """Whose turn it is, is asked again once nobody else can get in: in between, a newer run may have become ready."""
    said = iter([None, "run 3 goes first", None, None])
    free: list[bool] = []

    def turn() -> str | None:
        free.append(store.get(Lock, "prod") is None)
        return next(said)

    with rollouts.entered("prod", "1-prod", "1", turn):
        assert [True, False, True, False] == free
    assert ["waits for prod: run 3 goes first"] == [event.text for event in store.events("1", 0)]
    assert store.get(Lock, "prod") is None


def test_an_abort_is_not_overwritten(rollouts: Rollouts, target: FakeTarget) -> None:
    """A pause that follows an abort nobody has heard yet is refused: abort always wins."""
    roll_out(rollouts, "r1")
    refused: list[str] = []

    def abort_then_pause() -> None:
        if target.weights["prod"][1] == 1000 and not refused:
            rollouts.command("prod", "abort", "ann", "")
            with pytest.raises(Refused, match="ann has aborted") as refusal:
                rollouts.command("prod", "pause", "bob", "")
            refused.append(str(refusal.value))

    target.at_observe = abort_then_pause
    assert "aborted" == roll_out(rollouts, "r2").state.reason


def test_blindness_in_mid_canary_ends_on_stable(rollouts: Rollouts, target: FakeTarget) -> None:
    """A candidate that nobody can watch any more keeps no share of the traffic."""
    roll_out(rollouts, "r1")
    target.pace = replace(QUICK, fault=0.05)

    def go_blind() -> None:
        target.blind = target.weights["prod"] == ("green", 5000)

    target.at_observe = go_blind
    assert "rolled_back" == roll_out(rollouts, "r2").state.phase
    assert ("green", 0) == target.weights["prod"]


def test_a_candidate_whose_run_broke_off_is_taken_back(rollouts: Rollouts, store: Store, target: FakeTarget) -> None:
    """A run that ended by a fault of ours leaves no candidate unwatched."""
    roll_out(rollouts, "r1")
    store.put("1", Run("1", "deploy", "c", "s", None, ("prod",), "ann", 0.0, status="failed"))

    def break_off() -> None:
        if target.weights["prod"] == ("green", 5000):
            raise RuntimeError

    target.at_observe = break_off
    with pytest.raises(RuntimeError):
        roll_out(rollouts, "r2")
    assert ("green", 5000) == target.weights["prod"]
    target.at_observe = lambda: None
    rollouts.tend()
    assert ("green", 0) == target.weights["prod"]
    assert EnvironmentRecord("prod", "blue", ("r1",)) == rollouts.record_of("prod")
    assert {("prod", "blue"): ("r1", 2)} == target.running


def test_stable_keeps_its_own_number_of_tasks(rollouts: Rollouts, store: Store, target: FakeTarget) -> None:
    """A release that wants more tasks does not scale the one before."""
    roll_out(rollouts, "r1")
    prod = APP.environments["prod"]
    wide = prod.model_copy(update={"tasks": prod.tasks.model_copy(update={"min": 5, "max": 5})})
    r2 = replace(release("r2"), app=APP.model_copy(update={"environments": {"prod": wide}}))
    store.put("r2", r2)
    roll_out(rollouts, "r2", of=r2)
    assert {("prod", "blue"): ("r1", 2), ("prod", "green"): ("r2", 5)} == target.running


def test_an_app_whose_requests_have_no_latency_is_judged_by_its_probes(rollouts: Rollouts, target: FakeTarget) -> None:
    """WebSockets and large uploads are never timed; a canary of an app that has nothing else still ends."""
    target.latencies = ()
    assert "promoted" == rollouts.roll_out("1-prod", "prod", release("r1"), run="1", by="ann").state.phase
    assert "promoted" == rollouts.roll_out("2-prod", "prod", release("r2"), run="2", by="ann").state.phase
