"""The figures of versions beside one another, and the verdict on a candidate."""

from __future__ import annotations

import doctest
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.contract.distribution import Distribution
from shipway.core.contract.wanted import Shadow
from shipway.core.description.app import Guard, Quality
from shipway.core.experiments import report
from shipway.core.experiments.figures import Counters, Figures, ShadowCounters, since, together
from shipway.core.experiments.report import MOST_LATENCIES, judge_version, quantile, report_shadow, report_version
from shipway.core.verdicts.verdict import Verdict

GUARD, QUALITY = Guard(), Quality()
COUNTS = st.lists(st.integers(0, 50), min_size=4, max_size=4)


def sketch(*values: float) -> Distribution:
    """Values in buckets of a hundredth."""
    places = sorted(int(value * 100) for value in values)
    buckets = tuple((place / 100, (place + 1) / 100, places.count(place)) for place in dict.fromkeys(places))
    return Distribution(len(values), sum(values), buckets)


def counters(requests: int, errors: int = 0, mean: float = 0.3, seconds: float = 0.005) -> Counters:
    """A version that answered so often, with predictions around a mean."""
    chance = random.Random(7)
    predictions = sketch(*(min(1.0, max(0.0, chance.gauss(mean, 0.1))) for _ in range(requests)))
    return Counters(requests, errors, sketch(*[seconds] * requests), predictions)


def test_the_examples_hold() -> None:
    """What the documentation of the functions shows is so."""
    assert 0 == doctest.testmod(report).failed


@pytest.mark.parametrize(
    ("candidate", "kind", "reason"),
    [
        (counters(1000), "promote", "0 of 1,000 requests failed; predictions agree within 25 %; mean 0.303"),
        (counters(20), "hold", "20 of 50 requests seen"),
        (counters(100), "hold", "100 of 200 predictions seen of candidate"),
        (counters(300, errors=60), "rollback", "failed 60 of 300 requests (20 %, stable 0 %)"),
        (counters(1000, mean=0.7), "rollback", "predictions shifted by more than"),
        (counters(300, seconds=6.0), "rollback", "95th percentile above 6005 ms, allowed 5000 ms"),
        (counters(0), "hold", "0 of 50 requests seen"),
    ],
)
def test_a_candidate_is_judged_by_requests_and_predictions(candidate: Counters, kind: str, reason: str) -> None:
    """Errors and latency by the rules of a rollout, then what it predicts."""
    verdict = judge_version(GUARD, QUALITY, candidate, counters(1000))
    assert kind == verdict.kind
    assert reason in verdict.reason


def test_without_stable_requests_the_floors_speak() -> None:
    """A split of 100 % has no stable to compare with, and is still watched."""
    assert "hold" == judge_version(GUARD, QUALITY, counters(1000), Counters()).kind
    assert "rollback" == judge_version(GUARD, QUALITY, counters(300, errors=60), Counters()).kind


def test_many_latencies_are_judged_by_a_bounded_sample() -> None:
    """The sample keeps the shape: one in ten is slow, in a hundred thousand as in two thousand."""
    spread = Distribution(100_000, 1.0, ((0.001, 0.001, 90_000), (9.0, 9.0, 10_000)))
    traffic = report._traffic(Counters(100_000, 0, spread))
    assert MOST_LATENCIES == len(traffic.latencies)
    assert MOST_LATENCIES // 10 == traffic.latencies.count(9.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_lies_where_the_values_do(values: list[float], share: float) -> None:
    """As many values lie below it as asked, to the width of a bucket."""
    found = quantile(sketch(*values), share)
    below, not_above = sum(v < found - 0.011 for v in values), sum(v <= found + 0.011 for v in values)
    assert below <= share * len(values) <= not_above


@given(st.lists(COUNTS, min_size=1, max_size=4), COUNTS)
def test_what_came_later_is_the_difference(parts: list[list[int]], later: list[int]) -> None:
    """Tasks add up in any order, and a look less an earlier one is what came in between."""

    def figures(counts: list[int]) -> Figures:
        requests, errors, slow, high = counts
        latency, predictions = sketch(*[0.5] * slow), sketch(*[0.25] * high)
        return Figures({"v1.0": Counters(requests, errors, latency, predictions)}, ShadowCounters(compared=requests))

    before = together(figures(part) for part in parts)
    now = together([figures(later), before])
    assert now == together([before, figures(later)])
    assert figures(later).of("v1.0") == since(now, before).of("v1.0")
    assert sum(part[0] for part in parts) == before.of("v1.0").requests == before.shadow.compared
    assert Counters() == before.of("v9.9")


def test_the_report_tells_what_is_known() -> None:
    """Figures that nobody has counted yet are None, not zero."""
    empty = report_version("v1.2", 10.0, Counters(), counters(10), Verdict("hold", "0 of 50 requests seen"))
    assert (None, None, None) == (empty.p95, empty.mean, empty.shift)
    shifted = report_version("v1.2", 10.0, counters(500, mean=0.8), counters(500), Verdict("rollback", "bad"))
    assert shifted.shift is not None
    assert 0.7 < shifted.shift < 1.0
    assert pytest.approx(0.005) == shifted.p95
    assert report_version("v1.1", 90.0, counters(10), counters(10), None).shift is None


def test_the_shadow_is_reported_by_row() -> None:
    """Disagreement and mean difference of the rows that were compared."""
    counted = ShadowCounters(200, 20, 1, 2, 10.0, 0.5, sketch(0.5), sketch(0.25))
    report = report_shadow(Shadow("v1.3", 50.0), counted, Verdict("promote", "fine"))
    assert (0.1, 0.05, 0.5, 0.25) == (report.disagreement, report.mean_difference, report.mean, report.stable_mean)
    nothing = report_shadow(Shadow("v1.3"), ShadowCounters(), Verdict("hold", "0 rows"))
    assert (None, None, None) == (nothing.disagreement, nothing.mean_difference, nothing.mean)
