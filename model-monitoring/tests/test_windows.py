"""Thresholds that come from the baseline's own windows."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from model_monitoring import distance
from model_monitoring.summary import Summary
from model_monitoring.windows import Days, began, length_of, own_windows, thresholds

FIRST = (date(2013, 1, 1) - date(1970, 1, 1)).days


def days_of(count: int, wander: float, rows: int = 200, seed: int = 1) -> Days:
    """Days whose mean wanders about 0 by `wander` (standard deviation)."""
    draw = np.random.default_rng(seed)
    days = Days()
    for day in range(count):
        values = draw.normal(draw.normal(0, wander), 1, rows).tolist()
        days.of(FIRST + day).add({"x": values, "same": ["a"] * rows}, rows)
    return days


def test_weeks_begin_on_monday_and_months_on_their_first():
    """2013-02-03 was a Sunday."""
    day = (date(2013, 2, 3) - date(1970, 1, 1)).days
    assert [date(2013, 2, 3), date(2013, 1, 28), date(2013, 2, 1)] == [
        began(length, day) for length in ("day", "week", "month")
    ]


def test_a_window_is_held_to_the_length_that_it_is_nearest_to():
    lengths = [length_of(days * 86400) for days in (float("nan"), 0.01, 1, 3, 4, 13, 28, 365)]
    assert ["day", "day", "day", "day", "week", "week", "month", "month"] == lengths


def test_longer_windows_lie_nearer_and_a_steady_column_has_the_least_threshold():
    """Days that wander are no drift, and so are given room; months and constant columns get less."""
    days = days_of(180, wander=0.5)
    own = own_windows(days, days.whole(), 0.05)
    assert [180, 26, 6] == [len(windows.windows) for windows in own.values()]
    day, week, month = (windows.thresholds["x"] for windows in own.values())
    assert day > 2 * week > 2 * month
    assert own["day"].thresholds["same"] < 0.1
    assert (True, True, False) == tuple(windows.is_kept for windows in own.values())


def test_further_windows_of_the_same_kind_alarm_at_the_rate_that_was_asked_for():
    """Any of three columns: 1,000 fresh windows, 5 % (three standard errors above are allowed)."""
    draw = np.random.default_rng(5)
    baseline = [{name: abs(draw.normal()) / 10 for name in "abc"} for _ in range(200)]
    held = thresholds(baseline, 0.05, "abc")
    fresh = [{name: abs(draw.normal()) / 10 for name in "abc"} for _ in range(1000)]
    alarms = sum(any(one[name] > held.of[name] for name in one) for one in fresh) / len(fresh)
    assert (True, True) == (held.is_kept, held.rate <= 0.05)
    assert 0.01 < alarms <= 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5


def test_columns_that_do_not_count_do_not_widen_the_others():
    """One that is wild, such as weather, is reported only: the factor is that of those that count."""
    draw = np.random.default_rng(6)
    windows = [{"calm": abs(draw.normal()) / 10, "wild": draw.pareto(0.5) / 1000} for _ in range(40)]
    assert thresholds(windows, 0.05, ["calm"]).of["calm"] < thresholds(windows, 0.05, ["calm", "wild"]).of["calm"]


def test_where_nothing_that_counts_is_a_column_all_columns_count():
    """As where metrics alone may trigger."""
    days = days_of(60, wander=0.5)
    every, none = (own_windows(days, days.whole(), 0.05, counting) for counting in ((), ("brier",)))
    assert every["day"].thresholds == pytest.approx(none["day"].thresholds, abs=0.01)


def test_a_baseline_of_a_day_has_no_windows():
    """The general threshold holds then."""
    days = days_of(1, 0.5)
    assert {} == own_windows(days, days.whole(), 0.05)


def test_a_part_s_distance_from_the_others_follows_from_that_of_the_whole():
    """Exactly, by the formula; so that the others need no sketch of their own."""
    draw = np.random.default_rng(3)
    part, others = np.sort(draw.normal(0.5, 1, 300)), np.sort(draw.normal(0, 1, 700))
    whole = np.sort(np.concatenate([part, others]))
    direct = distance.of_numbers(part, np.ones(300), others, np.ones(700))
    far = distance.of_numbers(part, np.ones(300), whole, np.ones(1000))
    assert direct == pytest.approx(distance.from_the_rest(far, 300, 1000))


def test_the_distance_is_the_largest_gap_of_both_curves():
    """Against every place of both, with ties."""
    draw = np.random.default_rng(4)
    for _ in range(50):
        a, b = np.sort(draw.integers(0, 9, draw.integers(1, 30))), np.sort(draw.integers(2, 12, draw.integers(1, 30)))
        places = np.concatenate([a, b])
        exact = np.abs(
            np.searchsorted(a, places, "right") / len(a) - np.searchsorted(b, places, "right") / len(b)
        ).max()
        assert exact == pytest.approx(
            distance.of_numbers(a.astype(float), np.ones(len(a)), b.astype(float), np.ones(len(b)))
        )


def test_thinned_batches_keep_count_and_ranks():
    """One of 32 neighbours stands for them: 0.05 % of a batch, beside the sketch's own error."""
    values = np.random.default_rng(9).normal(size=200_003)
    summary = Summary()
    summary.column("x").add_numbers(values)
    places, weights = summary.columns["x"].numbers.weighted()
    assert 200_003 == weights.sum()
    assert distance.of_numbers(np.sort(values), np.ones(len(values)), places, weights) < 0.0025
