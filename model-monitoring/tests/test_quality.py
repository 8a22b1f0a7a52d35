"""The metrics are those of the training, which writes them into a version's metadata: one formula, held equal."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from training import evaluate

from model_monitoring.answers import Coded
from model_monitoring.labels import Joined
from model_monitoring.quality import held
from model_monitoring.quality.judged import Judged

ROWS = st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), min_size=1, max_size=80)


@given(ROWS)
def test_monitor_and_training_compute_the_same(rows):
    """Ties, one class only, predictions of exactly 0 and 1."""
    predictions = np.array([prediction for prediction, _ in rows], dtype=np.float64)
    late = np.array([label for _, label in rows])
    joined = Joined(len(rows), predictions, late.astype(float), np.zeros(len(rows)), Coded())
    found = Judged(joined, "binary_classification").document({})["binary_classification_metrics"]
    wanted = evaluate.evaluate(late, predictions)
    auc = found["auc"]["value"]
    assert math.isnan(wanted["auc"]) if auc is None else math.isclose(auc, wanted["auc"], abs_tol=1e-12)
    assert math.isclose(found["brier"]["value"], wanted["brier"], abs_tol=1e-12)
    assert math.isclose(found["label_rate"]["value"], wanted["late_rate"])
    error = evaluate.calibration_error(late, predictions)
    assert math.isclose(found["calibration_error"]["value"], error, abs_tol=1e-12)


def judged(kind, predictions, labels, times=None, repeats=50):
    """Rows of a kind of problem; classes by name."""
    coded = Coded()
    said, true = coded.of(predictions), coded.of(labels)
    moments = np.full(len(said), np.nan) if times is None else np.asarray(times, dtype=np.float64)
    return Judged(Joined(len(said), said, true, moments, coded), kind, repeats=repeats)


def test_binary_metrics_are_those_of_the_table():
    """By hand: 3 hits, 1 false alarm, 2 misses, 4 rejections."""
    predictions = [0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2, 0.2, 0.1, 0.1]
    labels = [1, 1, 1, 0, 1, 1, 0, 0, 0, 0]
    found = judged("binary_classification", predictions, labels).metrics()
    expected = {
        "precision": 3 / 4, "recall": 3 / 5, "accuracy": 7 / 10, "true_positive_rate": 3 / 5,
        "false_positive_rate": 1 / 5,
        "true_negative_rate": 4 / 5, "false_negative_rate": 2 / 5, "f1": 2 / 3, "f0_5": 5 / 7, "f2": 5 / 8,
        "auc": 23 / 25,
    }  # fmt: skip
    assert expected == {name: pytest.approx(found[name]) for name in expected}
    document = judged("binary_classification", predictions, labels).document({})["binary_classification_metrics"]
    assert {"0": {"0": 4, "1": 1}, "1": {"0": 2, "1": 3}} == document["confusion_matrix"]
    assert (0.5, "NaN") == (
        document["accuracy_best_constant_classifier"]["value"],
        document["auc"]["standard_deviation"],
    )


def test_multiclass_metrics_are_those_of_the_table():
    """By hand; a class that is never said has precision 0."""
    found = judged("multiclass_classification", ["a", "a", "b", "b"], ["a", "b", "b", "c"]).metrics()
    assert (0.5, 0.5) == (found["accuracy"], found["weighted_recall"])
    assert pytest.approx(0.5 * 0.25 + 0.5 * 0.5 + 0.0) == found["weighted_precision"]
    assert pytest.approx(2 / 3 * 0.25 + 0.5 * 0.5) == found["weighted_f1"]
    assert ["1", "a"] == judged("multiclass_classification", ["a", "a"], ["a", 1.0]).names


def test_regression_metrics_are_those_of_the_table():
    """By hand; no variance, no r2."""
    found = judged("regression", [1.0, 2.0, 4.0], [1.0, 3.0, 2.0]).metrics()
    assert {"mae": 1.0, "mse": 5 / 3, "rmse": (5 / 3) ** 0.5, "r2": -1.5} == {
        n: pytest.approx(v) for n, v in found.items()
    }
    assert judged("regression", [1.0, 2.0], [1.0, 1.0]).metrics()["r2"] is None


def test_a_window_is_judged_on_what_is_labelled_and_only_if_that_is_enough():
    """Its share is said; with a few labels there is no verdict on quality."""
    draw = np.random.default_rng(2)
    predictions = draw.random(2000)
    labels = (draw.random(2000) < predictions).astype(float)
    constraints = held.suggested(judged("binary_classification", predictions, labels), 0.05)
    wrong = 1 - labels
    few, many = (judged("binary_classification", predictions[:n], wrong[:n]) for n in (50, 500))
    assert [] == [*held.check(few, constraints, "day")]
    assert "brier" in [one["metric_name"] for one in held.check(many, constraints, "day")]


def test_chance_alone_is_no_worse_model():
    """50 windows as good as the baseline: at most 3 have any alarm, whatever their size."""
    draw = np.random.default_rng(8)

    def drawn(count):
        predictions = draw.random(count) ** 2
        return judged(
            "binary_classification", predictions, (draw.random(count) < predictions).astype(float), repeats=20
        )

    constraints = held.suggested(drawn(10_000), 0.05)
    assert 3 >= sum(any(held.check(drawn(count), constraints, "day")) for count in (300, 1500) for _ in range(25))
