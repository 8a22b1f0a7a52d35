"""One rollout at a time for each environment: a lock with an owner, a heartbeat and an expiry."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from shipway.core.errors import Refused, ShipwayError
from shipway.core.ports import Store
from shipway.core.records import Event, Lock

EXPIRY = 30.0
PATIENCE = 1800.0


class LockLost(Exception):
    """Somebody else holds the environment: the machine slept, or its clock jumped. Who took it takes us back."""


class EnvironmentLocks:
    """The locks of all environments. `rest` waits a moment between two tries."""

    def __init__(self, store: Store, clock: Callable[[], float], rest: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._rest = rest

    @contextmanager
    def held(self, environment: str, owner: str, run: str) -> Iterator[None]:
        """Hold the lock, waiting for it if need be. Raises Refused after half an hour."""
        began = self._clock()
        told = False
        while (held := self._store.take_lock(environment, owner, self._clock(), EXPIRY)) is not None:
            if not told:
                text = f"waits for {environment}: {held.owner} is at work there"
                self._store.add_event(Event("note", text, self._clock(), run, environment))
                told = True
            if self._clock() - began > PATIENCE:
                raise Refused(
                    f"{environment} has been locked by {held.owner} for {PATIENCE / 60:.0f} minutes",
                    fix=f"shipway abort --env {environment}, or wait and retry",
                )
            self._rest()
        with self._beating(environment, owner):
            yield

    @contextmanager
    def held_if_free(self, environment: str, owner: str) -> Iterator[bool]:
        """Hold the lock if nobody else does; says whether it is held."""
        if self._store.take_lock(environment, owner, self._clock(), EXPIRY) is not None:
            yield False
            return
        with self._beating(environment, owner):
            yield True

    def check(self, environment: str, owner: str) -> None:
        """Raise LockLost when somebody else has taken the lock meanwhile."""
        held = self._store.get(Lock, environment)
        if held is not None and held.owner != owner:
            raise LockLost(f"{held.owner} holds {environment}")

    @contextmanager
    def _beating(self, environment: str, owner: str) -> Iterator[None]:
        """Keep a lock that was taken until the end, however long a drain or a migration inside lasts."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(EXPIRY / 6):
                with suppress(ShipwayError):
                    self._store.take_lock(environment, owner, self._clock(), EXPIRY)

        heart = threading.Thread(target=beat, name=f"lock-{environment}", daemon=True)
        heart.start()
        try:
            yield
        finally:
            ended.set()
            heart.join()
            self._store.release_lock(environment, owner)
