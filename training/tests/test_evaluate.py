"""Metrics against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score  # type: ignore[import-untyped]
from sklearn.metrics import log_loss as sklearn_log_loss

from training.evaluate import auc, brier, by_month, log_loss

# few distinct scores, so that ties are common
scored = st.lists(st.tuples(st.booleans(), st.integers(1, 19).map(lambda n: n / 20)), min_size=2, max_size=60)


@given(scored)
def test_metrics_equal_scikit_learn(pairs: list[tuple[bool, float]]) -> None:
    """AUC, Brier score and log loss are what scikit-learn computes."""
    labels, scores = np.array([label for label, _ in pairs]), np.array([score for _, score in pairs])
    assert pytest.approx(brier_score_loss(labels, scores, pos_label=True)) == brier(labels, scores)
    assert pytest.approx(sklearn_log_loss(labels, scores, labels=[False, True])) == log_loss(labels, scores)
    if 0 < labels.sum() < labels.size:
        assert pytest.approx(roc_auc_score(labels, scores)) == auc(labels, scores)
    else:
        assert math.isnan(auc(labels, scores))


def test_certainty_that_is_wrong_stays_finite() -> None:
    """A prediction of exactly 0 or 1 has a bounded log loss."""
    assert math.isfinite(log_loss(np.array([True, False]), np.array([0.0, 1.0])))


def test_each_month_is_measured_alone() -> None:
    """A month's figures come from its own rows."""
    labels, scores = np.array([True, False, True, False]), np.array([0.9, 0.1, 0.2, 0.8])
    months = by_month(np.array([7, 7, 9, 9]), labels, scores)
    assert {7: 1.0, 9: 0.0} == {month: measured["auc"] for month, measured in months.items()}
