"""Training itself: a LightGBM classifier that is the same, byte for byte, whenever its inputs are.

It grows in blocks of trees. Block k is seeded with `seed + k` and continues from the text of the model after block
k - 1, so it does not matter whether that text is a moment old or a checkpoint of a job that was killed. To continue in
the middle of a block would not do: LightGBM's random numbers begin anew with each call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from training.features import CATEGORIES, NAMES
from training.parameters import BLOCK

# what makes two runs equal: no choice of histogram layout by timing, and one thread, so sums have one order;
# on a shared machine a second thread waits more than it helps
REPRODUCIBLE: dict[str, Any] = {"deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1}

Done = Callable[[int, str], None]
"""Receives the number of trees and the model's text at the end of each block."""


def fit(
    matrix: NDArray[np.float64],
    labels: NDArray[np.bool_],
    rounds: int,
    settings: dict[str, Any],
    *,
    block: int = BLOCK,
    begun: str | None = None,
    done: Done = lambda trees, text: None,
) -> lightgbm.Booster:
    """A booster of `rounds` trees. `matrix` has shape (rows, features), `labels` (rows,).

    `begun` is the text of a model that a former call with the same arguments gave to `done`; the rest is grown then.
    """
    # bins are those of the base seed in every block; the rows are kept, as each block asks the trees before it
    data = lightgbm.Dataset(
        matrix, labels, feature_name=list(NAMES), categorical_feature=list(CATEGORIES), free_raw_data=False,
        params={**REPRODUCIBLE, "seed": settings["seed"]},
    ).construct()  # fmt: skip
    grown = None if begun is None else lightgbm.Booster(model_str=begun)
    trees = 0 if grown is None else grown.num_trees()
    while grown is None or trees < rounds:
        seeded = {**settings, **REPRODUCIBLE, "seed": settings["seed"] + trees // block}
        more = min(block, rounds - trees)
        text = lightgbm.train(seeded, data, num_boost_round=more, init_model=grown).model_to_string()
        grown, trees = lightgbm.Booster(model_str=text), trees + more
        done(trees, text)
    return grown
