"""How two models' predictions are compared."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_packaging.agreement import WORST, differs, disagreement, distribution, ks_distance

CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=50).map(np.array)
PAIRS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=50).map(np.array)
NAN = np.nan


@given(pairs=PAIRS, threshold=st.sampled_from([0.5, 0.2, None]))
def test_disagreement_does_not_depend_on_the_side(pairs: np.ndarray, threshold: float | None) -> None:
    """Exchanging the versions exchanges their predictions and nothing else."""
    a, b = pairs.T
    rows, labels = [{"n": n} for n in range(len(pairs))], np.full(len(pairs), NAN)
    one, two = disagreement(rows, a, b, labels, threshold), disagreement(rows, b, a, labels, threshold)
    assert {**one, "worst": [(w["features"], w["a"], w["b"]) for w in one["worst"]]} == {
        **two,
        "worst": [(w["features"], w["b"], w["a"]) for w in two["worst"]],
    }


@given(chances=CHANCES)
def test_equal_predictions_agree(chances: np.ndarray) -> None:
    """No row disagrees, none is shown, and the distributions are the same."""
    found = disagreement([{}] * len(chances), chances, chances, np.full(len(chances), NAN), 0.5)
    assert (0, 0.0, 0.0, []) == (found["count"], found["share"], found["largest_difference"], found["worst"])
    assert 0 == ks_distance(chances, chances)


def test_rows_that_change_a_decision_come_first() -> None:
    """A small step over the threshold matters more than a large one beside it; at most ten are shown."""
    a, b = np.array([0.49, 0.9, 0.3, 0.3]), np.array([0.51, 0.6, 0.3, 0.7])
    found = disagreement([{"n": n} for n in range(4)], a, b, np.array([1, 0, NAN, NAN]), 0.5)
    assert (2, 0.5, 0.5) == (found["count"], found["share"], found["threshold"])
    assert [3, 0, 1] == [row["features"]["n"] for row in found["worst"]]
    assert {"features": {"n": 3}, "a": 0.3, "b": 0.7, "label": None} == found["worst"][0]
    assert 1.0 == found["worst"][1]["label"]
    many = disagreement([{}] * 99, np.full(99, 0.1), np.full(99, 0.9), np.full(99, NAN), 0.5)
    assert (99, WORST) == (many["count"], len(many["worst"]))


def test_without_a_threshold_rows_differ_by_a_tenth_of_the_larger() -> None:
    """A threshold parts predictions, however near they are; without one their distance counts."""
    a, b = np.array([0.49, 0.5, 100.0, 100.0]), np.array([0.51, 0.9, 109.0, 112.0])
    assert [True, False, False, False] == differs(a, b, 0.5).tolist()
    assert [False, True, False, True] == differs(a, b, None).tolist()


@given(a=CHANCES, b=CHANCES)
def test_distance_of_distributions(a: np.ndarray, b: np.ndarray) -> None:
    """The largest gap, by hand; the same from both sides, and 1 when all of one lie above all of the other."""
    gaps = [abs(np.mean(a <= x) - np.mean(b <= x)) for x in [*a, *b]]
    assert pytest.approx(max(gaps)) == ks_distance(a, b) == ks_distance(b, a)
    assert 1 == ks_distance(a, a + 2)


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60))
def test_quantiles_are_the_usual_ones(values: list[float]) -> None:
    """Linear between neighbours, as `statistics` has them."""
    found = distribution(np.array(values))
    twentieths = statistics.quantiles(values, n=20, method="inclusive")
    assert pytest.approx([twentieths[n] for n in (0, 4, 9, 14, 18)], abs=1e-6) == [
        found["p05"], found["p25"], found["p50"], found["p75"], found["p95"]
    ]  # fmt: skip
    assert (min(values), max(values)) == (found["minimum"], found["maximum"])
    assert pytest.approx(statistics.fmean(values), abs=1e-6) == found["mean"]
