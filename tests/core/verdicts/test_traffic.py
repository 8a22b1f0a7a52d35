"""Verdicts: what evidence promotes, what rolls back, and what is not enough to say."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.description.app import Guard
from shipway.core.observations.observation import Traffic
from shipway.core.verdicts.intervals import quantile_bounds, wilson
from shipway.core.verdicts.traffic import difference_low, judge

GUARD = Guard()
FAST = tuple([0.005] * 100)
counts = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def traffic(requests: int, errors: int = 0, latencies: tuple[float, ...] = FAST) -> Traffic:
    return Traffic(requests, errors, latencies, "e")


def verdict(candidate: Traffic, stable: Traffic | None, guard: Guard = GUARD) -> str:
    return judge(guard, candidate, stable, seen_in_step=candidate.requests).kind


def test_good_candidate_is_promoted() -> None:
    """Enough requests without an error on either side promote."""
    assert "promote" == verdict(traffic(200), traffic(2000))


def test_too_few_requests_hold() -> None:
    """Fewer requests than the minimum are `hold`, whatever they say."""
    assert "hold" == verdict(traffic(49), traffic(2000))
    assert "hold" == verdict(traffic(7, 7), traffic(2000))


def test_no_traffic_holds() -> None:
    """No traffic at all neither promotes nor fails the candidate."""
    assert "hold" == verdict(Traffic(), Traffic())


def test_half_failing_is_rolled_back_within_few_requests() -> None:
    """A candidate that fails half of its requests is bad after eight of them."""
    assert "rollback" == verdict(traffic(8, 5), traffic(160))


def test_missing_latency_holds() -> None:
    """A metric that can't be read is `hold`, not a pass."""
    assert "hold" == verdict(traffic(500, latencies=()), traffic(2000))


def test_stable_that_fails_as_often_excuses_the_candidate_below_the_floor() -> None:
    """Errors that stable makes too are no reason to go back to it."""
    assert "promote" == verdict(traffic(5000, 100), traffic(5000, 110))


def test_absolute_floor_holds_whatever_stable_does() -> None:
    """A candidate above the floor is bad though stable is as bad."""
    assert "rollback" == verdict(traffic(1000, 400), traffic(1000, 400))


def test_unhealthy_stable_leaves_only_the_floors() -> None:
    """A fix can be deployed while stable is down: nothing is compared."""
    assert "promote" == verdict(traffic(1000, 20), None)


def test_slow_candidate_is_rolled_back() -> None:
    """A 95th percentile far above stable's is bad."""
    assert "rollback" == verdict(traffic(500, latencies=(0.9,) * 500), traffic(500, latencies=(0.1,) * 500))


def test_small_latency_differences_are_tolerated() -> None:
    """Ten milliseconds against two is three times as slow and still nothing a client feels."""
    assert "promote" == verdict(traffic(500, latencies=(0.010,) * 500), traffic(500, latencies=(0.002,) * 500))


def test_latency_floor() -> None:
    """Slower than the absolute floor is bad without any stable."""
    assert "rollback" == verdict(traffic(500, latencies=(9.0,) * 500), None)


@given(counts, st.floats(0.5, 4))
def test_wilson_contains_the_rate(count: tuple[int, int], z: float) -> None:
    """The interval lies in [0, 1] and holds the observed rate."""
    errors, requests = count
    low, high = wilson(errors, requests, z)
    assert 0 <= low <= errors / requests + 1e-12
    assert errors / requests - 1e-12 <= high <= 1


@given(counts, counts)
def test_difference_bound_lies_below_the_difference(candidate: tuple[int, int], stable: tuple[int, int]) -> None:
    """Newcombe's lower bound never exceeds the observed difference."""
    ours, theirs = traffic(candidate[1], candidate[0]), traffic(stable[1], stable[0])
    observed = candidate[0] / candidate[1] - stable[0] / stable[1]
    assert difference_low(ours, theirs, 2.3) <= observed + 1e-12


def test_difference_bound_equals_the_published_example() -> None:
    """Newcombe (1998), table II, 56/70 against 48/80, method 10: the lower bound is 0.0524."""
    low = difference_low(traffic(70, 56), traffic(80, 48), 1.959964)
    assert 0.0524 == pytest.approx(low, abs=5e-5)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=400), st.floats(0.5, 4))
def test_quantile_bounds_are_ordered(samples: list[float], z: float) -> None:
    """The lower bound never exceeds the upper one."""
    low, high = quantile_bounds(samples, z)
    assert low <= high


@given(counts, counts, st.integers(0, 500))
def test_more_errors_never_help(candidate: tuple[int, int], stable: tuple[int, int], extra: int) -> None:
    """A candidate that is rolled back would be rolled back with more errors, too."""
    ours, theirs = traffic(candidate[1], candidate[0]), traffic(stable[1], stable[0])
    worse = replace(ours, errors=min(ours.requests, ours.errors + extra))
    if "rollback" == verdict(ours, theirs):
        assert "rollback" == verdict(worse, theirs)


@pytest.mark.parametrize("rate", [0.0, 0.005, 0.02])
def test_equal_sides_are_hardly_ever_rolled_back(rate: float) -> None:
    """Looked at after every ten requests, equal sides are rolled back in at most 3 % of 400 rollouts."""
    chance = random.Random(f"equal {rate}")
    alarms = 0
    for _ in range(400):
        ours = theirs = traffic(0)
        for _ in range(60):
            ours = traffic(ours.requests + 10, ours.errors + sum(chance.random() < rate for _ in range(10)))
            theirs = traffic(theirs.requests + 90, theirs.errors + sum(chance.random() < rate for _ in range(90)))
            if "rollback" == verdict(ours, theirs):
                alarms += 1
                break
    assert alarms <= 12


@pytest.mark.parametrize(("rate", "at_most"), [(0.5, 30), (0.2, 120), (0.1, 400)])
def test_bad_candidates_are_found_soon(rate: float, at_most: int) -> None:
    """The median number of requests until a bad candidate is rolled back stays small."""
    chance = random.Random(f"bad {rate}")
    needed = []
    for _ in range(101):
        ours = traffic(0)
        while ours.requests < 5000 and "rollback" != verdict(ours, traffic(5000)):
            ours = traffic(ours.requests + 1, ours.errors + (chance.random() < rate))
        needed.append(ours.requests)
    assert sorted(needed)[50] <= at_most
