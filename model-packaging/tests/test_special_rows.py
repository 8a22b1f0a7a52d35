"""The rows that a model is checked on include numbers that it treats specially, and reach where it was trained."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import skl2onnx
import xgboost
from conftest import FEATURES, Write
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from model_packaging import conversion, ranges, rows, special
from model_packaging.engines import LightGBM
from model_packaging.package import package
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature

LEVEL = Feature("level", False, minimum=0.0, maximum=5.0)
X = Feature("x", False)


def drawn() -> tuple[Any, Any]:
    """Levels, of which 0 is the common one, another number, and an outcome that depends on both."""
    random = np.random.default_rng(0)
    matrix = np.column_stack([random.integers(0, 6, 400) * (random.random(400) < 0.6), random.normal(0, 3, 400)])
    return matrix, ((matrix[:, 0] == 0) + 0.2 * matrix[:, 1] > 0.5).astype(int)


def pickled(write: Write, model: Any, features: tuple[Feature, ...], **more: Any) -> Path:
    """The folder of an estimator, without held-out rows."""
    return write("sklearn-pickle", "m.pkl", lambda path: joblib.dump(model, path), features, **more)


def packed(folder: Path) -> dict[str, Any]:
    """The program's answer."""
    return package({"folder": str(folder), "work": str(folder.parent), "keep_native": False}, lambda line: None)


def refusal(folder: Path) -> str:
    """Why it is refused."""
    with pytest.raises(Refusal) as raised:
        packed(folder)
    return raised.value.what


def test_zero_that_xgboost_takes_for_missing_is_served_so(write: Write) -> None:
    """LightGBM has the same kind of split: `missing=0` is kept, for numbers that may be null and others."""
    matrix, late = drawn()
    for features in ((LEVEL, X), (LEVEL, Feature("x", True))):
        model = xgboost.XGBClassifier(missing=0, n_estimators=20, n_jobs=1).fit(matrix, late)
        folder = pickled(write, model, features)
        assert "lightgbm-text" == packed(folder)["format"]
        asked = np.array([[level, x] for level in range(6) for x in (-3.0, -1.0, 0.0, 1e-3, 2.0)])
        asked = np.vstack([asked, [[0, np.nan]]]) if features[1].nullable else asked
        served = LightGBM((folder.parent / "converted").read_bytes(), features).predict(asked)
        np.testing.assert_allclose(model.predict_proba(asked)[:, 1], served, rtol=0, atol=1e-6)


@pytest.mark.parametrize("missing", [-999.0, 3.0, -1.0])
def test_another_number_that_xgboost_takes_for_missing_is_refused(write: Write, missing: float) -> None:
    """Where the schema allows that number; elsewhere it makes no difference."""
    matrix, late = drawn()
    matrix[::7, 0] = missing
    model = xgboost.XGBClassifier(missing=missing, n_estimators=5, n_jobs=1).fit(matrix, late)
    allowed = Feature("level", False, minimum=-999.0, maximum=5.0)
    told = refusal(pickled(write, model, (allowed, X)))
    assert f"the model takes {missing:g} for missing (its parameter `missing`), and level may be that" in told
    scaled = make_pipeline(StandardScaler(), xgboost.XGBClassifier(missing=0.5, n_jobs=1)).fit(matrix, late)
    assert "takes 0.5 for missing" in refusal(pickled(write, scaled, (allowed, X)))
    elsewhere = tuple(Feature(name, False, minimum=3.5, maximum=5.0) for name in ("level", "x"))
    assert "lightgbm-text" == packed(pickled(write, model, elsewhere))["format"]


@pytest.mark.parametrize("missing", [-999.0, 2.0])
def test_a_number_that_an_imputer_replaces_is_checked(write: Write, missing: float) -> None:
    """A graph that replaces it too is served; trees, which cannot tell it from those beside it, are refused."""
    matrix, late = drawn()
    matrix[::7, 0] = missing
    features = (Feature("level", False, minimum=-999.0, maximum=5.0), X)
    imputer = SimpleImputer(missing_values=missing)
    line = make_pipeline(imputer, LogisticRegression()).fit(matrix, late)
    assert "onnx" == packed(pickled(write, line, features))["format"]
    trees = make_pipeline(imputer, lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1)).fit(matrix, late)
    assert "turns level into a column that does not rise with it" in refusal(pickled(write, trees, features))


def test_a_graph_that_forgets_a_special_number_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row with it and both answers are named."""
    matrix, late = drawn()
    matrix[::7, 0] = -999.0
    model = make_pipeline(SimpleImputer(missing_values=-999.0), LogisticRegression()).fit(matrix, late)
    forgetful = make_pipeline(SimpleImputer(missing_values=-998.0), LogisticRegression()).fit(matrix, late)
    forgetful[1].coef_, forgetful[1].intercept_ = model[1].coef_, model[1].intercept_
    convert = conversion.convert
    monkeypatch.setattr(conversion, "convert", lambda estimator, *rest: convert(forgetful, *rest))
    told = refusal(pickled(write, model, (Feature("level", False, minimum=-999.0, maximum=5.0), X)))
    assert 'the worst row: {"level": -999, "x": ' in told


def test_what_the_steps_hold_is_found_at_any_depth() -> None:
    """Parameters, fitted values, edges of bins, constants of functions, in pipelines, unions and columns."""
    matrix, late = drawn()
    columns = ColumnTransformer(
        [
            ("a", make_pipeline(SimpleImputer(missing_values=-77.5, fill_value=4.25, strategy="constant")), [0]),
            ("b", FeatureUnion([("k", KBinsDiscretizer(2, encode="ordinal")), ("s", MinMaxScaler((0.1, 0.9)))]), [1]),
            ("c", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-33), [0]),
            ("d", OneHotEncoder(handle_unknown="ignore"), [0]),
            ("e", FunctionTransformer(np.clip, kw_args={"a_min": -6.5, "a_max": 8.5}), [1]),
            ("f", FunctionTransformer(functools.partial(np.clip, a_min=-7.5, a_max=9.5)), [1]),
            ("g", FunctionTransformer(lambda m: np.where(m == -123.5, np.nan, m)), [1]),
            ("h", KNNImputer(missing_values=-44), [1]),
            ("i", MissingIndicator(missing_values=-45), [1]),
        ]
    )  # fmt: skip
    model = make_pipeline(columns, xgboost.XGBClassifier(missing=-88.5, n_jobs=1))
    columns.fit(matrix, late)
    expected = {-77.5, 4.25, 0.1, 0.9, -33, 0, 1, 5, -6.5, 8.5, -7.5, 9.5, -123.5, -44, -45, -88.5}
    expected |= set(columns.named_transformers_["b"].transformer_list[0][1].bin_edges_[0].tolist())
    assert set() == expected - set(special.numbers_of(model).tolist())
    assert len(special.numbers_of(model)) <= 160


def test_special_rows_keep_to_the_schema() -> None:
    """Each number as it is and the floats on either side of it, within the bounds, and the bounds themselves."""
    features = (LEVEL, Feature("c", True, ("a", "b")), Feature("x", True, minimum=1.7e9))
    made = rows.special(features, np.array([[1.0, 0.0, 1.8e9]]), np.array([-1.0, 0.1, 2.0, 1e30]))
    levels, x = set(made[:, 0].tolist()), set(made[:, 2].tolist())
    single = np.float32(0.1)
    beside = {0.1, *(float(np.nextafter(single, np.float32(way))) for way in (0, 1))}
    assert {0.0, 1.0, 2.0, 5.0, *beside} <= levels
    assert (0.0, 5.0) == (min(levels), max(levels))
    assert {1.7e9, 1.8e9, 1e30} <= x
    assert 1.7e9 == min(x)


def test_drawn_rows_fill_the_range_of_a_feature() -> None:
    """Of the schema where it has bounds, of what the model was fitted to where that is known, by size where wide."""
    epoch = Feature("at", False, minimum=1.7e9)
    wide = Feature("money", False, minimum=0.0, maximum=1e12)
    marked = Feature("far", True)
    inside = Feature("unit", False, minimum=0.25, maximum=0.75)
    marks: special.Marks = [None, None, np.array([4.9e7, 5e7, 5.0001e7]), None]
    made = rows.drawn((epoch, wide, marked, inside), marks, 2000)
    assert 1.7e9 <= made[:, 0].min() < made[:, 0].max()
    assert len(np.unique(made[:, 0])) > 1000
    # half by size: the small ones are not forgotten
    assert np.mean(made[:, 1] < 1e6) > 0.2
    assert np.mean(made[:, 1] > 1e11) > 0.2
    known = made[~np.isnan(made[:, 2]), 2]
    assert 4.8e7 < known.min() < known.max() < 5.1e7
    # a narrow cell between two marks is not missed for a wide one beside it
    assert np.mean((known >= 5e7) & (known <= 5.0001e7)) > 0.15
    assert 0.05 < np.mean(np.isnan(made[:, 2])) < 0.15
    assert 0.25 <= made[:, 3].min() < made[:, 3].max() <= 0.75
    whole = np.mean(made[:, 0] == np.rint(made[:, 0]))
    assert 0.4 < whole < 0.6


def test_golden_requests_of_a_feature_far_out_are_not_one_constant(write: Write) -> None:
    """A moment in seconds is drawn from its minimum on, and where the model makes a difference."""
    random = np.random.default_rng(0)
    at = random.uniform(1.70e9, 1.75e9, 400)
    matrix = np.column_stack([at, random.normal(size=400)])
    model = xgboost.XGBClassifier(n_estimators=10, n_jobs=1).fit(matrix, (at > 1.72e9).astype(int))
    answer = packed(pickled(write, model, (Feature("at", False, minimum=1.7e9), X)))
    asked = [entry["instance"]["at"] for entry in answer["golden"]]
    assert len(set(asked)) > 15
    assert len({round(entry["prediction"], 1) for entry in answer["golden"]}) > 1


def test_single_precision_that_costs_too_much_is_named(write: Write) -> None:
    """A graph rounds seconds since 1970 to 128 of them: the feature is named, with an example."""
    random = np.random.default_rng(0)
    near = np.column_stack([random.normal(1.72e9, 1e3, 400), random.normal(size=400)])
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(near, near[:, 0] + near[:, 1] > 1.72e9)
    told = refusal(pickled(write, model, (Feature("at", False, minimum=1.7e9), X)))
    assert "a graph takes single precision, which alone costs more than the tolerance: at 17" in told


def test_a_graph_that_cannot_tell_moments_apart_is_said_so(write: Write) -> None:
    """It is served as it is; that it rounds its inputs is told."""
    model = LinearRegression().fit([[0.0, 1.0], [1.0, 3.0]], [0.0, 1.0])
    graph = skl2onnx.convert_sklearn(model, initial_types=[("in", FloatTensorType([None, 2]))])

    def save(path: str) -> None:
        Path(path).write_bytes(graph.SerializeToString())

    told: list[str] = []
    folder = write("onnx", "m.onnx", save, (Feature("at", False, minimum=1.7e9, maximum=1.8e9), LEVEL))
    package({"folder": str(folder), "work": str(folder.parent), "keep_native": False}, told.append)
    assert any(line.startswith("the graph takes single precision: at 17") for line in told)


def test_a_refusal_shows_the_worst_row_as_a_request(write: Write) -> None:
    """It can be sent as it is."""
    matrix, late = drawn()
    bins = KBinsDiscretizer(4, encode="ordinal", strategy="uniform").fit(matrix)
    bins.bin_edges_[1] = bins.bin_edges_[1] + 1e-9
    model = make_pipeline(bins, LogisticRegression().fit(bins.transform(matrix), late))
    try:
        packed(pickled(write, model, (LEVEL, X)))
    except Refusal as refused:
        line = next(line for line in refused.what.splitlines() if line.startswith("the worst row: "))
        assert ["level", "x"] == list(json.loads(line.removeprefix("the worst row: ")))


def test_where_a_model_makes_a_difference_is_found_by_asking() -> None:
    """A logistic function of a number without bounds, and one of a moment of which only the earliest is known."""
    features = (X, Feature("at", True, minimum=1.7e9), Feature("c", True, ("a", "b")))

    def predict(matrix: Any) -> Any:
        return 0.5 + np.arctan(20 * matrix[:, 0] + (matrix[:, 1] - 1.700001e9) / 100) / np.pi

    x, at, none = ranges.filled_by_asking(features, predict, [None] * 3)
    assert none is None
    assert x is not None
    assert at is not None
    assert -10 < x[0] < x[-1] < 100
    assert 1.7e9 <= at[0] < at[-1] <= 1.7e9 + 1e4
    beside = ranges.filled_from_rows(np.array([[1.0, np.nan, 0.0], [3.0, 5.0, 1.0]]), [None, None, None])
    assert [1.0, 3.0] == [float(beside[0][0]), float(beside[0][-1])]  # type: ignore[index]


def test_special_rows_stay_few() -> None:
    """However much a step holds."""
    made = rows.special(FEATURES, np.zeros((1, 4)), np.linspace(-1e3, 1e3, 160))
    assert 160 < len(made) < 3000
