"""Scores of predictions by their labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.quality import calibration, quality

LABELLED = st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60).map(np.array)


def judged(predictions: list[float], labels: list[float]) -> dict[str, Any]:
    found = quality(np.array(predictions), np.array(labels, dtype=float))
    assert found is not None
    return found


@given(rows=LABELLED)
def test_auc_is_the_share_of_pairs_in_order(rows: np.ndarray) -> None:
    """Of all pairs of an event and a non-event, those in order, ties counting half; None with one class."""
    events = [p for p, y in rows if y]
    others = [p for p, y in rows if not y]
    pairs = [(e > o) + 0.5 * (e == o) for e in events for o in others]
    expected = pytest.approx(sum(pairs) / len(pairs)) if pairs else None
    found = quality(*rows.T)
    assert found is not None
    assert expected == found["auc"]


@given(rows=LABELLED)
def test_calibration_accounts_for_every_row(rows: np.ndarray) -> None:
    """Each row is in one bin, whose figures are its rows' means and lie where the bin does."""
    predictions, labels = rows.T
    bins = calibration(predictions, labels)
    assert len(rows) == sum(one["count"] for one in bins)
    assert pytest.approx(predictions.sum()) == sum(one["count"] * one["predicted"] for one in bins)
    assert pytest.approx(labels.sum()) == sum(one["count"] * one["observed"] for one in bins)
    assert all(one["lower"] - 1e-12 <= one["predicted"] <= one["upper"] + 1e-12 for one in bins)


def test_bins_of_a_calibration() -> None:
    """A tenth wide each; those without rows are left out, and 1 belongs to the last."""
    found = calibration(np.array([0.12, 0.18, 1.0]), np.array([0.0, 1.0, 1.0]))
    assert [(0.1, 0.2, 2, 0.5), (0.9, 1.0, 1, 1.0)] == [
        (one["lower"], one["upper"], one["count"], one["observed"]) for one in found
    ]


def test_what_a_probability_is_judged_by() -> None:
    """Brier score, log loss, AUC and calibration error of four rows, by hand."""
    found = judged([0.1, 0.15, 0.8, 0.9], [0, 1, 1, 1])
    assert pytest.approx((0.01 + 0.7225 + 0.04 + 0.01) / 4) == found["brier"]
    assert pytest.approx(-(math.log(0.9) + math.log(0.15) + math.log(0.8) + math.log(0.9)) / 4) == found["log_loss"]
    assert (1.0, None) == (found["auc"], found["mean_absolute_error"])
    assert pytest.approx((2 * abs(0.125 - 0.5) + abs(0.8 - 1) + abs(0.9 - 1)) / 4) == found["calibration_error"]


@pytest.mark.parametrize(("predictions", "labels"), [([10.0, 14.0], [12, 14]), ([0.5, 0.5], [2.5, 0.5])])
def test_what_a_number_is_judged_by(predictions: list[float], labels: list[float]) -> None:
    """Mean absolute and root mean squared error where predictions or labels are no chances; so no calibration."""
    found = judged(predictions, labels)
    assert (1.0, math.sqrt(2)) == (found["mean_absolute_error"], found["root_mean_squared_error"])
    assert (None, None, None, []) == (found["brier"], found["auc"], found["calibration_error"], found["calibration"])


def test_without_labels_there_is_no_judgement() -> None:
    """No rows, no quality; and certainty that was wrong costs much, but not everything."""
    assert None is quality(np.array([]), np.array([]))
    assert pytest.approx(36.04, abs=0.01) == judged([0.0], [1])["log_loss"]
