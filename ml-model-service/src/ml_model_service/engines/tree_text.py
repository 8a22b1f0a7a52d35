"""LightGBM's text format, as `GBDT::SaveModelToString` writes it, read as far as scoring needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan

import numpy as np
from numpy.typing import NDArray

from ml_model_service.contract import lightgbm_text
from ml_model_service.contract.lightgbm_text import CATEGORICAL, DEFAULT_LEFT, MISSING_IS_NAN, MISSING_IS_ZERO, missing

# LightGBM takes numbers this near to zero for zero: its kZeroThreshold, a float
NEARLY_ZERO = 1.0000000180025095e-35
# objectives whose raw score is the prediction
_PLAIN = frozenset({"", "custom", "regression", "regression_l1", "huber", "fair", "quantile", "mape"})


class Unsupported(ValueError):
    """A model of a kind that is not read here; LightGBM's library scores it."""


@dataclass(frozen=True, slots=True)
class Split:
    """An inner node: `codes` of a category that go to the left, or else the numbers up to `threshold` do.

    `leaves_left` and `leaves_right` are bit sets of the tree's leaves below each side.
    """

    feature: int
    threshold: float
    codes: frozenset[int] | None
    missing_is_zero: bool
    missing_is_nan: bool
    default_left: bool
    leaves_left: int
    leaves_right: int

    def goes_left(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which of the values LightGBM sends to the left; NaN is missing."""
        if self.codes is not None:
            return np.isin(np.trunc(values), list(self.codes))
        missing = np.isnan(values)
        if not self.missing_is_nan:
            values, missing = np.where(missing, 0.0, values), np.zeros(len(values), dtype=np.bool_)
        if self.missing_is_zero:
            missing |= np.abs(values) <= NEARLY_ZERO
        return np.where(missing, self.default_left, values <= self.threshold)


@dataclass(frozen=True, slots=True)
class Tree:
    """Its splits, and the value of each leaf."""

    splits: Sequence[Split]
    leaves: Sequence[float]


@dataclass(frozen=True, slots=True)
class TreeText:
    """An ensemble of one output. `sigmoid` turns the sum of the leaves into a probability; None where it is the answer.

    `average`: the sum is divided by the number of trees.
    """

    trees: Sequence[Tree]
    sigmoid: float | None
    average: bool


def read(text: bytes) -> TreeText:
    """The ensemble. Raises Unsupported for any other kind of model, and for what is not understood."""
    try:
        head, bodies, _ = lightgbm_text.cut(text)
        header = lightgbm_text.fields(head)
        if header.get(b"num_class") != b"1" or header.get(b"num_tree_per_iteration") != b"1":
            raise Unsupported("more than one output")
        if not bodies:
            raise Unsupported("no trees")
        trees = [_tree(lightgbm_text.fields(body)) for body in bodies]
        sigmoid = _sigmoid(header.get(b"objective", b"").decode())
        return TreeText(trees, sigmoid, b"average_output" in head.split(b"\n"))
    except (ValueError, LookupError, RecursionError) as error:
        raise Unsupported(f"{type(error).__name__}: {error}") from error


def _sigmoid(objective: str) -> float | None:
    name, *parameters = objective.split() or [""]
    if name == "binary" and len(parameters) == 1:
        key, _, value = parameters[0].partition(":")
        if key == "sigmoid":
            return float(value)
    if name in _PLAIN and not parameters:
        return None
    raise Unsupported(f"objective {objective!r}")


def _tree(fields: dict[bytes, bytes]) -> Tree:
    if fields.get(b"is_linear", b"0") != b"0":
        raise Unsupported("linear trees")
    leaves = [float(value) for value in fields[b"leaf_value"].split()]
    if len(leaves) != int(fields[b"num_leaves"]):
        raise Unsupported("leaves are missing")
    if len(leaves) == 1:
        return Tree((), leaves)
    left, right = _whole(fields, b"left_child"), _whole(fields, b"right_child")
    sets = _code_sets(fields)
    kinds, thresholds = _whole(fields, b"decision_type"), fields[b"threshold"].split()
    splits = [
        Split(
            feature=feature,
            threshold=float(threshold),
            codes=sets[int(threshold)] if kind & CATEGORICAL else None,
            missing_is_zero=missing(kind) == MISSING_IS_ZERO,
            missing_is_nan=missing(kind) == MISSING_IS_NAN,
            default_left=bool(kind & DEFAULT_LEFT),
            leaves_left=_below(left[node], left, right),
            leaves_right=_below(right[node], left, right),
        )
        for node, (feature, threshold, kind) in enumerate(
            zip(_whole(fields, b"split_feature"), thresholds, kinds, strict=True)
        )
    ]
    if any(isnan(split.threshold) for split in splits):
        raise Unsupported("a threshold that is no number")
    return Tree(splits, leaves)


def _below(child: int, left: Sequence[int], right: Sequence[int]) -> int:
    """The leaves below a child, which is a node's number, or the complement of a leaf's."""
    if child < 0:
        return 1 << ~child
    return _below(left[child], left, right) | _below(right[child], left, right)


def _code_sets(fields: dict[bytes, bytes]) -> Sequence[frozenset[int]]:
    """The sets of codes that the tree's splits by category name."""
    if fields.get(b"num_cat", b"0") == b"0":
        return ()
    bounds, words = _whole(fields, b"cat_boundaries"), _whole(fields, b"cat_threshold")
    return [frozenset(lightgbm_text.codes(words[start:end])) for start, end in pairwise(bounds)]


def _whole(fields: dict[bytes, bytes], name: bytes) -> Sequence[int]:
    return [int(value) for value in fields[name].split()]
