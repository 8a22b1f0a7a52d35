"""How many requests came in the last minutes, from the router's counters read now and then."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import Side
from shipway.core.verdicts.lately import Lately, SeenLately
from shipway.local.router.router import Counters, Router

SPAN = 300.0
_APART = 10.0
Key = tuple[Side, str | None, str]
"""A side, the release on it, and one of its services: earlier requests on that side belong to another release."""


@dataclass(slots=True)
class _Kept:
    """An environment's counters at the last look, and the requests between two looks: when, and how many for each."""

    began: float
    last: Counters
    gained: deque[tuple[float, dict[Key, tuple[int, int]]]] = field(default_factory=deque)


class Meter:
    """Keeps some thirty looks for each environment. Without a router it goes on with what it has."""

    def __init__(self, router: Router, clock: Callable[[], float] = time.monotonic) -> None:
        self._router = router
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}

    def look(self, environment: str, *, now: bool = True) -> None:
        """Take note of the counters: now, or if the last look is some seconds ago."""
        with self._lock:
            kept = self._kept.get(environment)
            if now or kept is None or not kept.gained or self._clock() - kept.gained[-1][0] >= _APART:
                with suppress(ShipwayError, OSError):
                    self._look(environment)

    def seen(self, environment: str, side: Side, release: str, service: str) -> Lately:
        """What clients saw of the release's service in the last minutes, or since the first look."""
        with self._lock:
            kept = self._kept.get(environment)
            if kept is None:
                return Lately(0.0)
            now, key = self._clock(), (side, release, service)
            parts = [gained[key] for at, gained in kept.gained if at > now - SPAN and key in gained]
            return Lately(min(SPAN, now - kept.began), sum(part[0] for part in parts), sum(part[1] for part in parts))

    def lately(self, environment: str, side: Side, release: str, services: Iterable[str]) -> SeenLately:
        """All that clients saw of the release until now, service by service."""
        self.look(environment)
        return SeenLately(
            {service: self.seen(environment, side, release, service) for service in services},
            self._router.latencies(environment, side, self._clock() - SPAN),
            self._router.worst(environment, side),
        )

    def _look(self, environment: str) -> None:
        now, counters = self._clock(), self._router.counters(environment)
        kept = self._kept.setdefault(environment, _Kept(now, counters))
        before = kept.last.by_service if kept.last.epoch == counters.epoch else {}
        gained: dict[Key, tuple[int, int]] = {}
        for (side, service), (requests, errors) in counters.by_service.items():
            old = before.get((side, service), (0, 0))
            # The requests of a side since the last look belong to the release that it had then.
            gained[side, kept.last.releases.get(side), service] = (requests - old[0], errors - old[1])
        kept.last = counters
        if kept.gained and now - kept.gained[-1][0] < _APART:
            now, latest = kept.gained.pop()
            gained = {key: _sum(latest.get(key), gained.get(key)) for key in latest | gained}
        kept.gained.append((now, gained))
        while kept.gained[0][0] <= self._clock() - SPAN:
            kept.gained.popleft()


def _sum(one: tuple[int, int] | None, other: tuple[int, int] | None) -> tuple[int, int]:
    (a, b), (c, d) = one or (0, 0), other or (0, 0)
    return a + c, b + d
