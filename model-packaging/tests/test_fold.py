"""What stands before the trees is folded into their splits."""

from __future__ import annotations

import sys
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from conftest import FEATURES, Data
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from test_trees import converted, hard_rows

from model_packaging import estimators, lightgbm_text
from model_packaging.columns import rounded
from model_packaging.fold import _search, fold
from model_packaging.frames import values_frame
from model_packaging.schema import Feature
from model_packaging.trees import NotTrees

NUMBERS, CATEGORIES = ["temp", "minute", "delay"], ["carrier"]
ONE_HOT = ("c", OneHotEncoder(handle_unknown="ignore", sparse_output=False), CATEGORIES)
BEFORE: dict[str, Any] = {
    "ordinal codes": ColumnTransformer(
        [("c", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), CATEGORIES)],
        remainder="passthrough",
    ),
    "one column a value": ColumnTransformer([ONE_HOT, ("n", "passthrough", NUMBERS)]),
    "scaled and imputed": ColumnTransformer(
        [ONE_HOT, ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), NUMBERS)]
    ),
    "between 0 and 1": ColumnTransformer([ONE_HOT, ("n", MinMaxScaler(), ["temp", "delay"])]),
}
MODELS: dict[str, Any] = {
    "forest": RandomForestClassifier(10, random_state=0),
    "histograms": HistGradientBoostingClassifier(max_iter=10, random_state=0),
    "lightgbm": lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1),
    "xgboost": xgboost.XGBClassifier(n_estimators=10, n_jobs=1),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize(
    ("before", "last"),
    [
        *((before, last) for before in BEFORE for last in ("forest", "xgboost")),
        ("ordinal codes", "histograms"),
        ("scaled and imputed", "histograms"),
        ("one column a value", "lightgbm"),
    ],
)
def test_pipelines_decide_as_before(before: str, last: str, data: Data, table: Any) -> None:
    """Encoders, scalers and imputers before every kind of trees, with all the hard rows."""
    model = make_pipeline(BEFORE[before], MODELS[last]).fit(table, data[1])

    def given_(matrix: Any) -> Any:
        return values_frame(FEATURES, matrix)

    whole, columns = estimators.trees(model, FEATURES, given_, data[0])
    asked = hard_rows(whole, columns, FEATURES, data[0])
    expected = model.predict_proba(given_(asked))[:, 1]
    tolerance = 1e-6 if last == "xgboost" else 1e-15
    np.testing.assert_allclose(converted(whole, columns).predict(asked), expected, rtol=0, atol=tolerance)


def test_histograms_that_encode_the_values_themselves(data: Data, table: Any) -> None:
    """Categories that the model itself turns into codes of its own, and moves to the front."""
    model = HistGradientBoostingClassifier(max_iter=10, categorical_features=CATEGORIES).fit(table, data[1])
    whole, columns = estimators.trees(model, FEATURES, lambda m: values_frame(FEATURES, m), data[0])
    asked = hard_rows(whole, columns, FEATURES, data[0])
    expected = model.predict_proba(values_frame(FEATURES, asked))[:, 1]
    np.testing.assert_allclose(converted(whole, columns).predict(asked), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (FunctionTransformer(lambda m: np.nansum(m, axis=1, keepdims=True)), "mixes temp and carrier"),
        (FunctionTransformer(np.abs), "turns temp into a column that does not rise with it"),
        (FunctionTransformer(lambda m: np.where(m == 0, np.nan, m)), "makes some values of temp missing"),
    ],
)
def test_what_cannot_be_folded_says_why(before: Any, reason: str, data: Data) -> None:
    """Columns of several features, and numbers that do not rise."""
    model = make_pipeline(before, HistGradientBoostingClassifier(max_iter=2)).fit(data[0], data[1])
    with pytest.raises(NotTrees, match=reason):
        estimators.trees(model, FEATURES, lambda m: m, data[0])


def test_below_zero_is_written_as_a_number_that_every_reader_takes() -> None:
    """A split at a sign has the smallest of all doubles for its threshold, which not every parser reads."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(200, 4))
    model = make_pipeline(FunctionTransformer(np.sign), RandomForestClassifier(3, random_state=0))
    model.fit(matrix, matrix[:, 0] * matrix[:, 2] > 0)
    features = tuple(Feature(f.name, False) for f in FEATURES)
    whole, columns = estimators.trees(model, features, lambda m: m, matrix)
    text = lightgbm_text.text(whole, fold(whole, columns, features), [f.name for f in features]).decode()
    thresholds = [
        abs(float(t)) for line in text.splitlines() if line.startswith("threshold=") for t in line[10:].split()
    ]
    assert [] == [t for t in thresholds if 0 < t < sys.float_info.min]
    matrix[:50, 0] = [*np.zeros(25), *-np.full(25, 1e-30)]
    served = converted(whole, columns, features).predict(matrix)
    np.testing.assert_allclose(model.predict_proba(matrix)[:, 1], served, rtol=0, atol=1e-15)


@given(
    thresholds=st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=1, max_size=20),
    scale=st.floats(1e-6, 1e6),
    shift=st.floats(-1e6, 1e6),
    off=st.floats(-1e3, 1e3),
)
def test_the_largest_double_below_a_threshold_is_found(
    thresholds: list[float], scale: float, shift: float, off: float
) -> None:
    """It still goes to the left, and its neighbour does not, wherever the search starts."""
    highest = np.array(thresholds)

    def made(values: Any) -> Any:
        return rounded((values - shift) / scale)

    found = _search(made, highest, highest + off, -1e37, 1e37)
    inside = np.isfinite(found)
    assert np.all(made(found)[inside] <= highest[inside])
    assert np.all(made(np.nextafter(found, np.inf))[inside] > highest[inside])
    assert np.all((made(np.full(len(found), -1e37)) > highest) == (found == -np.inf))
    assert np.all((made(np.full(len(found), 1e37)) <= highest) == (found == np.inf))
