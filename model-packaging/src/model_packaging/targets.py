"""Regressors of a transformed target: the regressor, and how the transformation is inverted in a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler

from model_packaging.refusal import Refusal

Step = tuple[Any, ...]
"""An ONNX operator of one number, and the constants that it takes besides."""

_FUNCTIONS: dict[Any, list[Step]] = {
    None: [("Identity",)],
    np.exp: [("Exp",)],
    np.expm1: [("Exp",), ("Sub", 1.0)],
    np.exp2: [("Mul", float(np.log(2))), ("Exp",)],
    np.log: [("Log",)],
    np.log1p: [("Add", 1.0), ("Log",)],
    np.sqrt: [("Sqrt",)],
    np.square: [("Pow", 2.0)],
    np.cbrt: [("Pow", 1 / 3)],
    np.negative: [("Neg",)],
    np.reciprocal: [("Reciprocal",)],
    expit: [("Sigmoid",)],
}


def regressor_and_inverse(model: Any) -> tuple[Any, list[Step]]:
    """What predicts the transformed target, and the steps that invert it; for other models itself, and no steps.

    Raises Refusal for a transformer that no graph can invert.
    """
    before, last = (model.steps[:-1], model.steps[-1][1]) if isinstance(model, Pipeline) else ([], model)
    if not isinstance(last, TransformedTargetRegressor):
        return model, []
    regressor = last.regressor_
    return Pipeline([*before, ("regressor", regressor)]) if before else regressor, _inverse(last.transformer_)


def _inverse(transformer: Any) -> list[Step]:
    match transformer:
        case FunctionTransformer() if not transformer.inv_kw_args and transformer.inverse_func in _FUNCTIONS:
            return _FUNCTIONS[transformer.inverse_func]
        case StandardScaler() | RobustScaler():
            middle = transformer.mean_ if isinstance(transformer, StandardScaler) else transformer.center_
            return _scaled(transformer.scale_, middle)
        case MinMaxScaler():
            return [("Sub", float(transformer.min_[0])), ("Div", float(transformer.scale_[0]))]
        case MaxAbsScaler():
            return [("Mul", float(transformer.scale_[0]))]
        case FunctionTransformer():
            name = getattr(transformer.inverse_func, "__name__", str(transformer.inverse_func))
            raise _no_way(f"the function {name}")
        case _:
            raise _no_way(f"a {type(transformer).__name__}")


def _scaled(scale: Any, middle: Any) -> list[Step]:
    steps: list[Step] = [] if scale is None else [("Mul", float(scale[0]))]
    return steps + ([("Identity",)] if middle is None else [("Add", float(middle[0]))])


def _no_way(what: str) -> Refusal:
    known = ", ".join(f"numpy.{function.__name__}" for function in _FUNCTIONS if isinstance(function, np.ufunc))
    return Refusal(
        f"its target is taken back by {what}, which no graph can; inverse functions that can: {known}, and scalers",
        "train it with one of those",
    )
