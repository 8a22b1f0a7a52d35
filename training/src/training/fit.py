"""Training itself: a LightGBM classifier that is the same, byte for byte, whenever its inputs are."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from training.features import CATEGORIES, NAMES

SETTINGS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 31,
    "min_data_in_leaf": 200,
    "cat_smooth": 50.0,
    "feature_fraction": 0.7,
    "seed": 2013,
}
# what makes two runs equal: no choice of histogram layout by timing, and one thread, so sums have one order;
# on a shared machine a second thread waits more than it helps
REPRODUCIBLE: dict[str, Any] = {"deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1}


def fit(
    matrix: NDArray[np.float64], labels: NDArray[np.bool_], rounds: int, settings: dict[str, Any]
) -> lightgbm.Booster:
    """A booster of `rounds` trees. `matrix` has shape (rows, features), `labels` (rows,)."""
    data = lightgbm.Dataset(
        matrix, labels, feature_name=list(NAMES), categorical_feature=list(CATEGORIES), params=REPRODUCIBLE
    )
    return lightgbm.train({**settings, **REPRODUCIBLE}, data, num_boost_round=rounds)
