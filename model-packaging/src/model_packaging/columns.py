"""The columns that trees compare: each is made of at most one feature of the schema, by the steps before the trees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from model_packaging.schema import Feature, Matrix, Vector
from model_packaging.trees import NotTrees

Transform = Callable[[Matrix], Matrix]
"""(rows, features) of codes to (rows, columns) as the trees see them."""

_PROBES = 64
_NOTHING: Vector = np.empty(0)
_CHECKED = 512


class Columns:
    """The columns before the trees. `source[column]` is the feature that a column depends on, −1 for none.

    With `single` the trees round them to single precision before comparing; with `zero_is_missing` a zero counts as
    missing.
    """

    def __init__(
        self,
        source: Sequence[int],
        *,
        single: bool,
        transform: Transform | None = None,
        typical: Vector | None = None,
        passed: Collection[int] = (),
        zero_is_missing: bool = False,
    ) -> None:
        """`passed` columns are their feature unchanged, `transform` makes the others; `typical` is a row to vary."""
        self.source = list(source)
        self.single = single
        self.zero_is_missing = zero_is_missing
        self._transform, self._passed = transform, frozenset(passed)
        self._typical = np.zeros(0) if typical is None else typical

    def is_passed(self, column: int) -> bool:
        """Whether the column is its feature unchanged, but for rounding."""
        return self._transform is None or column in self._passed

    def made(self, column: int, values: Vector) -> Vector:
        """The column's values for these `values` of its feature, before rounding. Shapes (rows,)."""
        if self._transform is None or column in self._passed:
            return values
        rows = np.tile(self._typical, (len(values), 1))
        if self.source[column] >= 0:
            rows[:, self.source[column]] = values
        return self._transform(rows)[:, column]

    def seen(self, column: int, values: Vector) -> Vector:
        """The column's values as the trees compare them."""
        return rounded(self.made(column, values)) if self.single else self.made(column, values)


def rounded(values: Matrix) -> Matrix:
    """To single precision and back."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def plain(features: Sequence[Feature], single: bool) -> Columns:
    """The features themselves."""
    return Columns(range(len(features)), single=single)


def by_asking(
    features: Sequence[Feature],
    transform: Transform,
    rows: Matrix,
    *,
    single: bool,
    special: Vector = _NOTHING,
    absent: float = np.nan,
) -> Columns:
    """The columns that `transform` makes; which feature each depends on is found by varying one feature at a time.

    `rows` has at least one row. `special` are values to try as well; `absent` is the number that the trees take for
    missing, besides NaN. Raises NotTrees when a column mixes features, or falls where its number rises.
    """
    typical = rows[len(rows) // 2]
    before = transform(typical[None, :])[0]
    source = [-1] * len(before)
    passed = set[int]()
    for position, feature in enumerate(features):
        probes = _probes(feature, rows[:, position], special)
        made = transform(_varied(typical, position, probes))
        for column in np.flatnonzero(np.any(_unlike(made, before), axis=0)).tolist():
            if source[column] >= 0:
                names = f"{features[source[column]].name} and {feature.name}"
                raise NotTrees(f"what comes before the trees mixes {names} in one column")
            source[column] = position
            if feature.is_category:
                continue
            _must_rise(feature, made[~np.isnan(probes), column])
            if not np.any(_unlike(made[:, column], probes)):
                passed.add(column)
            if absent != 0 or column not in passed:
                _must_not_reach(feature, made[~np.isnan(probes), column], absent)

    columns = Columns(source, single=single, transform=transform, typical=typical, passed=passed)
    _must_be_alone(columns, transform(rows[:_CHECKED]), rows[:_CHECKED])
    if np.isnan(absent):
        return columns

    def marked(matrix: Matrix) -> Matrix:
        made = transform(matrix)
        return np.where(rounded(made) == rounded(np.array(absent)), np.nan, made)

    return Columns(source, single=single, transform=marked, typical=typical, passed=passed, zero_is_missing=absent == 0)


def _must_not_reach(feature: Feature, made: Vector, absent: float) -> None:
    if len(made) and made.min() <= absent <= made.max():
        raise NotTrees(
            f"the model takes {absent:g} for missing (its parameter `missing`), and {feature.name} may be that: no tree"
            " format says so of a number (train it with missing=nan, the value being null)"
        )


def _must_rise(feature: Feature, made: Vector) -> None:
    if np.any(np.isnan(made)):
        raise NotTrees(
            f"what comes before the trees makes some values of {feature.name} missing"
            " (XGBoost takes the zeros of a sparse matrix so: encode with sparse_output=False)"
        )
    if np.any(np.diff(made) < 0):
        raise NotTrees(f"what comes before the trees turns {feature.name} into a column that does not rise with it")


def _must_be_alone(columns: Columns, made: Matrix, rows: Matrix) -> None:
    for column, position in enumerate(columns.source):
        alone = columns.made(column, rows[:, position] if position >= 0 else np.zeros(len(rows)))
        if np.any(_unlike(alone, made[:, column])):
            raise NotTrees(f"column {column} before the trees depends on more than one feature")


def _varied(typical: Vector, position: int, values: Vector) -> Matrix:
    rows = np.tile(typical, (len(values), 1))
    rows[:, position] = values
    return rows


def _probes(feature: Feature, seen: Vector, special: Vector) -> Vector:
    """Values to try, ascending; missing last, where it is allowed."""
    if feature.is_category:
        values = np.arange(len(feature.values), dtype=np.float64)
    else:
        known = np.unique(seen[~np.isnan(seen)])
        picked = known[np.linspace(0, len(known) - 1, min(len(known), _PROBES)).astype(int)] if len(known) else known
        spread = np.linspace(feature.minimum, feature.maximum, _PROBES)
        around_zero = np.clip([-1.0, 0.0, 1.0], feature.minimum, feature.maximum)
        near = np.concatenate([np.nextafter(special, -np.inf), special, np.nextafter(special, np.inf)])
        near = near[(near >= feature.minimum) & (near <= feature.maximum)]
        values = np.unique(np.concatenate([picked, spread, around_zero, near]))
    return np.append(values, np.nan) if feature.nullable else values


def _unlike(a: Matrix, b: Matrix) -> NDArray[np.bool_]:
    """Where two arrays differ, missing being like missing."""
    unlike: NDArray[np.bool_] = ~((a == b) | (np.isnan(a) & np.isnan(b)))
    return unlike
