"""LightGBM's C API against its Python package."""

from __future__ import annotations

from array import array

import lightgbm
import numpy as np
import pytest

from conftest import FEATURES, train
from ml_model_service.engines import EngineError
from ml_model_service.engines.lightgbm import LightGBM

NAMES = [feature["name"] for feature in FEATURES]


def test_predictions_equal_the_package_to_the_last_bit(boosters: list[lightgbm.Booster]) -> None:
    """The C API gives exactly what the Python package gives, for missing values too."""
    random = np.random.default_rng(5)
    matrix = np.column_stack([random.integers(0, 4, 200), random.integers(0, 2, 200), random.normal(60, 30, (200, 2))])
    matrix = matrix.astype(np.float64)
    matrix[random.random(matrix.shape) < 0.2] = np.nan
    wanted = np.asarray(boosters[0].predict(matrix, num_threads=1)).tolist()
    engine = LightGBM(boosters[0].model_to_string().encode(), NAMES)
    assert wanted == engine.predict(array("d", matrix.ravel().tolist()), 200)
    assert wanted == [engine.predict_one(row) for row in matrix.tolist()]


def test_features_must_be_the_schemas(boosters: list[lightgbm.Booster]) -> None:
    """A model that reads other columns than the schema says is refused."""
    with pytest.raises(EngineError, match="the schema's"):
        LightGBM(boosters[0].model_to_string().encode(), NAMES[::-1])


def test_no_rows_no_predictions(boosters: list[lightgbm.Booster]) -> None:
    """An empty matrix is answered with nothing."""
    assert [] == LightGBM(boosters[0].model_to_string().encode(), NAMES).predict(array("d"), 0)


def test_what_is_no_model_is_refused() -> None:
    """Text that LightGBM cannot read is an error, not a crash."""
    with pytest.raises(EngineError):
        LightGBM(b"not a model\n", NAMES)


def test_a_model_with_several_outputs_is_refused() -> None:
    """Only one prediction a row is supported."""
    text = train(3, objective="multiclass", num_class=3).model_to_string().encode()
    with pytest.raises(EngineError, match="3 outputs"):
        LightGBM(text, NAMES)
