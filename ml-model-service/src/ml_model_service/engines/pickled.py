"""Scikit-learn models as pickles: for what has no other form, and only from a trusted bucket (versions/pickles.py)."""

from __future__ import annotations

import importlib
import io
import warnings
from array import array
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np

from ml_model_service.engines import EngineError
from ml_model_service.engines.names import are_meant
from ml_model_service.metadata import Category, Feature


class Pickled:
    """A fitted estimator. Whoever makes one has checked the bytes' digest and that their bucket is trusted."""

    def __init__(self, data: bytes, features: Sequence[Feature], takes_values: bool) -> None:
        """Unpickle it. Raises EngineError when a library is missing or of another version."""
        joblib, sklearn = _library("joblib"), _library("sklearn")
        _library("pandas")  # for models that were trained on a table
        mismatch = importlib.import_module("sklearn.exceptions").InconsistentVersionWarning
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", mismatch)
                model = joblib.load(io.BytesIO(data))
        except mismatch as error:
            raise EngineError(
                f"the pickle was written by scikit-learn {error.original_sklearn_version}; "
                f"this image has {sklearn.__version__}"
            ) from error
        except Exception as error:  # a pickle can fail in any way
            raise EngineError(f"the pickle cannot be loaded: {type(error).__name__}: {error}") from error
        self._model, self._features, self._takes_values = model, tuple(features), takes_values
        self._is_classifier = hasattr(model, "predict_proba")
        self._named = hasattr(model, "feature_names_in_")
        names = [feature.name for feature in features]
        # a table's columns get the model's own names for them
        self._names = [str(name) for name in model.feature_names_in_] if self._named else names
        if not are_meant(self._names, names):
            raise EngineError(f"the model's features {self._names} are not the schema's {names}")

    def predict(self, values: array[float], rows: int) -> list[float]:
        """One prediction a row; see Engine. Raises EngineError."""
        matrix = np.frombuffer(values, dtype=np.float64).reshape(rows, len(self._features))
        try:
            given = self._table(matrix) if self._takes_values or self._named else matrix
            found = self._model.predict_proba(given)[:, 1] if self._is_classifier else self._model.predict(given)
        except Exception as error:  # whatever someone's pipeline raises
            raise EngineError(f"the model failed: {error}") from error
        predictions = np.asarray(found, dtype=np.float64)
        if predictions.shape != (rows,):
            raise EngineError(f"the model gave predictions of shape {predictions.shape} for {rows} rows")
        return list(predictions.tolist())

    def predict_one(self, values: Sequence[float]) -> float:
        """The prediction for one row."""
        return self.predict(array("d", values), 1)[0]

    def _table(self, matrix: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
        return _library("pandas").DataFrame(
            {
                name: _texts(feature, matrix[:, n])
                if self._takes_values and isinstance(feature, Category)
                else matrix[:, n]
                for n, (name, feature) in enumerate(zip(self._names, self._features, strict=True))
            }
        )


def _texts(feature: Category, codes: np.ndarray[Any, np.dtype[np.float64]]) -> Any:
    table = np.array([*feature.values, np.nan], dtype=object)
    return table[np.where(np.isnan(codes), len(feature.values), codes).astype(np.intp)]


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise EngineError(
            f"the model is a pickle, and this image has no {name}: add scikit-learn, joblib and pandas to "
            "pyproject.toml and requirements.lock"
        ) from error
