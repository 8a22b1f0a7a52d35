"""A model read as trees: the splits that it makes on the schema's features, and the rows that are near to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_packaging import rows
from model_packaging.fold import Splits, fold
from model_packaging.originals import Original
from model_packaging.schema import FAR, Feature, Matrix
from model_packaging.special import Marks
from model_packaging.trees import Ensemble, NotTrees

_MOST_MARKS = 256


@dataclass(frozen=True)
class Reading:
    """The trees and their splits on the features; of a model without them `why` says why."""

    whole: Ensemble | None
    splits: Splits | None
    why: str = ""

    def bounds(self, features: Sequence[Feature], matrix: Matrix) -> Matrix:
        """Rows at and beside the thresholds, made of those of `matrix`."""
        if self.whole is None or self.splits is None:
            return matrix[:0]
        numeric = _numeric(self.whole, self.splits)
        return rows.at_bounds(features, matrix, self.splits.feature[numeric], self.splits.threshold[numeric])

    def marks(self, features: Sequence[Feature]) -> Marks:
        """Each number's thresholds, or some of them."""
        found: Marks = [None] * len(features)
        if self.whole is not None and self.splits is not None:
            numeric = _numeric(self.whole, self.splits)
            feature, threshold = self.splits.feature[numeric], self.splits.threshold[numeric]
            usual = np.abs(threshold) < FAR
            for position in np.unique(feature[usual]).tolist():
                of_it = np.unique(threshold[usual & (feature == position)])
                found[position] = of_it[np.linspace(0, len(of_it) - 1, min(len(of_it), _MOST_MARKS)).astype(int)]
        return found


def read(original: Original, features: Sequence[Feature], matrix: Matrix) -> Reading:
    """The model as trees; `matrix` are rows to try what comes before them."""
    if original.trees is None:
        return Reading(None, None, "it is no tree ensemble")
    whole = None
    try:
        whole, columns = original.trees(matrix)
        return Reading(whole, fold(whole, columns, features))
    except NotTrees as error:
        return Reading(whole, None, str(error))


def _numeric(whole: Ensemble, splits: Splits) -> NDArray[np.bool_]:
    """The nodes that split a number."""
    numeric: NDArray[np.bool_] = (whole.left >= 0) & (splits.fixed == 0)
    numeric[list(splits.codes)] = False
    return numeric
