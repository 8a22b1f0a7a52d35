"""The forms that serve, scored as the model server scores them: LightGBM's C library, ONNX Runtime, one thread each."""

from __future__ import annotations

import ctypes
import statistics
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import lightgbm
import numpy as np
from lightgbm.basic import _LIB

from ml_model_service.engines import EngineError
from ml_model_service.engines.names import are_meant
from ml_model_service.engines.onnx import Onnx as ServedGraph
from ml_model_service.metadata import Category, Number, OnnxForm, WholeNumber
from model_packaging.refusal import Refusal
from model_packaging.schema import EXACT, FAR, Feature, Matrix, Vector

_FLOAT64, _NORMAL, _ALL_TREES = 1, 0, -1
_TIMED_IN_A_TURN = 5
_PARAMETERS = b"num_threads=1 verbosity=-1"


class Engine(Protocol):
    """A loaded model."""

    def predict(self, matrix: Matrix) -> Vector:
        """One prediction a row."""
        ...

    def predict_one(self, row: Matrix) -> float:
        """The prediction for a matrix of one row, by the engine's quickest call."""
        ...


class LightGBM:
    """A LightGBM text model."""

    def __init__(self, text: bytes, features: Sequence[Feature]) -> None:
        """Load it. Raises Refusal when it is not such a model or has other features."""
        try:
            self.booster = lightgbm.Booster(model_str=text.decode())
        except (lightgbm.basic.LightGBMError, UnicodeDecodeError, ValueError) as error:
            raise Refusal(f"LightGBM does not load the model: {error}", "write it with Booster.save_model") from error
        names = [feature.name for feature in features]
        if not are_meant(self.booster.feature_name(), names):
            found = ", ".join(self.booster.feature_name())[:300]
            raise Refusal(f"the model's features are not the schema's, in its order: {found}", "make the two agree")
        if self.booster.num_model_per_iteration() != 1:
            raise Refusal("the model has several outputs", "train it for one output, or for two classes")
        self._fast = ctypes.c_void_p()
        self._size, self._out = ctypes.c_int64(), ctypes.c_double()
        _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
            self.booster._handle, _NORMAL, 0, _ALL_TREES, _FLOAT64, len(names), _PARAMETERS, ctypes.byref(self._fast)
        )

    def predict(self, matrix: Matrix) -> Vector:
        """One prediction a row."""
        return np.asarray(self.booster.predict(matrix, num_threads=1), dtype=np.float64)

    def predict_one(self, row: Matrix) -> float:
        """By the call for which everything but the row was prepared beforehand."""
        _LIB.LGBM_BoosterPredictForMatSingleRowFast(
            self._fast, row.ctypes.data_as(ctypes.c_void_p), ctypes.byref(self._size), ctypes.byref(self._out)
        )
        return self._out.value


@dataclass(frozen=True)
class GraphForm:
    """What an ONNX graph takes ("codes": one matrix; "values": an input a feature) and which output is the answer."""

    input: Literal["codes", "values"]
    output: str
    column: int | None


class Onnx:
    """An ONNX graph, scored by the model server's own code. `features` are narrowed to what its inputs can hold."""

    def __init__(self, data: bytes, form: GraphForm, features: Sequence[Feature]) -> None:
        """Load it. Raises Refusal when it is not a graph, or does not fit the features."""
        try:
            self._graph = ServedGraph(data, [_as_served(f) for f in features], OnnxForm(**vars(form)))
        except EngineError as error:
            raise Refusal(str(error), "export the model again as that says") from error
        self.features = tuple(map(_narrowed, features, self._graph.features))

    def predict(self, matrix: Matrix) -> Vector:
        """One prediction a row. Raises Refusal when the graph fails or answers another shape."""
        try:
            return np.array(self._graph.predict(array("d", matrix.ravel()), len(matrix)))
        except (EngineError, IndexError, TypeError, ValueError) as error:
            raise Refusal(f"the graph fails on rows of the schema: {error}", "export the model again") from error

    def predict_one(self, row: Matrix) -> float:
        """By the same call."""
        return float(self.predict(row)[0])


def _narrowed(mine: Feature, its: Number | Category) -> Feature:
    if not isinstance(its, WholeNumber):
        return mine
    # 2**53 stands for no bound: beyond, a double does not tell whole numbers apart
    low, high = (-FAR if its.minimum <= -EXACT else its.minimum), (FAR if its.maximum >= EXACT else its.maximum)
    return replace(mine, minimum=max(mine.minimum, low), maximum=min(mine.maximum, high), whole=True)


def _as_served(feature: Feature) -> Number | Category:
    if feature.is_category:
        return Category(feature.name, feature.values, feature.nullable)
    return Number(feature.name, feature.nullable, feature.minimum, feature.maximum)


def microseconds(calls: Sequence[Callable[[], object]], seconds: float) -> list[float]:
    """The median time of each call. They take turns for about `seconds`, so that a noisy moment hits all of them.

    Within a turn a call is made once before it is timed: the others have emptied the processor's caches.
    """
    times: list[list[int]] = [[] for _ in calls]
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or len(times[-1]) < _TIMED_IN_A_TURN:
        for call, taken in zip(calls, times, strict=True):
            call()
            for _ in range(_TIMED_IN_A_TURN):
                started = time.perf_counter_ns()
                call()
                taken.append(time.perf_counter_ns() - started)
    return [statistics.median(taken) / 1000 for taken in times]
