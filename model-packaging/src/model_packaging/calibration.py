"""Calibrated classifiers in a shape that skl2onnx converts faithfully.

skl2onnx calibrates a pipeline's probabilities, while scikit-learn calibrates its scores. So the calibration is moved to
the pipeline's last step, where both calibrate scores. Several folds become a soft vote, since their mean is the answer.
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


def at_last_steps(model: Any) -> Any:
    """The fitted estimator (it is changed), with each calibration of a pipeline moved to the pipeline's last step."""
    if isinstance(model, FrozenEstimator):
        return at_last_steps(model.estimator)
    if isinstance(model, Pipeline):
        model.steps = [(name, at_last_steps(step)) for name, step in model.steps]
    if isinstance(getattr(model, "estimators_", None), list):
        model.estimators_ = [at_last_steps(one) for one in model.estimators_]
    if isinstance(model, CalibratedClassifierCV):
        folds = model.calibrated_classifiers_
        for fold in folds:
            fold.estimator = at_last_steps(fold.estimator)
        if all(isinstance(fold.estimator, Pipeline) for fold in folds):
            return _voting([_calibrated_at_its_end(fold) for fold in folds], model.classes_)
    return model


def _calibrated_at_its_end(fold: Any) -> Pipeline:
    """A fold's pipeline, whose last step is calibrated."""
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
