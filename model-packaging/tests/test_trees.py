"""Ensembles of every library, written as LightGBM text, decide as the originals do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import treelite
import xgboost
from conftest import FEATURES, draw
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import is_classifier
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from model_packaging import estimators, lightgbm_text, rows
from model_packaging.columns import Columns, plain
from model_packaging.engines import LightGBM
from model_packaging.fold import fold
from model_packaging.schema import Feature, Matrix
from model_packaging.trees import Ensemble, NotTrees, ensemble

NAMES = [feature.name for feature in FEATURES]
KINDS: dict[str, Callable[[int, int], Any]] = {
    "forest": lambda leaves, seed: RandomForestClassifier(5, max_leaf_nodes=leaves, random_state=seed),
    "forest of numbers": lambda leaves, seed: RandomForestRegressor(5, max_leaf_nodes=leaves, random_state=seed),
    "extra trees": lambda leaves, seed: ExtraTreesClassifier(5, max_leaf_nodes=leaves, random_state=seed),
    "extra trees of numbers": lambda leaves, seed: ExtraTreesRegressor(5, max_leaf_nodes=leaves, random_state=seed),
    "histograms": lambda leaves, seed: HistGradientBoostingClassifier(
        max_iter=5, max_leaf_nodes=leaves, categorical_features=[1], random_state=seed, min_samples_leaf=5
    ),
    "histograms of counts": lambda leaves, seed: HistGradientBoostingRegressor(
        max_iter=5, max_leaf_nodes=leaves, loss="poisson", random_state=seed, min_samples_leaf=5
    ),
}


def hard_rows(whole: Ensemble, columns: Columns, features: tuple[Feature, ...], matrix: Matrix) -> Matrix:
    """Rows that tell a form from its original: at and beside every threshold, each category, nothing known."""
    splits = fold(whole, columns, features)
    numeric = (whole.left >= 0) & (splits.fixed == 0)
    numeric[list(splits.codes)] = False
    bounds = rows.at_bounds(features, matrix, splits.feature[numeric], splits.threshold[numeric])
    return np.vstack([matrix, bounds, rows.one_missing(features, matrix), rows.each_category(features, matrix)])


def converted(whole: Ensemble, columns: Columns, features: tuple[Feature, ...] = FEATURES) -> LightGBM:
    """As it would be served."""
    return LightGBM(lightgbm_text.text(whole, fold(whole, columns, features), [f.name for f in features]), features)


@pytest.mark.parametrize("kind", KINDS)
@given(leaves=st.integers(2, 30), seed=st.integers(0, 1000))
def test_scikit_learn_to_the_last_bit(kind: str, leaves: int, seed: int) -> None:
    """Forests and boosted trees answer the same double, missing values and values at the thresholds included."""
    matrix, labels = draw(150, seed)
    model = KINDS[kind](leaves, seed).fit(matrix, labels)
    whole, columns = estimators.trees(model, FEATURES, lambda m: m, matrix)
    asked = hard_rows(whole, columns, FEATURES, matrix)
    expected = model.predict_proba(asked)[:, 1] if is_classifier(model) else model.predict(asked)
    # the exponential and the logistic function are another library's
    np.testing.assert_allclose(converted(whole, columns).predict(asked), expected, rtol=4e-16, atol=1e-16)


@pytest.mark.parametrize("kind", [GradientBoostingClassifier, GradientBoostingRegressor])
@given(leaves=st.integers(2, 10), seed=st.integers(0, 1000))
def test_gradient_boosting_without_missing_values(kind: Any, leaves: int, seed: int) -> None:
    """What takes no missing value is converted where the schema allows none."""
    features = tuple(Feature(f.name, False, f.values, f.minimum, f.maximum) for f in FEATURES)
    matrix, labels = draw(150, seed)
    matrix = np.nan_to_num(matrix)
    model = kind(n_estimators=5, max_leaf_nodes=leaves, random_state=seed).fit(matrix, labels)
    whole, columns = estimators.trees(model, features, lambda m: m, matrix)
    asked = hard_rows(whole, columns, features, matrix)
    expected = model.predict_proba(asked)[:, 1] if is_classifier(model) else model.predict(asked)
    np.testing.assert_allclose(converted(whole, columns, features).predict(asked), expected, rtol=4e-16, atol=1e-16)


@given(
    objective=st.sampled_from(["binary:logistic", "reg:squarederror", "count:poisson", "reg:logistic"]),
    depth=st.integers(1, 5),
    one_hot=st.sampled_from([1, 100]),
    booster=st.sampled_from(["gbtree", "dart"]),
    parallel=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_xgboost_within_its_single_precision(
    objective: str, depth: int, one_hot: int, booster: str, parallel: int, seed: int
) -> None:
    """Every row takes the same leaves; only the sums are rounded later."""
    matrix, labels = draw(150, seed)
    kinds = ["c" if feature.is_category else "float" for feature in FEATURES]
    settings = {
        "objective": objective, "max_depth": depth, "max_cat_to_onehot": one_hot, "booster": booster, "seed": seed,
        "num_parallel_tree": parallel, "subsample": 0.8, "nthread": 1,
    }  # fmt: skip

    def given_(data: Matrix, **more: Any) -> Any:
        return xgboost.DMatrix(data, feature_types=kinds, enable_categorical=True, **more)

    booster_ = xgboost.train(settings, given_(matrix, label=labels), 4)
    whole = ensemble(treelite.frontend.from_xgboost(booster_))
    columns = plain(FEATURES, single=True)
    asked = hard_rows(whole, columns, FEATURES, matrix)
    np.testing.assert_allclose(converted(whole, columns).predict(asked), booster_.predict(given_(asked)), atol=1e-6)


def test_a_tree_that_decides_nothing() -> None:
    """One leaf is a model too, and so is a split that no allowed value reaches."""
    matrix, _ = draw(50)
    labels = np.arange(50) % 2
    for features in (FEATURES, (Feature("temp", True, minimum=1000.0, maximum=2000.0), *FEATURES[1:])):
        for leaves in (None, 4):
            model = RandomForestRegressor(2, max_leaf_nodes=leaves, max_depth=1 if leaves else None, random_state=0)
            model.fit(matrix, labels * (1 if leaves else 0))
            whole, columns = estimators.trees(model, features, lambda m: m, matrix)
            asked = np.nan_to_num(matrix) if leaves else matrix
            asked[:, 0] = asked[:, 0].clip(features[0].minimum, features[0].maximum)
            assert model.predict(asked).tolist() == converted(whole, columns, features).predict(asked).tolist()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"objective": "multi:softprob", "num_class": 3}, "softmax"), ({"objective": "binary:hinge"}, "hinge")],
)
def test_what_has_no_such_form_says_why(settings: dict[str, Any], reason: str) -> None:
    """Several classes, and links that LightGBM has no name for."""
    matrix, labels = draw(100)
    model = xgboost.train({**settings, "nthread": 1}, xgboost.DMatrix(matrix, labels), 2)
    with pytest.raises(NotTrees, match=reason):
        ensemble(treelite.frontend.from_xgboost(model))


def test_a_number_that_the_model_takes_for_a_category() -> None:
    """Schema and model must mean the same."""
    matrix, labels = draw(200)
    kinds = ["float", "c", "float", "float"]
    data = xgboost.DMatrix(matrix, labels, feature_types=kinds, enable_categorical=True)
    whole = ensemble(treelite.frontend.from_xgboost(xgboost.train({"nthread": 1, "max_depth": 4}, data, 5)))
    features = (FEATURES[0], Feature("carrier", True, minimum=0, maximum=11), *FEATURES[2:])
    with pytest.raises(NotTrees, match="carrier is a number in the schema and a category to the model"):
        fold(whole, plain(features, single=True), features)


@pytest.mark.parametrize("name", ["two words", "a:b", 'quo"te', "x" * 300, "😀,", "a=b", "Column_2"])
def test_names_that_the_file_cannot_hold(name: str) -> None:
    """Such features are called by their positions in it, which LightGBM reads and the schema's names are mapped to."""
    matrix, labels = draw(100)
    features = (replace(FEATURES[0], name=name), *FEATURES[1:])
    model = RandomForestRegressor(1, random_state=0).fit(matrix, labels)
    whole, columns = estimators.trees(model, features, lambda m: m, matrix)
    names = [feature.name for feature in features]
    text = lightgbm_text.text(whole, fold(whole, columns, features), names)
    assert np.allclose(model.predict(matrix), LightGBM(text, features).predict(matrix), rtol=0, atol=1e-12)
