"""How often one device may ask: what is more is answered 429, which the updater heeds."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

BURST, PER_SECOND = 30.0, 0.5
_MOST_KEPT = 20_000


class Limits:
    """A token bucket for each device, within this task; the devices that asked longest ago are forgotten first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, device: str) -> int:
        """Seconds that the device must wait; 0 lets it in, and counts."""
        now = self._clock()
        tokens, at = self._buckets.pop(device, (BURST, now))
        tokens = min(BURST, tokens + (now - at) * PER_SECOND)
        let_in = tokens >= 1
        self._buckets[device] = (tokens - 1 if let_in else tokens, now)
        if len(self._buckets) > _MOST_KEPT:
            self._buckets.popitem(last=False)
        return 0 if let_in else math.ceil((1 - tokens) / PER_SECOND)
