"""What turns rows of numbers into predictions: one module for each library."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Protocol


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


def load(model_format: str, data: bytes, features: Sequence[Any], onnx: Any) -> Engine:
    """The engine for a model file. Raises EngineError for what its library does not take.

    Libraries are imported here: a task pays for the one that its model needs.
    """
    if model_format == "lightgbm-text":
        from ml_model_service.engines.bit_vectors import with_bit_vectors
        from ml_model_service.engines.lightgbm import LightGBM

        return with_bit_vectors(data, LightGBM(data, [feature.name for feature in features]), len(features))
    if model_format == "onnx":
        from ml_model_service.engines.onnx import Onnx

        return Onnx(data, features, onnx)
    raise EngineError(f"model format {model_format!r}; allowed: lightgbm-text, onnx")
