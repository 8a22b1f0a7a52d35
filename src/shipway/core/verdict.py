"""Is the candidate good? Compared with the stable release serving at the same time, from what clients saw.

Error rates: Wilson's score interval (Wilson 1927) for one side, Newcombe's hybrid score interval for the difference
(Newcombe 1998, method 10). Latency: order-statistic bounds of the 95th percentile (Conover 1999, 3.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from shipway.core.description import Guard
from shipway.core.observation import Traffic

MIN_LATENCIES = 20
_QUANTILE = 0.95


@dataclass(frozen=True, slots=True)
class Count:
    """How many of something were seen, and how many are needed; `probes` says that the app's own are among them."""

    what: Literal["requests", "latencies", "predictions", "tasks"]
    seen: int
    needed: int
    side: Literal["candidate", "stable"] = "candidate"
    probes: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why in one sentence. `counts` are what a hold that lacks something has seen of it."""

    kind: Literal["promote", "rollback", "hold"]
    reason: str
    lacking: bool = False
    """A hold that only wants more requests: nothing speaks against the candidate."""
    counts: tuple[Count, ...] = ()


def judge(guard: Guard, candidate: Traffic, stable: Traffic | None, *, seen_in_step: int) -> Verdict:
    """The verdict on what clients saw since the candidate first took traffic.

    `stable` is None when it is unhealthy or absent: then only the absolute floors speak. `seen_in_step` counts the
    candidate's requests since the current step began; a step needs `min_requests` of its own to pass.
    """
    bad = _errors(guard, candidate, stable) or _latency(guard, candidate, stable)
    if bad is not None:
        return Verdict("rollback", bad)
    suspicion = _suspicion(guard, candidate, stable)
    if suspicion is not None:
        return Verdict("hold", suspicion)
    if seen_in_step < guard.min_requests:
        return _lacks(Count("requests", seen_in_step, guard.min_requests))
    if len(candidate.latencies) < MIN_LATENCIES:
        return _lacks(Count("latencies", len(candidate.latencies), MIN_LATENCIES))
    return Verdict("promote", f"{candidate.errors} of {candidate.requests:,} requests failed")


def _lacks(count: Count) -> Verdict:
    return Verdict("hold", f"{count.seen} of {count.needed} {count.what} seen", lacking=True, counts=(count,))


def _errors(guard: Guard, candidate: Traffic, stable: Traffic | None) -> str | None:
    if candidate.requests < guard.min_requests_to_fail:
        return None
    z = _z(guard, candidate.requests)
    low, _ = wilson(candidate.errors, candidate.requests, z)
    if low > guard.max_error_rate / 100:
        return _failed(candidate, stable)
    if stable is None or stable.requests < guard.min_requests_to_fail:
        return None
    if difference_low(candidate, stable, z) > guard.max_error_increase / 100:
        return _failed(candidate, stable)
    return None


def _latency(guard: Guard, candidate: Traffic, stable: Traffic | None) -> str | None:
    if len(candidate.latencies) < MIN_LATENCIES:
        return None
    z = _z(guard, len(candidate.latencies))
    low, _ = quantile_bounds(candidate.latencies, z)
    if low > guard.max_latency:
        return f"95th percentile above {_ms(low)}, allowed {_ms(guard.max_latency)}"
    if stable is None or len(stable.latencies) < MIN_LATENCIES:
        return None
    _, high = quantile_bounds(stable.latencies, z)
    if low > high * guard.max_latency_ratio and low - high > guard.latency_tolerance:
        return f"95th percentile above {_ms(low)}, stable below {_ms(high)} (allowed: {guard.max_latency_ratio:g} ×)"
    return None


def _suspicion(guard: Guard, candidate: Traffic, stable: Traffic | None) -> str | None:
    """Worse than allowed, though chance could still explain it: more evidence is needed."""
    if candidate.requests == 0:
        return None
    rate = candidate.errors / candidate.requests
    allowed = guard.max_error_rate / 100
    if stable is not None and stable.requests:
        allowed = min(allowed, stable.errors / stable.requests + guard.max_error_increase / 100)
    if rate > allowed:
        return f"{_failed(candidate, stable)}: not conclusive yet"
    return None


def repeated_z(confidence: float, samples: int, first: int) -> float:
    """The one-sided normal quantile, corrected for looking again and again, `first` at that many samples.

    A verdict is asked for several times a second, so a fixed level would sooner or later cry wolf. The error budget
    is spent over doublings k of the sample, 1 / (k (k + 1)) each, which sums to one.
    """
    doubling = 1 + max(0, int(math.log2(samples / first)))
    return NormalDist().inv_cdf(1 - (1 - confidence) / (doubling * (doubling + 1)))


def _z(guard: Guard, samples: int) -> float:
    return repeated_z(guard.confidence, samples, guard.min_requests_to_fail)


def wilson(errors: int, requests: int, z: float) -> tuple[float, float]:
    """Wilson's score interval of a proportion; `requests` > 0.

    >>> [round(bound, 3) for bound in wilson(5, 10, 1.96)]
    [0.237, 0.763]
    """
    rate = errors / requests
    centre = rate + z * z / (2 * requests)
    spread = z * math.sqrt(rate * (1 - rate) / requests + z * z / (4 * requests * requests))
    scale = 1 + z * z / requests
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def difference_low(candidate: Traffic, stable: Traffic, z: float) -> float:
    """Lower bound of the candidate's error rate minus stable's (Newcombe's hybrid score interval)."""
    rate, base = candidate.errors / candidate.requests, stable.errors / stable.requests
    low, _ = wilson(candidate.errors, candidate.requests, z)
    _, high = wilson(stable.errors, stable.requests, z)
    return (rate - base) - math.sqrt((rate - low) ** 2 + (high - base) ** 2)


def quantile_bounds(samples: Sequence[float], z: float) -> tuple[float, float]:
    """Bounds of the 95th percentile from order statistics; `samples` is not empty.

    The upper bound is infinite where the sample is too small to give one.
    """
    ordered = sorted(samples)
    count = len(ordered)
    centre, spread = count * _QUANTILE, z * math.sqrt(count * _QUANTILE * (1 - _QUANTILE))
    below, above = math.floor(centre - spread) - 1, math.ceil(centre + spread)
    return (ordered[below] if below >= 0 else 0.0), (ordered[above] if above < count else math.inf)


def _failed(candidate: Traffic, stable: Traffic | None) -> str:
    share = 100 * candidate.errors / candidate.requests
    base = "no stable to compare with"
    if stable is not None and stable.requests:
        base = f"stable {100 * stable.errors / stable.requests:.3g} %"
    worst = f"; worst: {candidate.worst}" if candidate.worst else ""
    return f"failed {candidate.errors:,} of {candidate.requests:,} requests ({share:.3g} %, {base}){worst}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
