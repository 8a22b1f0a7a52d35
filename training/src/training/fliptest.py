"""FT, Clarify's counterfactual fliptest: does the model answer rows of a group as it answers similar other rows?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.clarify import NotComputable

NEIGHBOURS, MOST_ROWS = 5, 2000
_AT_ONCE = 250
Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


def flips(
    rows: pl.DataFrame, columns: Sequence[str], group: Flags, predicted: Flags
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows of the group, by position, and for each 1, -1 or 0. FT = (F+ - F-) / n_d is the mean of the second.

    1: the prediction is unfavourable, that of the nearest others favourable; -1: the other way round. The nearest are
    five, and those as near as the fifth; more than half of them decide. Numbers count by their standard deviations,
    a category counts 1 where it differs. Of a large group 2,000 rows are asked, evenly chosen. Raises NotComputable.
    """
    inside, others = np.flatnonzero(group), np.flatnonzero(~group)
    if not inside.size or not others.size:
        raise NotComputable(f"no rows: rows {'among the others' if inside.size else 'in the group'}")
    if inside.size > MOST_ROWS:
        inside = inside[np.linspace(0, inside.size - 1, MOST_ROWS).astype(np.intp)]
    numbers, categories = _numbers(rows, columns), _categories(rows, columns)
    favourable = np.concatenate(
        [
            _nearest_are_favourable(numbers, categories, inside[begin : begin + _AT_ONCE], others, predicted)
            for begin in range(0, inside.size, _AT_ONCE)
        ]
    )
    return inside, favourable.astype(np.float64) - predicted[inside]


def _nearest_are_favourable(
    numbers: Floats, categories: list[NDArray[np.intp]], some: NDArray[np.intp], others: NDArray[np.intp], good: Flags
) -> Flags:
    """For each of `some` rows, whether most of its nearest `others` have a favourable prediction."""
    mine, theirs = numbers[some], numbers[others]
    far = (mine**2).sum(axis=1)[:, None] + (theirs**2).sum(axis=1)[None, :] - 2 * mine @ theirs.T
    for codes in categories:
        far += codes[some][:, None] != codes[others][None, :]
    many = min(NEIGHBOURS, others.size)
    # as near as the fifth, but for rounding
    near = far <= np.partition(far, many - 1, axis=1)[:, [many - 1]] + 1e-9
    return np.asarray(2 * (near & good[others]).sum(axis=1) > near.sum(axis=1))


def _numbers(rows: pl.DataFrame, columns: Sequence[str]) -> Floats:
    """Shape (rows, numbers): in standard deviations from the mean, 0 where missing."""
    found = np.zeros((rows.height, 0))
    for name in columns:
        if rows[name].dtype.is_numeric():
            values = rows[name].cast(pl.Float64).to_numpy()
            spread = np.nanstd(values) if np.isfinite(values).any() else 0.0
            scaled = (values - np.nanmean(values)) / spread if spread else np.zeros(rows.height)
            found = np.column_stack([found, np.nan_to_num(scaled)])
    return found


def _categories(rows: pl.DataFrame, columns: Sequence[str]) -> list[NDArray[np.intp]]:
    """The other columns, each as numbers of its values; missing is a value."""
    texts = [
        rows[name].cast(pl.String).fill_null("").to_numpy() for name in columns if not rows[name].dtype.is_numeric()
    ]
    return [np.unique(values, return_inverse=True)[1].astype(np.intp) for values in texts]
