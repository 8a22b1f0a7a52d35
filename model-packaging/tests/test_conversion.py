"""Scikit-learn's estimators as graphs: whatever the columns are called, and whatever stands over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from conftest import Write
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, QuantileTransformer, StandardScaler

from model_packaging.engines import GraphForm, LightGBM, Onnx
from model_packaging.package import package
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature

AWKWARD = ("n items", "a-b", "2nd", "x<5", "😀", 'say "hi"', "mean, radius", "input", "Column_7", "variable")
PLACES = ("AMS", "Łódź", "", "other")


def table(names: tuple[str, ...] = ("n items", "x<5", "place")) -> tuple[pd.DataFrame, Any, tuple[Feature, ...]]:
    """400 rows of numbers and, last, a category; an outcome; the features. Numbers and places may be missing."""
    random = np.random.default_rng(0)
    made = pd.DataFrame(random.normal(size=(400, len(names) - 1)).round(3), columns=list(names[:-1]))
    made[names[-1]] = random.choice(np.array(PLACES[:3], dtype=object), 400)
    late = (made.iloc[:, 0] + (made.iloc[:, -1] == "Łódź") + random.normal(0, 0.5, 400) > 0.3).astype(int)
    made.iloc[::9, 0], made.iloc[::11, -1] = np.nan, np.nan
    features = tuple(Feature(name, True, minimum=-9.0, maximum=9.0) for name in names[:-1])
    return made, late, (*features, Feature(names[-1], True, PLACES))


def one_hot(**settings: Any) -> OneHotEncoder:
    """An encoder that takes any category."""
    return OneHotEncoder(handle_unknown="ignore", **settings)


def by_column(*, encoder: Any = None) -> ColumnTransformer:
    """Numbers imputed and scaled, the category encoded, picked as people pick them."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return ColumnTransformer(
        [
            ("n", numbers, make_column_selector(dtype_include=np.number)),
            ("c", encoder or one_hot(), make_column_selector(dtype_exclude=np.number)),
        ]
    )


def published(write: Write, model: Any, features: tuple[Feature, ...]) -> tuple[dict[str, Any], Any]:
    """The program's answer to a pickle of the model, and the form that serves."""
    folder = write("sklearn-pickle", "m.pkl", lambda path: joblib.dump(model, path), features, input="values")
    work = folder.parent
    answer = package({"folder": str(folder), "work": str(work), "keep_native": False}, lambda line: None)
    data = (work / "converted").read_bytes()
    if answer["format"] == "lightgbm-text":
        return answer, LightGBM(data, features)
    return answer, Onnx(data, GraphForm(**answer["onnx"]), features)


def codes(made: pd.DataFrame, features: tuple[Feature, ...]) -> Any:
    """The table as a service has it."""
    columns = [
        made.iloc[:, n].map(feature.codes).to_numpy(dtype=float) if feature.is_category else made.iloc[:, n].to_numpy()
        for n, feature in enumerate(features)
    ]
    return np.column_stack(columns)


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "calibrated": lambda: CalibratedClassifierCV(make_pipeline(by_column(), LogisticRegression()), cv=2),
    "calibrated inside": lambda: make_pipeline(by_column(), CalibratedClassifierCV(LogisticRegression(), cv=2)),
    "calibrated afterwards": lambda: CalibratedClassifierCV(
        FrozenEstimator(make_pipeline(by_column(), LogisticRegression()).fit(*table()[:2]))
    ),
    "voting": lambda: VotingClassifier(
        [
            ("a", make_pipeline(by_column(), LogisticRegression())),
            ("b", make_pipeline(by_column(), RandomForestClassifier(5, max_depth=3, random_state=0))),
        ],
        voting="soft",
        weights=[1, 3],
    ),
    "voting inside": lambda: make_pipeline(
        by_column(), VotingClassifier([("a", LogisticRegression()), ("b", LogisticRegression(C=0.01))], voting="soft")
    ),
    "stacking": lambda: StackingClassifier(
        [
            ("a", make_pipeline(by_column(), LogisticRegression())),
            ("b", make_pipeline(by_column(), RandomForestClassifier(5, max_depth=3, random_state=0))),
        ],
        cv=2,
    ),
    "texts imputed": lambda: make_pipeline(
        by_column(encoder=make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), one_hot())),
        LogisticRegression(),
    ),
    "the usual text": lambda: make_pipeline(
        by_column(encoder=make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot())),
        LogisticRegression(),
    ),
}
REGRESSORS: dict[str, Callable[[], Any]] = {
    "voting": lambda: VotingRegressor(
        [
            ("a", make_pipeline(by_column(), Ridge())),
            ("b", make_pipeline(by_column(), RandomForestRegressor(5, max_depth=3, random_state=0))),
        ]
    ),
    "stacking": lambda: StackingRegressor([("a", make_pipeline(by_column(), Ridge()))], cv=2),
    "logarithm": lambda: TransformedTargetRegressor(
        make_pipeline(by_column(), Ridge()), func=np.log1p, inverse_func=np.expm1
    ),
    "logarithm inside": lambda: make_pipeline(
        by_column(), TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp)
    ),
    "scaled": lambda: TransformedTargetRegressor(make_pipeline(by_column(), Ridge()), transformer=StandardScaler()),
    "to a range": lambda: TransformedTargetRegressor(
        make_pipeline(by_column(), RandomForestRegressor(5, max_depth=3, random_state=0)), transformer=MinMaxScaler()
    ),
}


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifiers_over_columns_are_served(write: Write, kind: str) -> None:
    """Calibrated, voting, stacking, above the choice of columns and below it, with texts missing and imputed."""
    made, late, features = table()
    model = CLASSIFIERS[kind]().fit(made, late)
    answer, engine = published(write, model, features)
    assert "onnx" == answer["format"]
    assert np.allclose(model.predict_proba(made)[:, 1], engine.predict(codes(made, features)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", REGRESSORS)
def test_regressors_over_columns_are_served(write: Write, kind: str) -> None:
    """Those of a transformed target, too: the graph takes it back."""
    made, late, features = table()
    model = REGRESSORS[kind]().fit(made, 50 + 40 * late + made.iloc[:, 1])
    _, engine = published(write, model, features)
    assert np.allclose(model.predict(made), engine.predict(codes(made, features)), rtol=0, atol=2e-3)


def test_a_target_that_no_graph_can_take_back_is_named(write: Write) -> None:
    """With the functions that a graph can undo."""
    made, late, features = table()
    model = TransformedTargetRegressor(
        make_pipeline(by_column(), Ridge()), transformer=QuantileTransformer(n_quantiles=20)
    ).fit(made, late + made.iloc[:, 1])
    with pytest.raises(Refusal, match=r"taken back by a QuantileTransformer, which no graph can; .* numpy\.expm1"):
        published(write, model, features)


MODELS: dict[str, Callable[[], Any]] = {
    "line": lambda: make_pipeline(by_column(), LogisticRegression()),
    "forest": lambda: make_pipeline(
        by_column(encoder=one_hot(sparse_output=False)),
        RandomForestClassifier(5, max_depth=4, random_state=0),
    ),
    "histograms": lambda: make_pipeline(
        by_column(encoder=OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)),
        HistGradientBoostingClassifier(max_iter=5),
    ),
    "xgboost": lambda: make_pipeline(
        by_column(encoder=one_hot(sparse_output=False)),
        xgboost.XGBClassifier(n_estimators=5, n_jobs=1),
    ),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_feature_may_be_called_anything(write: Write, kind: str) -> None:
    """Spaces, signs, letters of any script, names that libraries use themselves: the model is served."""
    made, late, features = table(AWKWARD)
    model = MODELS[kind]().fit(made, late)
    answer, engine = published(write, model, features)
    assert np.allclose(model.predict_proba(made)[:, 1], engine.predict(codes(made, features)), rtol=0, atol=1e-5)
    assert set(AWKWARD) == set(answer["golden"][0]["instance"])


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.filterwarnings("ignore:.*whitespace")
def test_libraries_that_spell_names_in_their_own_way(write: Write, tmp_path: Path) -> None:
    """LightGBM's `n_items` is the schema's `n items`; XGBoost's names by position are the schema's order."""
    names = ("n items", "x<5", "😀")
    made, late, _ = table((*names, "place"))
    numbers = made[list(names)]
    features = tuple(Feature(name, True, minimum=-9.0, maximum=9.0) for name in names)
    by_lightgbm = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, n_jobs=1).fit(numbers, late)
    assert "n_items" == by_lightgbm.feature_name_[0]
    _, engine = published(write, by_lightgbm, features)
    assert np.allclose(by_lightgbm.predict_proba(numbers)[:, 1], engine.predict(numbers.to_numpy()), rtol=0, atol=1e-9)

    data = xgboost.DMatrix(numbers.to_numpy(), late, feature_names=["f0", "f1", "f2"])
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 5)
    folder = write("xgboost-json", "m.json", booster.save_model, features)
    package({"folder": str(folder), "work": str(tmp_path), "keep_native": False}, lambda line: None)
    engine = LightGBM((tmp_path / "converted").read_bytes(), features)
    assert np.allclose(booster.predict(data), engine.predict(numbers.to_numpy()), rtol=0, atol=1e-6)
