"""What a model file says of how it is to be read counts, whatever the schema's codes are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import skl2onnx
import xgboost
from conftest import FEATURES, Data, Write
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from model_packaging.engines import LightGBM
from model_packaging.package import package
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature

COLOURS, SIZES = ("red", "amber", "blue"), ("10", "20", "30")
SCHEMA = (Feature("colour", True, COLOURS), Feature("size", True, SIZES), Feature("x", True))
ROWS = np.array([[c, s, x] for c in (0, 1, 2, np.nan) for s in (0, 1, 2, np.nan) for x in (-2.0, 0.0, 0.5, np.nan)])


def packed(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The program's answer, and what it told."""
    told: list[str] = []
    return package({"folder": str(folder), "work": str(folder.parent), "keep_native": False}, told.append), told


def refusal(folder: Path) -> str:
    """Why it is refused, and what to do."""
    with pytest.raises(Refusal) as raised:
        packed(folder)
    return f"{raised.value.what}\n{raised.value.fix}"


def table(rows: Any, colours: tuple[str, ...] = ("blue", "red", "amber"), **changes: Any) -> pd.DataFrame:
    """The rows as an author has them, with the categories in an order of the author's own."""
    words = [None if np.isnan(c) else COLOURS[int(c)] for c in rows[:, 0]]
    sizes = [None if np.isnan(s) else int(SIZES[int(s)]) for s in rows[:, 1]]
    made = {
        "colour": pd.Categorical(words, categories=colours, **changes),
        "size": pd.Categorical(sizes, categories=[30, 10, 20]),
        "x": rows[:, 2],
    }
    return pd.DataFrame(made)


def drawn() -> tuple[Any, Any]:
    """Rows of codes, and an outcome that depends on all of them."""
    random = np.random.default_rng(0)
    rows = np.column_stack([random.integers(0, 3, 400), random.integers(0, 3, 400), random.normal(size=400)])
    late = (rows[:, 0] == 1) + (rows[:, 1] == 2) + rows[:, 2] + random.normal(0, 0.3, 400) > 1
    return rows.astype(float), late.astype(int)


def lightgbm_of(given: Any, late: Any, **settings: Any) -> lightgbm.Booster:
    """A LightGBM model of a table."""
    usual = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}
    return lightgbm.train({**usual, **settings}, lightgbm.Dataset(given, late), 8)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"max_cat_to_onehot": 1, "cat_smooth": 1.0, "min_data_per_group": 5},
    {"zero_as_missing": True},
    {"use_missing": False},
    {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
    {"objective": "cross_entropy_lambda"},
    {"linear_tree": True},
    {"sigmoid": 2.0},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_lightgbm_s_own_order_of_categories_counts(write: Write, settings: dict[str, Any]) -> None:
    """A model of a pandas table is written for the schema's codes, all else as LightGBM wrote it."""
    rows, late = drawn()
    model = lightgbm_of(table(rows), late, **settings)
    folder = write("lightgbm-text", "model.txt", model.save_model, SCHEMA)
    answer, _ = packed(folder)
    served = LightGBM((folder.parent / "converted").read_bytes(), SCHEMA)
    np.testing.assert_array_equal(model.predict(table(ROWS)), served.predict(ROWS))
    golden = np.array([entry["prediction"] for entry in answer["golden"]])
    asked = np.array([[_code(entry["instance"], feature) for feature in SCHEMA] for entry in answer["golden"]])
    np.testing.assert_array_equal(model.predict(table(asked)), golden)


def rows_value(feature: Feature, code: float) -> Any:
    """A value as a request has it."""
    return None if np.isnan(code) else feature.values[int(code)] if feature.is_category else code


def _code(instance: dict[str, Any], feature: Feature) -> float:
    value = instance[feature.name]
    return np.nan if value is None else feature.codes[value] if feature.is_category else float(value)


def test_lightgbm_in_the_schema_s_order_stays_as_it_is(write: Write) -> None:
    """Nothing is converted where the codes are the same."""
    rows, late = drawn()
    same = (SCHEMA[0], Feature("size", True, ("30", "10", "20")), SCHEMA[2])
    model = lightgbm_of(table(rows, COLOURS), late)
    answer, _ = packed(write("lightgbm-text", "model.txt", model.save_model, same))
    assert {"golden"} == answer.keys()


def test_an_ordered_category_of_lightgbm_keeps_its_order(write: Write) -> None:
    """Its codes are compared as numbers, which is folded into sets of the schema's codes."""
    rows, late = drawn()
    model = lightgbm_of(table(rows, ordered=True), late)
    folder = write("lightgbm-text", "model.txt", model.save_model, SCHEMA)
    packed(folder)
    served = LightGBM((folder.parent / "converted").read_bytes(), SCHEMA)
    np.testing.assert_allclose(model.predict(table(ROWS)), served.predict(ROWS), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("features", "reason"),
    [
        ((Feature("colour", True, ("red", "amber")), *SCHEMA[1:]), "colour: the model knows blue, which feature_"),
        ((Feature("colour", True, ("a", "b")), *SCHEMA[1:]), "the model knows blue, red, amber, which"),
        ((Feature("colour", False, ("a", "b")), *SCHEMA[1:]), "lists a, b, which the model does not know"),
        ((SCHEMA[0], Feature("size", True), SCHEMA[2]), "a table with 2 categories (pandas_categorical); feature_"),
    ],
)
def test_categories_that_the_schema_contradicts_are_refused(write: Write, features: Any, reason: str) -> None:
    """The feature and the values are named."""
    rows, late = drawn()
    assert reason in refusal(write("lightgbm-text", "m.txt", lightgbm_of(table(rows), late).save_model, features))


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("booster", ["gbtree", "dart"])
def test_xgboost_s_own_order_of_categories_counts(write: Write, suffix: str, booster: str) -> None:
    """XGBoost keeps the values of a pandas table in its file, and predicts by them."""
    rows, late = drawn()
    model = xgboost.XGBClassifier(n_estimators=8, enable_categorical=True, booster=booster, n_jobs=1)
    model.fit(table(rows), late)
    folder = write(f"xgboost-{suffix}", f"m.{suffix}", model.save_model, SCHEMA)
    packed(folder)
    served = LightGBM((folder.parent / "converted").read_bytes(), SCHEMA)
    np.testing.assert_allclose(model.predict_proba(table(ROWS))[:, 1], served.predict(ROWS), rtol=0, atol=1e-6)


def test_categories_that_xgboost_does_not_know_are_refused(write: Write) -> None:
    """It would fail on them; and it garbles those that are not ASCII."""
    rows, late = drawn()
    model = xgboost.XGBClassifier(n_estimators=2, enable_categorical=True, n_jobs=1).fit(table(rows), late)
    more = (Feature("colour", True, (*COLOURS, "green")), *SCHEMA[1:])
    assert "colour: feature_schema lists green, which the model does not know" in refusal(
        write("xgboost-json", "m.json", model.save_model, more)
    )
    number = (Feature("colour", True), *SCHEMA[1:])
    assert "colour is a number in the schema and a category to the model" in refusal(
        write("xgboost-json", "m.json", model.save_model, number)
    )
    odd = table(rows).assign(colour=lambda t: t.colour.cat.rename_categories({"red": "röd"}))
    model.fit(odd, late)
    assert "garbles categories that are not plain ASCII" in refusal(
        write("xgboost-json", "m.json", model.save_model, SCHEMA)
    )


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_a_pickle_of_a_table_keeps_its_order_of_categories(write: Write, kind: str) -> None:
    """The estimator is given pandas' categories, as its author gives them."""
    rows, late = drawn()
    model: Any = (
        lightgbm.LGBMClassifier(n_estimators=8, verbose=-1, n_jobs=1)
        if kind == "lightgbm"
        else xgboost.XGBClassifier(n_estimators=8, enable_categorical=True, n_jobs=1)
    )
    model.fit(table(rows), late)
    folder = write("sklearn-pickle", "m.pkl", lambda path: joblib.dump(model, path), SCHEMA, input="values")
    packed(folder)
    served = LightGBM((folder.parent / "converted").read_bytes(), SCHEMA)
    np.testing.assert_allclose(model.predict_proba(table(ROWS))[:, 1], served.predict(ROWS), rtol=0, atol=1e-6)


def test_an_encoder_that_knows_none_of_the_values_is_refused(write: Write) -> None:
    """Numbers in the training's table are no text; all of them would be served as unknown."""
    rows, late = drawn()
    features = (*SCHEMA[:2], Feature("x", False))
    histograms = HistGradientBoostingClassifier(max_iter=3).fit(table(rows), late)
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("c", encoder, ["size"])], remainder="drop")
    codes = pd.DataFrame({"colour": rows[:, 0], "size": rows[:, 1] * 10 + 10, "x": rows[:, 2]})
    by_one = make_pipeline(columns, LogisticRegression()).fit(codes.assign(size=rows[:, 1] + 1), late)
    folder = write("sklearn-pickle", "m.pkl", lambda path: joblib.dump(by_one, path), features)
    assert "size: the model was fitted to 1.0, 2.0, 3.0, and is given 0.0, 1.0, 2.0" in refusal(folder)
    linear = make_pipeline(columns, LogisticRegression()).fit(codes, late)
    for model, form in ((histograms, "values"), (linear, "values"), (linear, "codes")):
        folder = write("sklearn-pickle", "m.pkl", lambda path, m=model: joblib.dump(m, path), features, input=form)  # type: ignore[misc]
        assert "size: the model was fitted to 10" in refusal(folder)


@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_xgboost_predicts_by_its_best_rounds(write: Write, data: Data, suffix: str) -> None:
    """As it does in scikit-learn's interface after early stopping; the publisher is told."""
    rows, late = data
    model = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=5, learning_rate=0.8, n_jobs=1)
    model.fit(rows[:300], late[:300], eval_set=[(rows[300:], late[300:])], verbose=False)
    assert model.best_iteration + 1 < model.get_booster().num_boosted_rounds()
    folder = write(f"xgboost-{suffix}", f"m.{suffix}", model.save_model, FEATURES)
    _, told = packed(folder)
    served = LightGBM((folder.parent / "converted").read_bytes(), FEATURES)
    np.testing.assert_allclose(model.predict_proba(rows)[:, 1], served.predict(rows), rtol=0, atol=1e-6)
    rounds = model.get_booster().num_boosted_rounds()
    first = {f.name: rows_value(f, v) for f, v in zip(FEATURES, rows[0], strict=True)}
    all_rounds = float(model.get_booster().predict(xgboost.DMatrix(rows[:1]))[0])
    golden = [{"instance": first, "prediction": all_rounds}]
    write(f"xgboost-{suffix}", f"m.{suffix}", model.save_model, FEATURES, golden=golden)
    assert "early stopping kept the first" in refusal(folder)
    assert f"early stopping kept the first {model.best_iteration + 1} of {rounds} rounds" in told[0]


def test_xgboost_without_trees_is_refused_by_name(write: Write, data: Data) -> None:
    """A linear booster is no ensemble of trees."""
    model = xgboost.train({"booster": "gblinear", "nthread": 1}, xgboost.DMatrix(*data), 2)
    assert "its booster is gblinear" in refusal(write("xgboost-json", "m.json", model.save_model, FEATURES))


def test_a_graph_s_order_of_classes_must_be_told(write: Write) -> None:
    """The second column is the prediction only where the classes ascend, or metadata.json says so."""
    rows, late = drawn()
    model = LogisticRegression().fit(rows, late)
    options = {id(model): {"zipmap": False}}
    graph = skl2onnx.convert_sklearn(model, initial_types=[("in", FloatTensorType([None, 3]))], options=options)
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "classlabels_ints":
                attribute.ints[:] = [1, 0]
    features = tuple(Feature(name, False) for name in "abc")

    def save(path: str) -> None:
        Path(path).write_bytes(graph.SerializeToString())

    assert "are the classes 1 and 0, in that order: which one" in refusal(write("onnx", "m.onnx", save, features))
    form = {"output": "probabilities", "column": 0}
    assert 0 == packed(write("onnx", "m.onnx", save, features, onnx=form))[0]["onnx"]["column"]


def test_which_class_is_predicted_is_told(write: Write) -> None:
    """Where the classes are words, the second one by the alphabet is the one that counts."""
    rows, late = drawn()
    model = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1, n_jobs=1).fit(rows, np.where(late, "bad", "good"))
    features = (*SCHEMA[:2], Feature("x", True))
    _, told = packed(write("sklearn-pickle", "m.pkl", lambda path: joblib.dump(model, path), features))
    assert "a prediction is the chance of 'good', the second class of 'bad' and 'good'" == told[0]
