"""Estimators with scikit-learn's interface, XGBoost's and LightGBM's too: their predictions, and their trees."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import lightgbm
import numpy as np
import treelite
import xgboost
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline

from model_packaging import categories, lightgbm_codes
from model_packaging.categories import OwnCategories
from model_packaging.columns import Columns, by_asking, plain
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature, Matrix, Vector
from model_packaging.trees import Ensemble, NotTrees, ensemble

Given = Callable[[Matrix], Any]
"""From codes to rows as the estimator was trained on them."""


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


def which_class(model: Any) -> str:
    """Which class a prediction is the chance of, in words; empty for 0 and 1, where everybody expects the second."""
    classes = [getattr(name, "item", lambda name=name: name)() for name in getattr(model, "classes_", ())]
    if not is_classifier(model) or classes in ([0, 1], [False, True]):
        return ""
    return f"a prediction is the chance of {classes[1]!r}, the second class of {classes[0]!r} and {classes[1]!r}"


def trees(
    model: Any, features: Sequence[Feature], given: Given, rows: Matrix, special: Vector | None = None
) -> tuple[Ensemble, Columns]:
    """The model's trees and the columns before them. Raises NotTrees when it is not a tree ensemble behind encoders.

    `special` are numbers that the steps before the trees may treat specially.
    """
    before, last = (model[:-1], model[-1]) if isinstance(model, Pipeline) else (None, model)
    inside, single = None, not isinstance(last, lightgbm.LGBMModel)
    if isinstance(last, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        inside = last._preprocessor
        last = copy.copy(last)
        last._preprocessor = None  # taken into the steps before the trees below
        single = False
    found = ensemble(_read(last))
    absent = float(last.missing) if isinstance(last, xgboost.XGBModel) and last.missing is not None else math.nan
    own = own_categories(last, features) if before is None else None
    if own is not None:
        if not math.isnan(absent):
            raise NotTrees(f"the model takes {absent:g} for missing, and has categories of its own")
        return found, own.columns(single)
    if before is None and inside is None and math.isnan(absent):
        return found, plain(features, single)

    def transform(matrix: Matrix) -> Matrix:
        made = given(matrix) if before is not None or inside is not None else matrix
        for step in (before, inside):
            made = made if step is None else step.transform(made)
        return _dense(made, absent_is_missing=isinstance(last, xgboost.XGBModel))

    try:
        special = np.empty(0) if special is None else special
        return found, by_asking(features, transform, rows, single=single, special=special, absent=absent)
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


def xgboost_trees(booster: xgboost.Booster) -> treelite.Model:
    """The rounds up to the best one, if early stopping has named one. Raises TreeliteError."""
    if '"name":"gblinear"' in booster.save_config().replace(" ", ""):
        raise NotTrees("its booster is gblinear, which has no trees")
    rounds = best_rounds(booster)
    text = bytes((booster if rounds is None else booster[:rounds]).save_raw("json"))
    if categories.has_cats(text):
        # treelite refuses pandas categories, and does not need them: the rows have the model's own codes
        document = json.loads(text)
        holder = categories.holder_of_cats(document)
        if holder is not None:
            holder["cats"] = {"enc": [], "feature_segments": [], "sorted_idx": []}
        text = json.dumps(document).encode()
    return treelite.frontend.from_xgboost_json(text)


def best_rounds(booster: xgboost.Booster) -> int | None:
    """How many rounds XGBoost's scikit-learn interface predicts by after early stopping; None for all."""
    best = booster.attr("best_iteration")
    return None if best is None else int(best) + 1


def own_categories(model: Any, features: Sequence[Feature]) -> OwnCategories | None:
    """What a LightGBM or XGBoost model that was fitted to a table of pandas knows of its categories."""
    if isinstance(model, lightgbm.LGBMModel):
        return categories.of_lightgbm(model.booster_, features)
    if isinstance(model, xgboost.XGBModel):
        return categories.of_xgboost(model.get_booster(), features)
    return None


def _read(last: Any) -> treelite.Model:
    try:
        if isinstance(last, xgboost.XGBModel):
            return xgboost_trees(last.get_booster())
        if isinstance(last, lightgbm.LGBMModel):
            if lightgbm_codes.takes_zero_for_missing(last.booster_.model_to_string()):
                raise NotTrees("its trees take zero for missing (zero_as_missing), and steps stand before them")
            return treelite.frontend.from_lightgbm(last.booster_)
        return treelite.sklearn.import_model(last)
    except (treelite.TreeliteError, xgboost.core.XGBoostError, NotImplementedError, AssertionError) as error:
        raise NotTrees(f"treelite does not read a {type(last).__name__}: {str(error)[:200]}") from error
