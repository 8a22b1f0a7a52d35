"""The metrics are those of the training, which writes them into a version's metadata: one formula, held equal."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from training import evaluate

from model_monitoring.answers import Coded
from model_monitoring.labels import Joined
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
