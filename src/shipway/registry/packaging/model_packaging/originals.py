"""Models as their training wrote them, scored by the libraries that made them."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import joblib
import lightgbm
import numpy as np
import onnxruntime
import sklearn
import sklearn.base
import treelite
import xgboost
from sklearn.exceptions import InconsistentVersionWarning

from model_packaging import estimators, graphs
from model_packaging.columns import Columns, plain
from model_packaging.engines import LightGBM, Onnx
from model_packaging.frames import codes_frame, values_frame
from model_packaging.refusal import Refusal
from model_packaging.schema import Described, Matrix, Vector
from model_packaging.trees import Ensemble, NotTrees, ensemble

DOUBLE, XGBOOST_SINGLE, GRAPH_SINGLE = 1e-9, 1e-6, 1e-5


@dataclass(frozen=True)
class Original:
    """`predict` answers one prediction a row. `tolerance` is what the library's own arithmetic leaves uncertain.

    `trees` reads it as trees and what lies before them (raises NotTrees); `estimator` is there for scikit-learn's.
    """

    library: str
    predict: Callable[[Matrix], Vector]
    tolerance: float
    trees: Callable[[Matrix], tuple[Ensemble, Columns]] | None = None
    estimator: Any = None


def load(described: Described) -> Original:
    """The folder's model. Raises Refusal when it cannot be read or does not fit the schema."""
    match described.format:
        case "lightgbm-text":
            engine = LightGBM(described.model_path.read_bytes(), described.features)
            return Original(f"LightGBM {lightgbm.__version__}", engine.predict, DOUBLE)
        case "onnx":
            data = described.model_path.read_bytes()
            form = graphs.check(data, described.features, described.document.get("onnx"))
            return Original(
                f"ONNX Runtime {onnxruntime.__version__}",
                Onnx(data, form, described.features).predict,
                GRAPH_SINGLE,
            )
        case "xgboost-json" | "xgboost-ubj":
            return _xgboost(described)
        case _:
            return _pickled(described)


def _xgboost(described: Described) -> Original:
    if described.takes_values:
        raise Refusal("an XGBoost model takes codes, not values", 'leave `"input": "values"` out of metadata.json')
    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(described.model_path.read_bytes()))
    except xgboost.core.XGBoostError as error:
        said = str(error).strip().splitlines()[-1][:300]
        raise Refusal(f"XGBoost does not load the model: {said}", "write it with Booster.save_model") from error
    names = described.names
    if booster.num_features() != len(names) or (booster.feature_names or names) != names:
        found = ", ".join(booster.feature_names or [])[:300] or f"{booster.num_features()}, without names"
        raise Refusal(f"the model's features are not the schema's, in its order: {found}", "make the two agree")

    def predict(matrix: Matrix) -> Vector:
        data = xgboost.DMatrix(
            matrix, feature_names=booster.feature_names, feature_types=booster.feature_types, enable_categorical=True
        )
        found = np.asarray(booster.predict(data), dtype=np.float64)
        if found.shape != (len(matrix),):
            raise Refusal("the model has several outputs", "train it for one output, or for two classes")
        return found

    def trees(_: Matrix) -> tuple[Ensemble, Columns]:
        how = "json" if described.format == "xgboost-json" else "ubjson"
        try:
            model = treelite.frontend.load_xgboost_model(os.fspath(described.model_path), format_choice=how)
        except treelite.TreeliteError as error:
            raise NotTrees(f"treelite does not read it: {error}") from error
        return ensemble(model), plain(described.features, single=True)

    return Original(f"XGBoost {xgboost.__version__}", predict, XGBOOST_SINGLE, trees)


def _pickled(described: Described) -> Original:
    model = _unpickled(described)
    names, features = described.names, described.features
    frames = values_frame if described.takes_values else codes_frame
    # trained on a bare matrix, it would complain about names
    table = described.takes_values or hasattr(model, "feature_names_in_")
    if list(getattr(model, "feature_names_in_", names)) != names:
        found = ", ".join(map(str, model.feature_names_in_))[:300]
        raise Refusal(f"the model's features are not the schema's, in its order: {found}", "make the two agree")

    def given(matrix: Matrix) -> Any:
        return frames(features, matrix) if table else matrix

    answer = estimators.answer(model)

    def predict(matrix: Matrix) -> Vector:
        try:
            found = np.asarray(answer(given(matrix)), dtype=np.float64)
        except Exception as error:  # whatever someone's pipeline raises
            said = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
            raise Refusal(
                f"the model fails on rows that the schema allows: {said}",
                "allow in feature_schema only what the model takes (nullable, values), or let its pipeline take it",
            ) from error
        if found.shape != (len(matrix),):
            raise Refusal("the model has several outputs", "train it for one output, or for two classes")
        return found

    def trees(rows: Matrix) -> tuple[Ensemble, Columns]:
        return estimators.trees(model, features, given, rows)

    tolerance = XGBOOST_SINGLE if estimators.is_single(model) else DOUBLE
    return Original(f"scikit-learn {sklearn.__version__}", predict, tolerance, trees, model)


def _unpickled(described: Described) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            model = joblib.load(described.model_path)
    except InconsistentVersionWarning as error:
        raise Refusal(
            f"{described.model_path.name} was written by scikit-learn {error.original_sklearn_version}; "
            f"this program has {error.current_sklearn_version}, and a pickle is true to its own version only",
            f"train it with scikit-learn {error.current_sklearn_version}, or export it to ONNX and publish that",
        ) from error
    except Exception as error:  # a pickle can fail in any way
        said = f"{type(error).__name__}: {error}"[:300]
        raise Refusal(
            f"{described.model_path.name} cannot be unpickled here: {said}",
            f"keep to scikit-learn {sklearn.__version__}'s and XGBoost {xgboost.__version__}'s own classes "
            f"(Python {platform.python_version()}), or export the model to ONNX and publish that",
        ) from error
    if not isinstance(model, sklearn.base.BaseEstimator):
        raise Refusal(f"{described.model_path.name} holds a {type(model).__name__}", "pickle a fitted estimator")
    return model
