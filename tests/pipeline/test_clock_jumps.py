"""Rollouts, locks and warm sides while somebody sets the machine's clock, by hours, forwards and backwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.core.releases.run import Gate, Run
from shipway.core.rollouts.records import EnvironmentRecord, Warm
from shipway.local.state.store import Store
from shipway.pipeline.bell import Bell
from shipway.pipeline.clock_jumps import ClockJumps
from shipway.pipeline.environment_lock import EXPIRY, EnvironmentLocks
from shipway.pipeline.rollouts import Rollouts
from tests.doubles.builder import FakeBuilder
from tests.doubles.target import FakeTarget
from tests.pipeline.test_rollouts import release

HOURS = [5 * 3600.0, -5 * 3600.0]


class SetClock:
    """The machine's clock, set by hand."""

    def __init__(self) -> None:
        self.set_by = 0.0

    def __call__(self) -> float:
        return time.time() + self.set_by


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "state.db")
    for id in ("r1", "r2"):
        store.put(id, release(id))
    yield store
    store.close()


@pytest.fixture
def rollouts(store: Store, clock: SetClock) -> Rollouts:
    return Rollouts(store, FakeTarget(), FakeBuilder(), clock, threading.Event())


def test_a_jump_is_told_from_time_that_passed() -> None:
    """Only what the steady clock did not see is a jump; drift of a second or two is none."""
    now = [1000.0, 5.0]
    jumps = ClockJumps(lambda: now[0], lambda: now[1])
    now[:] = [1060.0, 65.0]
    assert (1060.0, 0.0) == jumps.look()
    now[:] = [1062.0, 66.0]
    assert (1062.0, 0.0) == jumps.look()
    now[:] = [1062.0 + 3600, 66.0]
    assert (4662.0, 3600.0) == jumps.look()
    assert (4662.0, 0.0) == jumps.look()
    now[:] = [62.0, 66.0]
    assert (62.0, -4600.0) == jumps.look()


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("when", range(1, 40, 6))
def test_a_good_candidate_is_promoted_all_the_same(
    rollouts: Rollouts, store: Store, clock: SetClock, hours: float, when: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the clock is set, nothing times out and nothing waits for hours; every step lasts as long as it should."""
    rollouts.roll_out("first", "prod", release("r1"), run="1", by="ann")
    target, looks, began = rollouts._target, [0], time.monotonic()

    def at_observe() -> None:
        looks[0] += 1
        if looks[0] == when:
            clock.set_by = hours

    target.at_observe = at_observe  # type: ignore[attr-defined]
    ended = rollouts.roll_out("second", "prod", release("r2"), run="1", by="ann")
    assert ("promoted", True) == (ended.state.phase, 0.1 < time.monotonic() - began < 10)


@pytest.mark.parametrize("hours", HOURS)
def test_a_lock_is_neither_lost_nor_kept_for_ever(store: Store, clock: SetClock, hours: float) -> None:
    """Its age is not measured on the clock that was set."""
    steady = [1000.0]
    locks = EnvironmentLocks(store, clock, Bell(threading.Event()), lambda: steady[0])
    with locks.held_if_free("prod", "the first") as held:
        assert held
        clock.set_by = hours
        steady[0] += EXPIRY - 1
        with locks.held_if_free("prod", "the second") as also_held:
            assert not also_held
    store.take_lock("prod", "a dead one", steady[0], EXPIRY)
    steady[0] += EXPIRY
    with locks.held_if_free("prod", "the second") as held:
        assert held


def test_a_lock_from_before_the_machine_started_is_nobodys(store: Store) -> None:
    """The steady clock began anew with the machine: whoever beat later than now is gone."""
    store.take_lock("prod", "a dead one", 1_000_000.0, EXPIRY)
    assert None is store.take_lock("prod", "the next", 12.0, EXPIRY)


@pytest.mark.parametrize("hours", HOURS)
def test_a_warm_side_and_a_gate_last_as_long_as_was_said(
    rollouts: Rollouts, store: Store, clock: SetClock, hours: float
) -> None:
    """Both times move along with the clock."""
    until = clock() + 600
    store.put("prod", EnvironmentRecord("prod", "green", ("r1", "r2"), Warm("blue", "r1", until)))
    gate = Gate("prod", ("lead",), clock(), until)
    run = Run("1", "deploy", "c", "s", "main", ("prod",), "ann", clock(), status="waiting", gate=gate)
    store.put("1", run)
    clock.set_by = hours
    rollouts.tend()
    warm, moved = rollouts.record_of("prod").warm, store.get(Run, "1")
    assert warm is not None
    assert moved is not None
    assert moved.gate is not None
    assert pytest.approx(until + hours, abs=1) == warm.until
    assert pytest.approx(until + hours, abs=1) == moved.gate.expires
    assert replace(run, gate=None) == replace(moved, gate=None)
