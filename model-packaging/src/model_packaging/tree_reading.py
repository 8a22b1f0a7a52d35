"""A model read as trees: its splits on the schema's features, and rows next to them."""

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
class TreeReading:
    """The trees and their splits on the features; where one of them is None, `why` says why."""

    whole: Ensemble | None
    splits: Splits | None
    why: str = ""

    def bounds(self, features: Sequence[Feature], matrix: Matrix) -> Matrix:
        """Rows of `matrix`, changed so that one number is at or next to a threshold."""
        if self.whole is None or self.splits is None:
            return matrix[:0]
        numeric = _numeric(self.whole, self.splits)
        return rows.at_bounds(features, matrix, self.splits.feature[numeric], self.splits.threshold[numeric])

    def marks(self, features: Sequence[Feature]) -> Marks:
        """The thresholds of each number, at most 256, evenly picked."""
        found: Marks = [None] * len(features)
        if self.whole is not None and self.splits is not None:
            numeric = _numeric(self.whole, self.splits)
            feature, threshold = self.splits.feature[numeric], self.splits.threshold[numeric]
            usual = np.abs(threshold) < FAR
            for position in np.unique(feature[usual]).tolist():
                of_it = np.unique(threshold[usual & (feature == position)])
                found[position] = of_it[np.linspace(0, len(of_it) - 1, min(len(of_it), _MOST_MARKS)).astype(int)]
        return found


def read(original: Original, features: Sequence[Feature], matrix: Matrix) -> TreeReading:
    """The model as trees; `matrix` has rows to try the steps before the trees with."""
    if original.trees is None:
        return TreeReading(None, None, "it is not a tree ensemble")
    whole = None
    try:
        whole, columns = original.trees(matrix)
        return TreeReading(whole, fold(whole, columns, features))
    except NotTrees as error:
        return TreeReading(whole, None, str(error))


def _numeric(whole: Ensemble, splits: Splits) -> NDArray[np.bool_]:
    """The nodes that split a number."""
    numeric: NDArray[np.bool_] = (whole.left >= 0) & (splits.fixed == 0)
    numeric[list(splits.codes)] = False
    return numeric
