"""The signal that waiting runs wait for."""

from __future__ import annotations

import threading


class Bell:
    """Rung when something changed that a run may wait for: an answer, a run's end, an environment that is free.

    A waiting run notes `heard` before it looks at the records, so that no ring in between is missed.
    """

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._rung = threading.Condition()
        self.heard = 0

    def ring(self) -> None:
        """Wake all that wait."""
        with self._rung:
            self.heard += 1
            self._rung.notify_all()

    def wait(self, heard: int, seconds: float) -> None:
        """Wait for a ring after `heard`, at most so long. While the control plane goes down, wait for its end."""
        with self._rung:
            self._rung.wait_for(lambda: self.heard != heard, seconds)
        if self._stopping.is_set():
            threading.Event().wait()
