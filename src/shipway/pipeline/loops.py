"""The daemon's loops, each in a thread of its own: no error in a look ends a loop, and all are watched."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from shipway.core.daemon.loops import Loop
from shipway.core.errors import ShipwayError

_log = logging.getLogger(__name__)


class Loops:
    """Starts loops and knows their state. `clock` is monotonic, such as `time.monotonic`."""

    def __init__(self, stopping: threading.Event, clock: Callable[[], float]) -> None:
        self._stopping = stopping
        self._clock = clock
        self._running: list[_Running] = []

    def start(
        self, name: str, purpose: str, look: Callable[[], None], every: Callable[[], float], patience: float
    ) -> None:
        """Call `look` again and again, `every` seconds after the last one ended, until the daemon stops."""
        loop = _Running(name, purpose, look, every, patience, self._clock)
        loop.thread = threading.Thread(target=loop.run, args=(self._stopping,), name=name, daemon=True)
        self._running.append(loop)
        loop.thread.start()

    def now(self) -> Sequence[Loop]:
        """Every loop as it is now."""
        return [loop.now() for loop in self._running]


class _Running:
    def __init__(
        self,
        name: str,
        purpose: str,
        look: Callable[[], None],
        every: Callable[[], float],
        patience: float,
        clock: Callable[[], float],
    ) -> None:
        self.name, self.purpose, self.patience = name, purpose, patience
        self.thread: threading.Thread | None = None
        self._look, self._every, self._clock = look, every, clock
        self._beat = clock()
        self._failing_since: float | None = None
        self._trouble = ""

    def run(self, stopping: threading.Event) -> None:
        pause = 0.0
        while not stopping.wait(pause):
            try:
                self._look()
            except Exception as error:
                self._failed(error)
            else:
                self._failing_since, self._trouble = None, ""
            self._beat = self._clock()
            pause = 1.0
            with suppress(Exception):
                pause = self._every()

    def now(self) -> Loop:
        now, failing_since = self._clock(), self._failing_since
        alive = self.thread is not None and self.thread.is_alive()
        failing_for = 0.0 if failing_since is None else now - failing_since
        return Loop(self.name, self.purpose, self.patience, alive, now - self._beat, failing_for, self._trouble)

    def _failed(self, error: Exception) -> None:
        trouble = error.what if isinstance(error, ShipwayError) else f"{type(error).__name__}: {error}"
        if trouble != self._trouble:
            # Once for as long as it lasts: reports of a full disk must not fill it.
            _log.exception("%s: a look failed; it is tried again", self.name)
        self._failing_since = self._clock() if self._failing_since is None else self._failing_since
        self._trouble = trouble
