"""Intervals by drawing days."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from training.bootstrap import auc_interval, draws, mean_interval
from training.evaluate import auc

DAYS = 30


def test_means_are_those_of_the_drawn_rows() -> None:
    """A draw's mean is that of a table in which each day stands as often as it was drawn."""
    generator = np.random.default_rng(4)
    days = np.sort(generator.integers(0, DAYS, 600))
    values = generator.normal(size=600)
    drawn = draws(DAYS, 200)
    assert (drawn.sum(axis=1) == DAYS).all()
    means = [np.repeat(values, times[days].astype(int)).mean() for times in drawn]
    found = mean_interval(values, days, drawn, 0.9)
    assert pytest.approx([values.mean(), *np.quantile(means, [0.05, 0.95])]) == [found.value, found.low, found.high]


def test_the_area_is_that_of_the_drawn_rows() -> None:
    """A draw's area under the ROC curve is that of the repeated rows, ties included."""
    generator = np.random.default_rng(5)
    days = np.sort(generator.integers(0, DAYS, 400))
    scores = generator.integers(1, 9, 400) / 10
    labels = generator.random(400) < scores
    drawn = draws(DAYS, 40)
    areas = []
    for times in drawn:
        again = np.repeat(np.arange(400), times[days].astype(int))
        areas.append(auc(labels[again], scores[again]))
    found = auc_interval(auc(labels, scores), labels, scores, days, drawn, 0.9)
    assert pytest.approx(np.quantile(areas, [0.05, 0.95]).tolist()) == [found.low, found.high]


def test_one_day_tells_nothing() -> None:
    """Drawn from a single day, the bounds are the figure: who judges must ask for more days."""
    found = mean_interval(np.array([1.0, 3.0]), np.zeros(2, dtype=int), draws(1, 50), 0.95)
    assert (2.0, 2.0, 2.0) == (found.value, found.low, found.high)


def equal_models(seed: int, days: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Differences of the squared errors of two models that are equally good, where days share their luck."""
    generator = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), generator.integers(20, 60, days))
    return generator.normal(size=days)[day] * 0.02 + generator.normal(size=day.size) * 0.1, day


@pytest.mark.parametrize("days", [14, 31])
def test_equal_models_are_seldom_told_apart(days: int) -> None:
    """Of 2,000 pairs of equal models at most 5 % are promoted, and 5 % refused; by row a fifth would be."""
    drawn = draws(days, 1000)
    better, worse, by_row = 0, 0, 0
    for seed in range(2000):
        values, day = equal_models(seed, days)
        found = mean_interval(values, day, drawn, 0.95)
        better += found.high < 0
        worse += found.low > 0
        by_row += abs(values.mean()) > 1.96 * values.std() / np.sqrt(values.size)
    assert better <= 100
    assert worse <= 100
    assert by_row > 300
