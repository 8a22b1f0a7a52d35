"""Rewrites splits on the trees' columns as splits on the schema's features that decide the same for every value.

Rounding to single precision, scaling, imputing, encoding: whatever stands between a feature and a tree's column is
folded into the split. A number's split becomes `x <= t` with the largest double `t` that still goes to the left, found
by bisection over the doubles; a category's split becomes the set of codes that go to the left, found by trying all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_packaging.columns import Columns, rounded
from model_packaging.schema import Feature, Vector
from model_packaging.trees import Ensemble, Flags, Ints, NotTrees

_LARGEST = float(np.finfo(np.float64).max)
_FAR = 1e300
_EVERYTHING = 2**64 - 1
_LOWEST_KEY = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Splits:
    """An ensemble's splits on features; arrays of shape (nodes,), meaningless at leaves.

    `fixed` is 0, or −1 / +1 where every value goes left / right. `swapped` exchanges the children. A node in `codes`
    sends these codes, and no missing value, to the left; any other sends `x <= threshold` there. `zero` says that zero
    counts as missing.
    """

    feature: Ints
    threshold: Vector
    default_left: Flags
    fixed: Ints
    swapped: Flags
    zero: Flags
    codes: dict[int, Ints]


def fold(whole: Ensemble, columns: Columns, features: Sequence[Feature]) -> Splits:
    """The ensemble's splits on features. Raises NotTrees where the schema's number is a category to the model."""
    inner = whole.left >= 0
    splits = Splits(
        feature=np.where(inner, np.array(columns.source)[whole.column], 0),
        threshold=whole.threshold.copy(),
        default_left=whole.default_left.copy(),
        fixed=np.zeros(len(inner), dtype=np.int64),
        swapped=np.zeros(len(inner), dtype=np.bool_),
        zero=np.zeros(len(inner), dtype=np.bool_),
        codes={},
    )
    categorical = np.zeros(len(inner), dtype=np.bool_)
    categorical[list(whole.listed)] = True
    for column, source in enumerate(columns.source):
        nodes = np.flatnonzero(inner & (whole.column == column))
        if not len(nodes):
            continue
        if source < 0:
            value = columns.seen(column, np.zeros(1))
            splits.fixed[nodes] = [-1 if _goes_left(whole, node, value)[0] else 1 for node in nodes.tolist()]
        elif features[source].is_category:
            _categories(splits, whole, nodes, _table(columns, column, features[source]), features[source])
        elif np.any(categorical[nodes]):
            raise NotTrees(f"{features[source].name} is a number in the schema and a category to the model")
        else:
            for strict in (False, True):
                some = nodes[whole.strict[nodes] == strict]
                if len(some):
                    _numbers(splits, whole, some, columns, column, features[source])
    return splits


def _categories(splits: Splits, whole: Ensemble, nodes: Ints, table: Vector, feature: Feature) -> None:
    """`table` has the column's value for each code and, last, for a missing feature."""
    for node in nodes.tolist():
        left = _goes_left(whole, node, table)
        known, missing_left = left[:-1], bool(left[-1]) and feature.nullable
        if np.all(known) and (missing_left or not feature.nullable):
            splits.fixed[node] = -1
        elif not np.any(known) and not missing_left:
            splits.fixed[node] = 1
        else:
            # missing always goes to the right of a set of codes
            splits.swapped[node] = missing_left
            splits.codes[node] = np.flatnonzero(known != missing_left)


def _numbers(splits: Splits, whole: Ensemble, nodes: Ints, columns: Columns, column: int, feature: Feature) -> None:
    """For nodes that split one column of a number, all of them by `<` or all by `<=`."""
    strict = bool(whole.strict[nodes[0]])
    wanted, place = np.unique(whole.threshold[nodes], return_inverse=True)
    thresholds = _bounds(columns, column, feature, wanted, strict)[place]
    missing_left = whole.default_left[nodes]
    zero = columns.zero_is_missing and columns.is_passed(column)
    if feature.nullable:
        made = float(columns.seen(column, np.array([np.nan]))[0])
        if not np.isnan(made):  # an imputer filled in a value
            missing_left = made < whole.threshold[nodes] if strict else made <= whole.threshold[nodes]
    numbers_left = thresholds > 0
    endless = np.isinf(thresholds)
    same = endless & ((numbers_left == missing_left) | (not feature.nullable and not zero))
    splits.fixed[nodes[same]] = np.where(numbers_left[same], -1, 1)
    # the remaining ones separate missing from all numbers
    splits.swapped[nodes] = endless & ~numbers_left
    splits.threshold[nodes] = np.where(endless, _LARGEST, thresholds)
    splits.default_left[nodes] = missing_left & ~endless
    splits.zero[nodes] = zero


def _goes_left(whole: Ensemble, node: int, values: Vector) -> Flags:
    """Which values of the node's column go to the left."""
    if node in whole.listed:
        left = np.isin(values, whole.listed[node]) != whole.listed_right[node]
    else:
        left = values < whole.threshold[node] if whole.strict[node] else values <= whole.threshold[node]
    where: Flags = np.where(np.isnan(values), whole.default_left[node], left)
    return where


def _table(columns: Columns, column: int, feature: Feature) -> Vector:
    codes = np.arange(len(feature.values), dtype=np.float64)
    missing = columns.seen(column, np.array([np.nan])) if feature.nullable else np.array([np.nan])
    return np.append(columns.seen(column, codes), missing)


def _bounds(columns: Columns, column: int, feature: Feature, thresholds: Vector, strict: bool) -> Vector:
    """For each threshold on the column, the largest double of the feature that goes to the left.

    −∞ where none does and +∞ where all do, within the feature's own bounds.
    """
    highest = np.nextafter(thresholds, -np.inf) if strict else thresholds
    if columns.single:
        highest = _search(rounded, highest, highest, -_FAR, _FAR)
    if not columns.is_passed(column):

        def made(values: Vector) -> Vector:
            return columns.made(column, values)

        highest = _search(made, highest, _guess(made, highest, feature), feature.minimum, feature.maximum)
    return np.asarray(highest, dtype=np.float64)


def _guess(made: Callable[[Vector], Vector], highest: Vector, feature: Feature) -> Vector:
    """Where `made` reaches `highest` if it is a straight line, as scalers are."""
    ends = np.clip(np.array([-1e3, 1e3]), feature.minimum, feature.maximum)
    low, high = made(ends)
    if not high > low:
        return np.full(len(highest), ends[0])
    there = ends[0] + (highest - low) * ((ends[1] - ends[0]) / (high - low))
    return np.asarray(np.clip(there, feature.minimum, feature.maximum), dtype=np.float64)


def _search(made: Callable[[Vector], Vector], highest: Vector, guess: Vector, minimum: float, maximum: float) -> Vector:
    """The largest double x from minimum to maximum with made(x) <= highest, for a `made` that never falls; ±∞ as above.

    Bisection from a bracket around the guess that grows until it holds the answer.
    """
    lowest, highest_possible = _keys(np.array([minimum])), _keys(np.array([maximum]))
    center = _keys(np.clip(np.nan_to_num(guess), minimum, maximum))
    none, every = ~(made(np.full(len(highest), minimum)) <= highest), made(np.full(len(highest), maximum)) <= highest
    width = 1
    while True:
        yes = (center.view(np.uint64) - _at_most(_apart(lowest, center), width)).view(np.int64)
        no = (center.view(np.uint64) + _at_most(_apart(center, highest_possible), width)).view(np.int64)
        inside = (made(_doubles(yes)) <= highest) & ~(made(_doubles(no)) <= highest)
        if np.all(inside | none | every) or width > _EVERYTHING:
            break
        width <<= 10
    while np.any(yes + 1 < no):
        middle = (yes & no) + ((yes ^ no) >> 1)  # their mean, without overflow
        went = made(_doubles(middle)) <= highest
        yes, no = np.where(went, middle, yes), np.where(went, no, middle)
    return np.where(none, -np.inf, np.where(every, np.inf, _doubles(yes)))


def _apart(low: Ints, high: Ints) -> NDArray[np.uint64]:
    """How far, which can be more than a signed integer holds."""
    return high.view(np.uint64) - low.view(np.uint64)


def _at_most(distances: NDArray[np.uint64], limit: int) -> NDArray[np.uint64]:
    return np.minimum(distances, np.uint64(min(limit, _EVERYTHING)))


def _keys(values: Vector) -> Ints:
    """Integers in the order of the doubles, neighbours next to one another."""
    bits: NDArray[np.int64] = (values + 0.0).view(np.int64)  # −0 is 0
    return np.where(bits < 0, _LOWEST_KEY - bits, bits)


def _doubles(keys: Ints) -> Vector:
    found: Vector = np.where(keys < 0, _LOWEST_KEY - keys, keys).view(np.float64)
    return found
