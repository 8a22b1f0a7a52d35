"""Between which numbers a model's predictions change, for features of which neither splits nor fitted steps say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from model_packaging import rows
from model_packaging.refusal import Refusal
from model_packaging.schema import Feature, Matrix, Vector
from model_packaging.special import Marks

_QUANTILES = 16
_BASES = 4
_EDGE = 0.02
_APART = 1e-4
_MOST_ASKED = 200


def filled_from_rows(matrix: Matrix, marks: Marks) -> Marks:
    """The marks; where a feature has none, quantiles of its numbers in the rows."""
    return [
        np.unique(np.quantile(known, np.linspace(0, 1, _QUANTILES)))
        if marked is None and len(known := column[~np.isnan(column)])
        else marked
        for marked, column in zip(marks, matrix.T, strict=True)
    ]


def filled_by_asking(features: Sequence[Feature], predict: Callable[[Matrix], Vector], marks: Marks) -> Marks:
    """The marks; where a feature has none, numbers between which 96 % of the change lies that it alone causes.

    A logistic function changes near its middle only: of numbers up to ten thousand, nearly all predict 0 or 1.
    """
    found = list(marks)
    if sum(marked is None for marked in marks) > _MOST_ASKED:
        return found
    for position, feature in enumerate(features):
        if feature.is_category or found[position] is not None:
            continue
        grid = _grid(feature)
        base = _typical(features, found)
        tried = np.repeat(base, len(grid), axis=0)
        tried[:, position] = np.tile(grid, len(base))
        try:
            answers = predict(tried).reshape(len(base), len(grid))
        except Refusal:  # the model does not take such numbers
            continue
        with np.errstate(all="ignore"):
            change = np.nan_to_num(np.abs(np.diff(answers, axis=1)), posinf=0.0).sum(axis=0)
            share = np.cumsum(change) / change.sum()
        if np.all(np.isfinite(share)):
            low, high = np.searchsorted(share, [_EDGE, 1 - _EDGE])
            found[position] = grid[low : high + 2]
    return found


def _grid(feature: Feature) -> Vector:
    """Numbers that the feature may have, ascending: of all orders of magnitude, and evenly spaced."""
    low, high = rows.span(feature)
    sizes = np.logspace(-6, np.log10(max(abs(low), abs(high), 1.0)), 60)
    # a number nearer to a bound than this is the bound itself in single precision
    inwards = [sizes[sizes > _APART * abs(end)] for end in (low, high)]
    grid = np.concatenate([-sizes, [0.0], sizes, low + inwards[0], high - inwards[1], np.linspace(low, high, 33)])
    return np.unique(np.clip(grid, low, high))


def _typical(features: Sequence[Feature], marks: Marks) -> Matrix:
    """A few rows from the middle of the known ranges."""
    random = np.random.default_rng(0)
    columns = []
    for feature, marked in zip(features, marks, strict=True):
        if feature.is_category:
            columns.append(random.integers(0, len(feature.values), _BASES).astype(np.float64))
        else:
            middle = [0.0] if marked is None else marked[[len(marked) // 4, len(marked) // 2, (3 * len(marked)) // 4]]
            columns.append(np.clip(random.choice(middle, _BASES), feature.minimum, feature.maximum))
    return np.column_stack(columns)
