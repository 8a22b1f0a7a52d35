"""What turns rows of numbers into predictions: one module for each library."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Literal, Protocol


class EngineError(ValueError):
    """A library refused a model or a matrix; the message is its own."""


class Engine(Protocol):
    """A loaded model."""

    def predict(self, values: array[float], rows: int) -> list[float]:
        """One prediction a row. `values` has shape (rows * features,), NaN is missing. Safe from any thread."""
        ...

    def predict_one(self, values: Sequence[float]) -> float:
        """The prediction for one row of (features,) numbers. Only for the event loop's thread."""
        ...


def load(
    model_format: str,
    data: bytes,
    features: Sequence[Any],
    onnx: Any,
    pickle_takes: Literal["codes", "values"] | None = None,
) -> Engine:
    """The engine for a model file. Raises EngineError for what its library does not take.

    `pickle_takes` is what a pickle's model is given; None where none may be loaded.

    Libraries are imported here: a task pays for the one that its model needs.
    """
    if model_format == "lightgbm-text":
        from ml_model_service.engines.bit_vectors import with_bit_vectors
        from ml_model_service.engines.lightgbm import LightGBM

        return with_bit_vectors(data, LightGBM(data, [feature.name for feature in features]), len(features))
    if model_format == "onnx":
        from ml_model_service.engines.onnx import Onnx

        return Onnx(data, features, onnx)
    if model_format == "sklearn-pickle" and pickle_takes is not None:
        from ml_model_service.engines.pickled import Pickled

        return Pickled(data, features, pickle_takes == "values")
    raise EngineError(f"model format {model_format!r}; allowed: lightgbm-text, onnx, and sklearn-pickle where trusted")
