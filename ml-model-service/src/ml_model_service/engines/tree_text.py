"""LightGBM's text format, as `GBDT::SaveModelToString` writes it, read as far as scoring needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isnan

import numpy as np
from numpy.typing import NDArray

CATEGORICAL, _DEFAULT_LEFT, _MISSING_IS_ZERO, _MISSING_IS_NAN = 1, 2, 1, 2
_WORD = 32
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
        head, *bodies = text.decode().partition("\nend of trees")[0].split("\nTree=")
        header = _fields(head)
        if header.get("num_class") != "1" or header.get("num_tree_per_iteration") != "1":
            raise Unsupported("more than one output")
        if not bodies:
            raise Unsupported("no trees")
        trees = [_tree(_fields(body)) for body in bodies]
        return TreeText(trees, _sigmoid(header.get("objective", "")), "average_output" in head.splitlines())
    except (ValueError, LookupError, RecursionError) as error:
        raise Unsupported(f"{type(error).__name__}: {error}") from error


def _fields(lines: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines.splitlines() if "=" in line)


def _sigmoid(objective: str) -> float | None:
    name, *parameters = objective.split() or [""]
    if name == "binary" and len(parameters) == 1:
        key, _, value = parameters[0].partition(":")
        if key == "sigmoid":
            return float(value)
    if name in _PLAIN and not parameters:
        return None
    raise Unsupported(f"objective {objective!r}")


def _tree(fields: dict[str, str]) -> Tree:
    if fields.get("is_linear", "0") != "0":
        raise Unsupported("linear trees")
    leaves = [float(value) for value in fields["leaf_value"].split()]
    if len(leaves) != int(fields["num_leaves"]):
        raise Unsupported("leaves are missing")
    if len(leaves) == 1:
        return Tree((), leaves)
    left, right = _whole(fields, "left_child"), _whole(fields, "right_child")
    sets = _code_sets(fields)
    kinds, thresholds = _whole(fields, "decision_type"), fields["threshold"].split()
    splits = [
        Split(
            feature=feature,
            threshold=float(threshold),
            codes=sets[int(threshold)] if kind & CATEGORICAL else None,
            missing_is_zero=kind >> 2 & 3 == _MISSING_IS_ZERO,
            missing_is_nan=kind >> 2 & 3 == _MISSING_IS_NAN,
            default_left=bool(kind & _DEFAULT_LEFT),
            leaves_left=_below(left[node], left, right),
            leaves_right=_below(right[node], left, right),
        )
        for node, (feature, threshold, kind) in enumerate(
            zip(_whole(fields, "split_feature"), thresholds, kinds, strict=True)
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


def _code_sets(fields: dict[str, str]) -> Sequence[frozenset[int]]:
    """The sets of codes that the tree's splits by category name."""
    if fields.get("num_cat", "0") == "0":
        return ()
    bounds, words = _whole(fields, "cat_boundaries"), _whole(fields, "cat_threshold")
    return [
        frozenset(
            position * _WORD + bit
            for position, word in enumerate(words[start:end])
            if word
            for bit in range(_WORD)
            if word >> bit & 1
        )
        for start, end in pairwise(bounds)
    ]


def _whole(fields: dict[str, str], name: str) -> Sequence[int]:
    return [int(value) for value in fields[name].split()]
