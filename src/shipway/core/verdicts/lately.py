"""What clients saw of a service in the last minutes, also while no rollout is under way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shipway.core.description.app import Guard
from shipway.core.verdicts.intervals import repeated_z, wilson


@dataclass(frozen=True, slots=True)
class Lately:
    """Requests of the last `seconds` seconds, and how many of them failed: 5xx answers and requests that got none."""

    seconds: float
    requests: int = 0
    errors: int = 0

    def fails(self, guard: Guard) -> bool:
        """Whether the error rate is surely above the guard's absolute limit, which needs no other release."""
        if self.requests < guard.min_requests_to_fail:
            return False
        low, _ = wilson(self.errors, self.requests, repeated_z(guard.confidence, self.requests, self.requests))
        return low > guard.max_error_rate / 100


@dataclass(frozen=True, slots=True)
class SeenLately:
    """What clients saw of each service, with sampled `latencies` in seconds and the most frequent failure."""

    services: Mapping[str, Lately]
    latencies: tuple[float, ...] = ()
    worst: str = ""


def together(parts: Iterable[Lately]) -> Lately:
    """The sum of several services."""
    parts = list(parts)
    return Lately(
        max((part.seconds for part in parts), default=0.0),
        sum(part.requests for part in parts),
        sum(part.errors for part in parts),
    )
