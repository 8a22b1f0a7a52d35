"""Is the candidate good? Compared with the stable release serving at the same time, from what clients saw.

Error rates: Wilson's score interval (Wilson 1927) for one side, Newcombe's hybrid score interval for the difference
(Newcombe 1998, method 10). Latency: order-statistic bounds of the 95th percentile (Conover 1999, 3.2).

Figures that are worse than allowed, but could still be chance, are no reason to roll back nor to go on: the step holds.
A request that has waited longer than the longest allowed latency already counts as failed.
"""

from __future__ import annotations

import math
from dataclasses import replace

from shipway.core.description.app import Guard
from shipway.core.observations.observation import Traffic
from shipway.core.verdicts.intervals import quantile, quantile_bounds, repeated_z, wilson
from shipway.core.verdicts.verdict import Count, Verdict

MIN_LATENCIES = 20
_LIKELY = 1.0
"""A difference that exceeds what is allowed by this many standard errors is probably not chance."""


def judge(guard: Guard, candidate: Traffic, stable: Traffic | None, *, seen_in_step: int) -> Verdict:
    """The verdict on what clients saw since the candidate first took traffic.

    `stable` is None when it is unhealthy or absent: then only the absolute limits apply. `seen_in_step` counts the
    candidate's requests since the current step began; a step needs `min_requests` of its own to pass.
    """
    candidate, stable = _with_hanging(candidate, guard), _with_hanging(stable, guard) if stable else None
    bad = _errors(guard, candidate, stable) or _latency(guard, candidate, stable)
    if bad is not None:
        return Verdict("rollback", bad)
    errors, slowness = _suspicion(guard, candidate, stable), _slowness(guard, candidate, stable)
    if errors is not None or slowness is not None:
        likely = slowness is not None or _likely_failing(guard, candidate, stable)
        return Verdict("hold", f"{errors or slowness}: not conclusive yet", suspects=likely)
    if seen_in_step < guard.min_requests:
        return _lacks(Count("requests", seen_in_step, guard.min_requests))
    if len(candidate.latencies) < MIN_LATENCIES:
        return _lacks(Count("latencies", len(candidate.latencies), MIN_LATENCIES))
    return Verdict("promote", f"{candidate.errors} of {candidate.requests:,} requests failed")


def _with_hanging(traffic: Traffic, guard: Guard) -> Traffic:
    """The traffic with its hanging requests among the failures."""
    hanging = min(traffic.hanging(guard.max_latency), traffic.requests - traffic.errors)
    if hanging <= 0:
        return traffic
    worst = f"no answer within {_ms(guard.max_latency)} ×{hanging}"
    return replace(traffic, errors=traffic.errors + hanging, worst=worst)


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
    """More failures than allowed, though chance could still explain it: more evidence is needed."""
    if candidate.requests == 0:
        return None
    rate = candidate.errors / candidate.requests
    allowed = guard.max_error_rate / 100
    if stable is not None and stable.requests:
        allowed = min(allowed, stable.errors / stable.requests + guard.max_error_increase / 100)
    return _failed(candidate, stable) if rate > allowed else None


def _likely_failing(guard: Guard, candidate: Traffic, stable: Traffic | None) -> bool:
    if candidate.requests < guard.min_requests_to_fail:
        return False
    low, _ = wilson(candidate.errors, candidate.requests, _LIKELY)
    if low > guard.max_error_rate / 100:
        return True
    if stable is None or stable.requests < guard.min_requests_to_fail:
        return False
    return difference_low(candidate, stable, _LIKELY) > guard.max_error_increase / 100


def _slowness(guard: Guard, candidate: Traffic, stable: Traffic | None) -> str | None:
    """A 95th percentile beyond what is allowed, though it could still be chance.

    Where about as many of stable's answers exceed the limit, its percentile lies just below a jump in the latencies;
    a candidate whose percentile lies just above that jump is not slower.
    """
    if len(candidate.latencies) < MIN_LATENCIES:
        return None
    ours = _until_now(candidate)
    slow = quantile(ours)
    if slow > guard.max_latency:
        return f"95th percentile {_ms(slow)}, allowed {_ms(guard.max_latency)}"
    theirs = _until_now(stable) if stable is not None else []
    if not theirs:
        return None
    base = quantile(theirs)
    limit = max(base * guard.max_latency_ratio, base + guard.latency_tolerance)
    beyond, usual = (Traffic(len(all), sum(seconds > limit for seconds in all)) for all in (ours, theirs))
    if slow > limit and difference_low(beyond, usual, _LIKELY) > 0:
        return f"95th percentile {_ms(slow)}, stable {_ms(base)} (allowed: {guard.max_latency_ratio:g} ×)"
    return None


def _until_now(traffic: Traffic) -> list[float]:
    """The latencies, with those of requests under way as far as they are known.

    Latencies are sampled at high rates and the requests under way are not, so these are thinned in the same proportion.
    """
    share = min(1.0, len(traffic.latencies) / traffic.requests) if traffic.requests else 0.0
    return [*traffic.latencies, *traffic.waiting[: round(share * len(traffic.waiting))]]


def _z(guard: Guard, samples: int) -> float:
    return repeated_z(guard.confidence, samples, guard.min_requests_to_fail)


def difference_low(candidate: Traffic, stable: Traffic, z: float) -> float:
    """Lower bound of the candidate's error rate minus stable's (Newcombe's hybrid score interval)."""
    rate, base = candidate.errors / candidate.requests, stable.errors / stable.requests
    low, _ = wilson(candidate.errors, candidate.requests, z)
    _, high = wilson(stable.errors, stable.requests, z)
    return (rate - base) - math.sqrt((rate - low) ** 2 + (high - base) ** 2)


def _failed(candidate: Traffic, stable: Traffic | None) -> str:
    share = 100 * candidate.errors / candidate.requests
    base = "no stable to compare with"
    if stable is not None and stable.requests:
        base = f"stable {100 * stable.errors / stable.requests:.3g} %"
    worst = f"; worst: {candidate.worst}" if candidate.worst else ""
    return f"failed {candidate.errors:,} of {candidate.requests:,} requests ({share:.3g} %, {base}){worst}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
