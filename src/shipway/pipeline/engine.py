"""Carries live runs out. The state of a run is in its record alone; here are only threads."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

AGAIN = 5.0
_log = logging.getLogger(__name__)


class Engine:
    """A thread for each live run. `carry_out` brings a run to its end, going on from its record."""

    def __init__(self, carry_out: Callable[[str], None], stopping: threading.Event) -> None:
        self._carry_out = carry_out
        self._stopping = stopping
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}

    def start(self, id: str) -> None:
        """Carry a run out in the background. Does nothing for a run that is being carried out already."""
        with self._lock:
            if id in self._threads:
                return
            thread = threading.Thread(target=self._carry, args=(id,), name=f"run-{id}", daemon=True)
            self._threads[id] = thread
            try:
                thread.start()
            except RuntimeError:
                # The machine has no more threads. The run is in the store: the next `start` can carry it out.
                del self._threads[id]
                _log.exception("run %s can't be carried out now", id)

    def join(self, seconds: float) -> bool:
        """Wait until every run that was started has ended; says whether that is so."""
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in threads)

    def _carry(self, id: str) -> None:
        try:
            while not self._carried_out(id) and not self._stopping.wait(AGAIN):
                pass
        finally:
            with self._lock:
                del self._threads[id]

    def _carried_out(self, id: str) -> bool:
        try:
            self._carry_out(id)
        except Exception:  # such as a full disk: a step that can't be recorded is tried again
            _log.exception("run %s could not be carried out; it goes on in %.0f s", id, AGAIN)
            return False
        return True
