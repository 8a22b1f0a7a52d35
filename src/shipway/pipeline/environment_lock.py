"""One rollout at a time for each environment: a lock with an owner, a heartbeat and an expiry."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from shipway.core.errors import Refused
from shipway.core.ports import Store
from shipway.core.records import Event, Lock

EXPIRY = 30.0
PATIENCE = 1800.0


class LockLost(Exception):
    """Somebody else holds the environment: the machine slept, or its clock jumped. Who took it takes us back."""


class EnvironmentLocks:
    """The locks of all environments. `rest` waits a moment between two tries.

    Their age is measured on `steady`, a clock that nobody sets and that stands still while the machine sleeps.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float],
        rest: Callable[[], None],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._rest = rest
        self._steady = steady

    @contextmanager
    def held(self, environment: str, owner: str, run: str) -> Iterator[None]:
        """Hold the lock, waiting for it if need be. Raises Refused after half an hour."""
        began = self._steady()
        told = False
        while (held := self._store.take_lock(environment, owner, self._steady(), EXPIRY)) is not None:
            if not told:
                text = f"waits for {environment}: {held.owner} is at work there"
                self._store.add_event(Event("note", text, self._clock(), run, environment))
                told = True
            if self._steady() - began > PATIENCE:
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
        if self._store.take_lock(environment, owner, self._steady(), EXPIRY) is not None:
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
                # Nothing may end the heart: somebody else would take the environment from who still works in it.
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
