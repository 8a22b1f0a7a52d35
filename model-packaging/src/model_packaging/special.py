"""Numbers that a model's steps treat specially, and the ranges that the steps were fitted to.

Special are: what stands for missing, what an imputer puts there, edges of bins, limits, constants of a function. A
conversion goes wrong at these first, and held-out rows may lack them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from types import CodeType
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.calibration import _CalibratedClassifier
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline

from model_packaging.schema import Feature, Vector

Marks = list[Vector | None]
"""For each feature numbers between which a model's predictions change, ascending; None where they are not known."""

# what people write for "not known", whatever the model says
_USUAL = (0.0, -1.0, 1.0, -9.0, 9.0, -99.0, 99.0, -999.0, 999.0, -9999.0, 9999.0)
_HUGE = (1e6, 1e9, 1e18, 1e30)
_MOST_OF_ONE, _MOST = 40, 160
_DEEPEST = 12
_DEVIATIONS = 4.0


def usual_numbers() -> Vector:
    """Values to try with any model."""
    return np.array(sorted({*_USUAL, *_HUGE, *(-huge for huge in _HUGE)}))


def numbers_of(estimator: Any) -> Vector:
    """What the estimator's transformers hold, and what its models take for missing; ascending, at most 160."""
    scalars, arrays = set[float](), list[Vector]()
    for part in parts(estimator):
        if hasattr(part, "transform"):
            for value in vars(part).values():
                found = _finite(_numbers(value))
                if len(found) > 1:
                    arrays.append(_some(np.unique(found), _MOST_OF_ONE))
                scalars |= set(found.tolist()) if len(found) == 1 else set()
        else:
            scalars |= set(_finite(_numbers(getattr(part, "missing", None))).tolist())
    many = np.unique(np.concatenate([np.empty(0), *arrays]))
    return np.unique(np.append(_some(many, max(0, _MOST - len(scalars))), sorted(scalars)))


def has_thresholds(estimator: Any) -> bool:
    """Whether it has trees or bins: next to a threshold of theirs, the smallest rounding matters."""
    return any(hasattr(part, name) for part in parts(estimator) for name in ("tree_", "_predictors", "bin_edges_"))


def marks_of(estimator: Any, features: Sequence[Feature]) -> Marks:
    """The ends of the ranges that the first steps were fitted to, feature by feature."""
    found: list[list[float]] = [[] for _ in features]
    for part, columns in first_steps(estimator, features):
        for lows, highs in _ranges(part):
            if np.shape(lows) == np.shape(highs) == (len(columns),):
                for position, low, high in zip(columns, lows.tolist(), highs.tolist(), strict=True):
                    found[position] += [low, high]
    finite = [np.unique(_finite(np.array(ends))) for ends in found]
    return [ends if len(ends) else None for ends in finite]


def parts(estimator: Any) -> Iterator[Any]:
    """The estimator and every one inside it."""
    seen = set[int]()
    waiting: list[tuple[Any, int]] = [(estimator, 0)]
    while waiting:
        part, depth = waiting.pop()
        if id(part) in seen or depth > _DEEPEST:
            continue
        seen.add(id(part))
        # a calibrated classifier keeps its folds in objects that are not estimators
        if isinstance(part, BaseEstimator | _CalibratedClassifier):
            yield part
            waiting += [(value, depth + 1) for value in vars(part).values()]
        elif isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
            waiting += [(value, depth + 1) for value in part if not isinstance(value, str | int | float)]
        elif isinstance(part, dict):
            waiting += [(value, depth + 1) for value in part.values()]


def _numbers(value: Any, depth: int = 0) -> Vector:
    """The numbers in a value: a number, an array, nested lists, the constants of a function."""
    if isinstance(value, bool | np.bool_ | str | bytes) or depth > _DEEPEST:
        return np.empty(0)
    if isinstance(value, int | float | np.integer | np.floating):
        return np.array([float(value)])
    if isinstance(value, np.ndarray) and value.dtype.kind in "iuf":
        return value.astype(np.float64).reshape(-1)
    inside: Iterable[Any] = ()
    if isinstance(value, list | tuple | set) or (isinstance(value, np.ndarray) and value.dtype == object):
        inside = value
    elif isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, functools.partial):
        inside = (value.func, value.args, value.keywords)
    elif isinstance(value, CodeType):
        inside = value.co_consts
    elif hasattr(value, "__code__"):
        cells = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
        inside = (value.__code__, getattr(value, "__defaults__", None), getattr(value, "__kwdefaults__", None), cells)
    return np.concatenate([np.empty(0), *(_numbers(part, depth + 1) for part in inside)])


def first_steps(estimator: Any, features: Sequence[Feature]) -> Iterator[tuple[Any, list[int]]]:
    """The parts that get features unchanged or from an imputer, with the features' positions."""
    positions = {feature.name: n for n, feature in enumerate(features)}
    yield from _first_steps(estimator, list(range(len(features))), positions)


def _first_steps(part: Any, columns: list[int], positions: dict[str, int]) -> Iterator[tuple[Any, list[int]]]:
    if isinstance(part, Pipeline):
        for _, step in part.steps:
            yield from _first_steps(step, columns, positions)
            # an imputer's columns are still the features
            if not (isinstance(step, SimpleImputer) and not step.add_indicator):
                return
    elif isinstance(part, ColumnTransformer):
        for _, step, picked in part.transformers_:
            yield from _first_steps(step, _places(picked, columns, positions), positions)
    elif isinstance(part, FeatureUnion):
        for _, step in part.transformer_list:
            yield from _first_steps(step, columns, positions)
    elif isinstance(part, BaseEstimator) and getattr(part, "n_features_in_", None) == len(columns):
        yield part, columns
        # histograms encode the categories of a table themselves
        yield from _first_steps(getattr(part, "_preprocessor", None), columns, positions)


def _places(picked: Any, columns: Sequence[int], positions: dict[str, int]) -> list[int]:
    """The features that a ColumnTransformer picks by name, position, slice or mask; none for any other selection."""
    if isinstance(picked, str | int):
        picked = [picked]
    if isinstance(picked, slice):
        picked = range(len(columns))[picked] if not isinstance(picked.start, str) else []
    if len(picked) == len(columns) and all(isinstance(pick, bool | np.bool_) for pick in picked):
        picked = np.flatnonzero(picked)
    found = [positions.get(pick, -1) if isinstance(pick, str) else int(pick) for pick in picked]
    return [columns[n] for n in found] if all(0 <= n < len(columns) for n in found) else []


def _ranges(part: Any) -> Iterator[tuple[Vector, Vector]]:
    def array(name: str) -> Vector | None:
        found = getattr(part, name, None)
        return found.astype(np.float64) if isinstance(found, np.ndarray) and found.dtype.kind in "iuf" else None

    center, spread = array("mean_"), array("var_")
    if center is not None and spread is not None:
        yield center - _DEVIATIONS * np.sqrt(spread), center + _DEVIATIONS * np.sqrt(spread)
    center, spread = array("center_"), array("scale_")
    if center is not None and spread is not None:
        yield center - _DEVIATIONS * spread, center + _DEVIATIONS * spread
    low, high = array("data_min_"), array("data_max_")
    if low is not None and high is not None:
        yield low, high
    for name in ("quantiles_", "_fit_X", "X_train_", "support_vectors_"):
        rows = array(name)
        if rows is not None and rows.ndim == 2 and len(rows):
            yield rows.min(axis=0), rows.max(axis=0)
    edges = getattr(part, "bin_edges_", None)
    if isinstance(edges, np.ndarray) and edges.dtype == object:
        yield np.array([edge[0] for edge in edges]), np.array([edge[-1] for edge in edges])


def _finite(values: Vector) -> Vector:
    found: Vector = values[np.isfinite(values)]
    return found


def _some(values: Vector, most: int) -> Vector:
    """At most so many of them, spread evenly."""
    return values[np.linspace(0, len(values) - 1, min(len(values), most)).astype(int)] if len(values) else values
