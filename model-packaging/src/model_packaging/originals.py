"""Models as their training wrote them, and their predictions by the libraries that made them."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
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

from ml_model_service.engines.names import are_meant
from model_packaging import categories, estimators, graphs, lightgbm_codes, special
from model_packaging.categories import OwnCategories
from model_packaging.columns import Columns, plain
from model_packaging.engines import LightGBM, Onnx
from model_packaging.frames import codes_frame, values_frame
from model_packaging.refusal import Refusal
from model_packaging.schema import Described, Feature, Matrix, Vector
from model_packaging.trees import Ensemble, NotTrees, ensemble

DOUBLE, XGBOOST_SINGLE, GRAPH_SINGLE = 1e-9, 1e-6, 1e-5


@dataclass(frozen=True)
class Original:
    """`predict` answers one prediction a row. `tolerance` is the error of the library's own arithmetic.

    `trees` reads the model as trees and the columns before them (raises NotTrees). `estimator` is scikit-learn's, None
    for other libraries. `own` are the pandas categories that the model was trained on. `note` tells the publisher how
    the model was read. `text` writes a LightGBM model for the schema's codes and names (raises NotTrees). `features`
    are the schema's, narrowed to what the inputs of a graph can hold.
    """

    library: str
    predict: Callable[[Matrix], Vector]
    tolerance: float
    trees: Callable[[Matrix], tuple[Ensemble, Columns]] | None = None
    estimator: Any = None
    own: OwnCategories | None = None
    note: str = ""
    text: Callable[[], bytes] | None = None
    features: tuple[Feature, ...] | None = None

    @property
    def uses_the_schemas_codes(self) -> bool:
        """Whether its codes of categories are the schema's."""
        return self.own is None or self.own.in_order

    @cached_property
    def numbers(self) -> Vector:
        """Numbers that it may treat specially."""
        return np.empty(0) if self.estimator is None else special.numbers_of(self.estimator)

    def marks(self, features: Sequence[Feature]) -> special.Marks:
        """The ends of the ranges that its steps were fitted to, as far as they keep them."""
        return [None] * len(features) if self.estimator is None else special.marks_of(self.estimator, features)


def load(described: Described) -> Original:
    """The folder's model. Raises Refusal when it cannot be read or does not fit the schema."""
    match described.format:
        case "lightgbm-text":
            return _lightgbm(described)
        case "onnx":
            data = described.model_path.read_bytes()
            form = graphs.check(data, described.features, described.document.get("onnx"))
            graph = Onnx(data, form, described.features)
            library = f"ONNX Runtime {onnxruntime.__version__}"
            return Original(library, graph.predict, GRAPH_SINGLE, features=graph.features)
        case "xgboost-json" | "xgboost-ubj":
            return _xgboost(described)
        case _:
            return _pickled(described)


def _lightgbm(described: Described) -> Original:
    engine = LightGBM(described.model_path.read_bytes(), described.features)
    own = categories.of_lightgbm(engine.booster, described.features)

    def predict(matrix: Matrix) -> Vector:
        if own is None:
            return engine.predict(matrix)
        return np.asarray(engine.booster.predict(own.frame(matrix), num_threads=1), dtype=np.float64)

    def trees(_: Matrix) -> tuple[Ensemble, Columns]:
        try:
            model = treelite.frontend.load_lightgbm_model(os.fspath(described.model_path))
        except treelite.TreeliteError as error:
            raise NotTrees(f"treelite does not read it: {error}") from error
        return ensemble(model), plain(described.features, single=False) if own is None else own.columns(single=False)

    library = f"LightGBM {lightgbm.__version__}"
    text = None if own is None else partial(_text, engine.booster, described.names, own)
    return Original(library, predict, DOUBLE, trees, own=own, text=text)


def _text(booster: lightgbm.Booster, names: Sequence[str], own: OwnCategories | None) -> bytes:
    return lightgbm_codes.recoded(booster.model_to_string(), names, own.tables if own is not None else {})


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
    if booster.num_features() != len(names) or not are_meant(booster.feature_names or names, names):
        found = ", ".join(booster.feature_names or [])[:300] or f"{booster.num_features()}, without names"
        raise Refusal(f"the model's features are not the schema's, in its order: {found}", "make the two agree")

    own = categories.of_xgboost(booster, described.features)
    best, rounds = estimators.best_rounds(booster), booster.num_boosted_rounds()
    # given to `predict`, because a booster that is cut to its best rounds loses its categories
    rounds_used = (0, 0) if best is None else (0, best)

    def predict(matrix: Matrix) -> Vector:
        if own is not None:
            table = own.frame(matrix).set_axis(booster.feature_names or names, axis=1)
            data = xgboost.DMatrix(table, enable_categorical=True)
        else:
            data = xgboost.DMatrix(
                matrix,
                feature_names=booster.feature_names,
                feature_types=booster.feature_types,
                enable_categorical=True,
            )
        found = np.asarray(booster.predict(data, iteration_range=rounds_used), dtype=np.float64)
        if found.shape != (len(matrix),):
            raise Refusal("the model has several outputs", "train it for one output, or for two classes")
        return found

    def trees(_: Matrix) -> tuple[Ensemble, Columns]:
        try:
            model = estimators.xgboost_trees(booster)
        except (treelite.TreeliteError, xgboost.core.XGBoostError) as error:
            raise NotTrees(f"treelite does not read it: {str(error)[:300]}") from error
        return ensemble(model), plain(described.features, single=True) if own is None else own.columns(single=True)

    notes = []
    if best is not None and best < rounds:
        notes.append(
            f"early stopping kept the first {best:,} of {rounds:,} rounds (best_iteration), "
            "and the model predicts by those"
        )
    if own is None and "c" in (booster.feature_types or ()):
        notes.append("the file does not say which value has which code: feature_schema's order is taken")
    note = "; ".join(notes)
    library = f"XGBoost {xgboost.__version__}"
    return Original(library, predict, XGBOOST_SINGLE, trees, own=own, note=note)


def _pickled(described: Described) -> Original:
    model = _unpickled(described)
    names, features = described.names, described.features
    frames = values_frame if described.takes_values else codes_frame
    # a model that was trained on a bare matrix warns about names
    table = described.takes_values or hasattr(model, "feature_names_in_")
    called = [str(name) for name in getattr(model, "feature_names_in_", names)]
    if not are_meant(called, names):
        found = ", ".join(called)[:300]
        raise Refusal(f"the model's features are not the schema's, in its order: {found}", "make the two agree")

    own = estimators.own_categories(model, features)
    categories.check_encoders(model, features, described.takes_values)

    def given(matrix: Matrix) -> Any:
        if own is not None:
            return own.frame(matrix).set_axis(called, axis=1)
        return frames(features, matrix).set_axis(called, axis=1) if table else matrix

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
        return estimators.trees(model, features, given, rows, special.numbers_of(model))

    tolerance = XGBOOST_SINGLE if estimators.is_single(model) else DOUBLE
    note = estimators.which_class(model)
    library = f"scikit-learn {sklearn.__version__}"
    text = partial(_text, model.booster_, names, own) if isinstance(model, lightgbm.LGBMModel) else None
    return Original(library, predict, tolerance, trees, model, own=own, note=note, text=text)


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
