"""Calibrated classifiers in a shape that skl2onnx converts faithfully.

It calibrates a pipeline's probabilities where scikit-learn calibrates its scores. So the calibration moves behind the
pipeline's last step, where both mean the scores; the copies of several folds then vote, as their mean is the answer.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder


def lowered(model: Any) -> Any:
    """The fitted estimator, which is changed, with every calibration next to what it calibrates."""
    if isinstance(model, FrozenEstimator):
        return lowered(model.estimator)
    if isinstance(model, Pipeline):
        model.steps = [(name, lowered(step)) for name, step in model.steps]
    if isinstance(getattr(model, "estimators_", None), list):
        model.estimators_ = [lowered(one) for one in model.estimators_]
    if isinstance(model, CalibratedClassifierCV):
        folds = model.calibrated_classifiers_
        for fold in folds:
            fold.estimator = lowered(fold.estimator)
        if all(isinstance(fold.estimator, Pipeline) for fold in folds):
            return _voting([_behind(fold) for fold in folds], model.classes_)
    return model


def _behind(fold: Any) -> Pipeline:
    """A fold's pipeline with the calibration behind its last step."""
    *before, (name, last) = fold.estimator.steps
    inner = copy.copy(fold)
    inner.estimator = last
    calibrated = CalibratedClassifierCV(last)
    calibrated.calibrated_classifiers_, calibrated.classes_ = [inner], fold.classes
    return Pipeline([*before, (name, calibrated)])


def _voting(models: list[Pipeline], classes: Any) -> Any:
    if len(models) == 1:
        return models[0]
    voting = VotingClassifier([(str(n), model) for n, model in enumerate(models)], voting="soft")
    voting.estimators_, voting.classes_ = models, np.asarray(classes)
    voting.le_ = LabelEncoder().fit(classes)
    return voting
