"""How far two models' predictions for the same rows agree. All arrays have one entry a row, and at least one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_packaging.schema import Vector

WORST = 10
_CLOSE = 0.10
_QUANTILES = {"minimum": 0.0, "p05": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "maximum": 1.0}


def disagreement(
    rows: Sequence[Mapping[str, Any]], a: Vector, b: Vector, labels: Vector, threshold: float | None
) -> dict[str, Any]:
    """How many rows the two decide differently, how far apart they are, and the rows with the largest differences.

    A label is NaN where it is not known. `worst` has the rows that change a decision first, then others that differ.
    """
    apart, decided = np.abs(a - b), differs(a, b, threshold)
    worst = [n for n in np.lexsort((-apart, ~decided))[:WORST].tolist() if decided[n] or apart[n] > 0]
    return {
        "count": int(decided.sum()),
        "share": float(decided.mean()),
        "threshold": threshold,
        "mean_difference": float(apart.mean()),
        "largest_difference": float(apart.max()),
        "worst": [
            {
                "features": rows[n],
                "a": float(a[n]),
                "b": float(b[n]),
                "label": None if np.isnan(labels[n]) else float(labels[n]),
            }
            for n in worst
        ],
    }


def differs(a: Vector, b: Vector, threshold: float | None) -> NDArray[np.bool_]:
    """Whether two predictions lead to different decisions; without a threshold, whether they are 10 % apart."""
    found: NDArray[np.bool_]
    if threshold is not None:
        found = (a >= threshold) != (b >= threshold)
    else:
        found = np.abs(a - b) > _CLOSE * np.maximum(np.abs(a), np.abs(b))
    return found


def distribution(predictions: Vector) -> dict[str, float]:
    """Mean and quantiles (linear between neighbours)."""
    quantiles = np.quantile(predictions, list(_QUANTILES.values())).tolist()
    return {"mean": float(predictions.mean()), **dict(zip(_QUANTILES, quantiles, strict=True))}


def ks_distance(a: Vector, b: Vector) -> float:
    """Kolmogorov and Smirnov's distance: the largest gap between the two cumulative distributions, 0 to 1."""
    every = np.concatenate([a, b])
    first, second = (np.searchsorted(np.sort(one), every, side="right") / len(one) for one in (a, b))
    return float(np.abs(first - second).max())
