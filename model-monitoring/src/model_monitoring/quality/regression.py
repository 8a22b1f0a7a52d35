"""Numbers, against the numbers that came true: SageMaker's regression metrics."""

from __future__ import annotations

from typing import Any

import numpy as np

Vector = np.ndarray[Any, np.dtype[np.float64]]
Metrics = dict[str, float | None]

LOWER_IS_WORSE = ("r2",)
HIGHER_IS_WORSE = ("mae", "mse", "rmse")


def metrics(predictions: Vector, labels: Vector) -> Metrics:
    """Mean absolute and squared error, its root, and the share of variance explained (None without any)."""
    errors = predictions - labels
    squared = float(np.square(errors).mean())
    variance = float(np.square(labels - labels.mean()).mean())
    return {
        "mae": float(np.abs(errors).mean()),
        "mse": squared,
        "rmse": squared**0.5,
        "r2": 1 - squared / variance if variance else None,
    }
