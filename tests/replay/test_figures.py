"""How good the answers were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.replay.figures import Figures, figures

PAIRS = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.7, 1.0]), st.integers(0, 1)), max_size=30)


@given(PAIRS)
def test_auc_is_the_share_of_pairs_in_order(scored: list[tuple[float, int]]) -> None:
    """Over all pairs of a positive and a negative, equal predictions count half; none where there is no pair."""
    positives = [prediction for prediction, label in scored if label]
    negatives = [prediction for prediction, label in scored if not label]
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in positives for n in negatives]
    found = figures(scored).auc
    assert found is None if not pairs else found == pytest.approx(sum(pairs) / len(pairs))


def test_the_figures_of_a_month() -> None:
    """By hand: the Brier score is the mean of 0.04, 0.09 and 0.25."""
    found = figures([(0.2, 0), (0.7, 1), (0.5, 0)])
    assert (3, 1.0) == (found.labels, found.auc)
    assert [0.38 / 3, 1.4 / 3, 1 / 3] == pytest.approx([found.brier, found.predicted, found.positive])
    assert Figures(0) == figures([])
