"""Scikit-learn's estimators (and XGBoost's and LightGBM's in its clothes): what they answer, and the trees in them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import lightgbm
import numpy as np
import treelite
import xgboost
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from model_packaging.columns import Columns, plain, through
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature, Matrix, Vector
from model_packaging.trees import Ensemble, NotTrees, ensemble

Given = Callable[[Matrix], Any]
"""Codes to what the estimator was trained on."""


def answer(model: Any) -> Callable[[Any], Vector]:
    """A classifier's chance of its second class, a regressor's prediction. Raises Refusal for several classes."""
    if not is_classifier(model):
        return model.predict  # type: ignore[no-any-return]
    classes = list(model.classes_)
    if len(classes) != 2:
        raise Refusal(f"the model has {len(classes)} classes; two can be served", "train it for two classes")
    if not hasattr(model, "predict_proba"):
        raise Refusal(
            f"{type(model).__name__} gives classes, no probabilities", "use a classifier that has predict_proba"
        )
    return lambda rows: model.predict_proba(rows)[:, 1]


def trees(model: Any, features: Sequence[Feature], given: Given, rows: Matrix) -> tuple[Ensemble, Columns]:
    """The model's trees and the columns before them. Raises NotTrees when it is no tree ensemble behind encoders."""
    before, last = (model[:-1], model[-1]) if isinstance(model, Pipeline) else (None, model)
    inside, single = None, not isinstance(last, lightgbm.LGBMModel)
    if isinstance(last, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        inside = last._preprocessor
        last = copy.copy(last)
        last._preprocessor = None  # it is one of the steps before the trees, below
        single = False
    found = ensemble(_read(last))
    if before is None and inside is None:
        return found, plain(features, single)

    def transform(matrix: Matrix) -> Matrix:
        made = given(matrix)
        for step in (before, inside):
            made = made if step is None else step.transform(made)
        return _dense(made, absent_is_missing=isinstance(last, xgboost.XGBModel))

    try:
        return found, through(features, transform, rows, single)
    except (TypeError, ValueError) as error:
        raise NotTrees(f"what comes before the trees cannot be followed: {str(error)[:300]}") from error


def is_single(model: Any) -> bool:
    """Whether the model's sums are of single precision."""
    return isinstance(model[-1] if isinstance(model, Pipeline) else model, xgboost.XGBModel)


def _dense(made: Any, absent_is_missing: bool) -> Matrix:
    if not hasattr(made, "tocoo"):
        return np.asarray(made, dtype=np.float64)
    if not absent_is_missing:
        return np.asarray(made.toarray(), dtype=np.float64)
    stored = made.tocoo()
    dense = np.full(stored.shape, np.nan)
    dense[stored.row, stored.col] = stored.data
    return dense


def _read(last: Any) -> treelite.Model:
    try:
        if isinstance(last, xgboost.XGBModel):
            booster = last.get_booster()
            best = booster.attr("best_iteration")
            return treelite.frontend.from_xgboost(booster if best is None else booster[: int(best) + 1])
        if isinstance(last, lightgbm.LGBMModel):
            return treelite.frontend.from_lightgbm(last.booster_)
        return treelite.sklearn.import_model(last)
    except (treelite.TreeliteError, NotImplementedError, AssertionError) as error:
        raise NotTrees(f"treelite does not read a {type(last).__name__}: {str(error)[:200]}") from error
