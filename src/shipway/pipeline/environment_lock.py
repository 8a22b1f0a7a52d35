"""One rollout at a time for each environment: a lock with an owner, a heartbeat and an expiry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from shipway.core.events import Event
from shipway.core.ports.state import Store
from shipway.core.rollouts.records import Lock
from shipway.pipeline.bell import Bell

EXPIRY = 30.0
LOOK = 5.0


class LockLost(Exception):
    """Another owner holds the environment: the machine slept, or its clock jumped. That owner rolls us back."""


class EnvironmentLocks:
    """The locks of all environments. The bell rings when one is given back.

    Their age is measured on `steady`, a monotonic clock that stands still while the machine sleeps.
    """

    def __init__(
        self, store: Store, clock: Callable[[], float], bell: Bell, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._clock = clock
        self._bell = bell
        self._steady = steady

    @contextmanager
    def held(self, environment: str, owner: str, run: str, turn: Callable[[], str | None]) -> Iterator[None]:
        """Hold the lock once it is free and `turn` names nothing to wait for. An error of `turn` ends the wait."""
        told: str | None = None
        while True:
            heard = self._bell.heard
            waits = turn() or self._taken(environment, owner)
            if waits is None:
                with self._beating(environment, owner):
                    # Asked again: now that we hold the environment, no other run can enter before us.
                    waits = turn()
                    if waits is None:
                        yield
                        return
            if waits != told:
                self._store.add_event(
                    Event("note", f"waits for {environment}: {waits}", self._clock(), run, environment)
                )
                told = waits
            self._bell.wait(heard, LOOK)

    @contextmanager
    def held_if_free(self, environment: str, owner: str) -> Iterator[bool]:
        """Hold the lock if no other owner does; says whether it is held."""
        if self._taken(environment, owner) is not None:
            yield False
            return
        with self._beating(environment, owner):
            yield True

    def check(self, environment: str, owner: str) -> None:
        """Raise LockLost when another owner has taken the lock meanwhile."""
        held = self._store.get(Lock, environment)
        if held is not None and held.owner != owner:
            raise LockLost(f"{held.owner} holds {environment}")

    def _taken(self, environment: str, owner: str) -> str | None:
        """Take the lock; if another owner holds it, return a text that names that owner."""
        held = self._store.take_lock(environment, owner, self._steady(), EXPIRY)
        return None if held is None else f"{held.owner} is at work there"

    @contextmanager
    def _beating(self, environment: str, owner: str) -> Iterator[None]:
        """Keep the lock by a heartbeat, however long a drain or a migration inside lasts, then give it back."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(EXPIRY / 6):
                # No error may end the heartbeat: another owner would take the environment while we still work in it.
                with suppress(Exception):
                    self._store.take_lock(environment, owner, self._steady(), EXPIRY)

        heart = threading.Thread(target=beat, name=f"lock-{environment}", daemon=True)
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()
            self._store.release_lock(environment, owner)
            self._bell.ring()
