"""Is a model good: distributions in buckets, disagreement, and losses once labels are known."""

from __future__ import annotations

import bisect
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.contract.distribution import merged
from shipway.core.description.app import Quality
from shipway.core.observations.losses import Losses
from shipway.core.observations.predictions import TaskPredictions, predicted_since
from shipway.core.verdicts.model_quality import (
    Distribution,
    judge_disagreement,
    judge_losses,
    judge_predictions,
    ks_distance,
    proven_shift,
)

QUALITY = Quality()
EDGES = [1.04**n for n in range(-200, 1)]
samples = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=60)


def sketch(values: list[float], edges: list[float] | None = None) -> Distribution:
    """The values counted in buckets that begin at the edges."""
    edges = edges or EDGES
    counts: dict[int, int] = {}
    for value in values:
        place = bisect.bisect_right(edges, value) - 1
        counts[place] = counts.get(place, 0) + 1
    buckets = tuple((edges[n], edges[n + 1], count) for n, count in sorted(counts.items()))
    return Distribution(len(values), sum(values), buckets)


def exact(a: list[float], b: list[float]) -> float:
    """The distance at the edges of the buckets, from the values themselves."""
    return max(
        (abs(sum(v < edge for v in a) / len(a) - sum(v < edge for v in b) / len(b)) for edge in EDGES), default=0.0
    )


def around(mean: float, count: int, seed: int = 1) -> list[float]:
    """Values spread around a mean."""
    chance = random.Random(seed)
    return [min(0.999, max(0.001, chance.gauss(mean, 0.1))) for _ in range(count)]


@given(samples, samples)
def test_the_distance_is_that_of_the_values(a: list[float], b: list[float]) -> None:
    """Where both sides cut their buckets alike, nothing is lost at their bounds."""
    assert exact(a, b) == pytest.approx(ks_distance(sketch(a), sketch(b)))


@given(samples, samples, st.floats(1.01, 1.05))
def test_the_distance_is_symmetric_bounded_and_never_too_great(a: list[float], b: list[float], ratio: float) -> None:
    """Whatever way the buckets are cut, they prove no more than the values would."""
    other = [1.2 * ratio**-n for n in range(1000, -1, -1)]
    found = ks_distance(sketch(a), sketch(b, other))
    assert found == ks_distance(sketch(b, other), sketch(a))
    everywhere = sorted({*a, *b})
    truth = max(abs(sum(v <= x for v in a) / len(a) - sum(v <= x for v in b) / len(b)) for x in everywhere)
    assert 0 <= found <= truth + 1e-9


@given(samples, st.floats(1.01, 1.05))
def test_the_cut_alone_is_no_shift(values: list[float], ratio: float) -> None:
    """The same values in other buckets are at distance 0."""
    other = [1.2 * ratio**-n for n in range(1000, -1, -1)]
    assert 0 == ks_distance(sketch(values), sketch(values, other))


@given(samples, samples, st.floats(0, 0.5))
def test_slack_forgives_small_moves(a: list[float], b: list[float], slack: float) -> None:
    """Never more than without it, nothing where every value moved by less, and symmetric."""
    found = ks_distance(sketch(a), sketch(b), slack)
    assert 0 <= found <= ks_distance(sketch(a), sketch(b))
    assert found == ks_distance(sketch(b), sketch(a), slack)
    moved = [value + slack * 0.9 for value in a]
    finer = [n / 5000 for n in range(10_000)]
    assert 0 == ks_distance(sketch(a, finer), sketch(moved, finer), slack + 1e-3)


def test_a_harmless_move_of_few_predictions_is_no_shift() -> None:
    """A model of two leaves whose values moved by a hair predicts otherwise everywhere, and yet the same."""
    stable = Distribution(2000, 800.0, ((0.2, 0.21, 1000), (0.6, 0.61, 1000)))
    hair = Distribution(2000, 830.0, ((0.21, 0.22, 1000), (0.62, 0.63, 1000)))
    assert 1.0 > ks_distance(hair, stable) >= 0.5
    assert "promote" == judge_predictions(QUALITY, hair, stable).kind
    swapped = Distribution(2000, 1120.0, ((0.2, 0.21, 200), (0.6, 0.61, 1800)))
    assert "rollback" == judge_predictions(QUALITY, swapped, stable).kind
    elsewhere = Distribution(2000, 1120.0, ((0.3, 0.31, 1000), (0.7, 0.71, 1000)))
    assert "rollback" == judge_predictions(QUALITY, elsewhere, stable).kind


def test_single_values_are_told_apart() -> None:
    """A bucket without width holds one value, as a sketch counts zeros."""
    a = Distribution(10, 0.0, ((0.0, 0.0, 10),))
    b = Distribution(10, 10.0, ((1.0, 1.0, 10),))
    assert (0.0, 1.0) == (ks_distance(a, a), ks_distance(a, b))
    assert 0.0 == ks_distance(a, Distribution())


@given(st.lists(samples, min_size=1, max_size=4))
def test_tasks_are_merged_into_one(parts: list[list[float]]) -> None:
    """The sum of the tasks is what one task would have counted."""
    together = sketch([value for part in parts for value in part])
    found = merged(sketch(part) for part in parts)
    assert together.buckets == found.buckets
    assert (together.count, pytest.approx(together.sum)) == (found.count, found.sum)


@given(samples, samples)
def test_what_came_since_the_baseline(before: list[float], after: list[float]) -> None:
    """A task's counts at the baseline are taken away; a task that began anew counts whole."""
    then = TaskPredictions("a", "1", sketch(before))
    now = TaskPredictions("a", "1", sketch(before + after))
    assert sketch(after).buckets == predicted_since([now], [then]).buckets
    anew = TaskPredictions("a", "2", sketch(after))
    fresh = TaskPredictions("b", "1", sketch(after))
    assert 2 * len(after) == predicted_since([anew, fresh], [then]).count


def test_the_same_model_is_not_called_shifted() -> None:
    """Of 200 looks at two samples of one distribution none is a rollback."""
    kinds = {
        judge_predictions(QUALITY, sketch(around(0.3, 200, n)), sketch(around(0.3, 3000, n + 500))).kind
        for n in range(200)
    }
    assert {"promote"} == kinds


def test_a_shifted_model_is_rolled_back_and_both_means_are_told() -> None:
    """Predictions far from stable's are reason enough, once there are enough of them."""
    verdict = judge_predictions(QUALITY, sketch(around(0.7, 200)), sketch(around(0.3, 200)))
    assert "rollback" == verdict.kind
    assert "allowed 25 %; mean 0.7" in verdict.reason
    assert "stable 0.3" in verdict.reason


@pytest.mark.parametrize(("candidate", "stable", "whose"), [(199, 5000, "candidate"), (5000, 199, "stable")])
def test_few_predictions_hold(candidate: int, stable: int, whose: str) -> None:
    """However far apart: too few on either side say nothing."""
    verdict = judge_predictions(QUALITY, sketch(around(0.9, candidate)), sketch(around(0.1, stable)))
    assert ("hold", True) == (verdict.kind, verdict.lacking)
    assert f"199 of 200 predictions seen of {whose}" == verdict.reason


@given(st.integers(1, 100_000), st.integers(1, 100_000))
def test_chance_is_allowed_for(n: int, m: int) -> None:
    """The proven shift is the distance less what samples of this size may show by chance, never below 0."""
    a, b = Distribution(n, 0.0, ((0.0, 0.1, n),)), Distribution(m, 0.0, ((0.5, 0.6, m),))
    assert max(0.0, 1 - 1.8 * math.sqrt((n + m) / (n * m))) == pytest.approx(proven_shift(a, b))


def test_disagreement() -> None:
    """A sure excess rolls back; chance, and what is allowed, do not."""
    assert "hold" == judge_disagreement(QUALITY, 0.99, 199, 199).kind
    assert "promote" == judge_disagreement(QUALITY, 0.99, 200, 20).kind
    assert "promote" == judge_disagreement(QUALITY, 0.99, 200, 24).kind
    verdict = judge_disagreement(QUALITY, 0.99, 1000, 200)
    assert "rollback" == verdict.kind
    assert verdict.reason.startswith("200 of 1,000 rows disagree: more than 1")


def losses(mean: float, count: int, spread: float = 0.1) -> Losses:
    """Half of the losses `spread` above the mean, half below."""
    return Losses(count, mean * count, count * (mean**2 + spread**2))


def test_losses() -> None:
    """A sure and great enough increase of the loss rolls back."""
    assert "hold" == judge_losses(QUALITY, 0.99, losses(0.9, 100), losses(0.2, 5000)).kind
    assert "promote" == judge_losses(QUALITY, 0.99, losses(0.2, 500), losses(0.2, 5000)).kind
    assert "promote" == judge_losses(QUALITY, 0.99, losses(0.209, 100_000), losses(0.2, 100_000)).kind
    assert "rollback" == judge_losses(QUALITY, 0.99, losses(0.3, 500), losses(0.2, 5000)).kind
    assert "hold" == judge_losses(Quality(min_predictions=1), 0.99, losses(0.9, 1), losses(0.2, 1)).kind


def test_the_same_losses_are_not_called_worse() -> None:
    """Of 200 looks at two samples of one distribution hardly any is a rollback."""

    def sample(seed: int, count: int) -> Losses:
        chance = random.Random(seed)
        found = [(chance.betavariate(2, 5) - (chance.random() < 0.3)) ** 2 for _ in range(count)]
        return Losses(count, sum(found), sum(loss * loss for loss in found))

    kinds = [judge_losses(QUALITY, 0.99, sample(n, 200), sample(n + 500, 3000)).kind for n in range(200)]
    assert kinds.count("rollback") <= 2
