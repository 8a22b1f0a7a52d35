"""The machine's clock, and how far it was set: by NTP after a start without network, or by a person."""

from __future__ import annotations

from collections.abc import Callable

SLACK = 2.0
"""The most seconds that the two clocks may drift apart between two looks; more is a jump."""


class ClockJumps:
    """Compares a clock that may be set (Unix time) with a monotonic one (`time.monotonic`)."""

    def __init__(self, clock: Callable[[], float], steady: Callable[[], float]) -> None:
        self._clock = clock
        self._steady = steady
        self._apart = clock() - steady()

    def look(self) -> tuple[float, float]:
        """Unix time now, and by how many seconds the clock was set since the last look; 0 for what is only drift.

        A caller that waits for a time moves it by that many seconds, because that much time has not really passed.
        """
        now = self._clock()
        jump = now - self._steady() - self._apart
        self._apart += jump
        return now, jump if abs(jump) > SLACK else 0.0
