"""LightGBM through its C API.

The Python package costs 0.8 s of CPU to import (SciPy above all), which every starting task would pay; the shared
library that it ships loads in 20 ms. The functions used here are LightGBM's documented, stable interface.
"""

from __future__ import annotations

import ctypes
import importlib.util
import struct
import weakref
from array import array
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from ml_model_service.engines import EngineError, tree_shape
from ml_model_service.engines.names import are_meant

_FLOAT64, _ROW_MAJOR, _NORMAL, _ALL_TREES = 1, 1, 0, -1
# one thread: a service's tasks share the machine, and a row is too little work to split
_PARAMETERS = b"num_threads=1 verbosity=-1"
_NAME_SIZE = 256  # where a name is longer, the library says so, and is asked again


class LightGBM:
    """A LightGBM text model with one output."""

    def __init__(self, text: bytes, names: Sequence[str]) -> None:
        """Load the model, whose features must be `names`. Raises EngineError."""
        tree_shape.check(text)
        handle, iterations, classes = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
        _call("LGBM_BoosterLoadModelFromString", text, ctypes.byref(iterations), ctypes.byref(handle))
        self._handle = handle
        freed = weakref.finalize(self, _call, "LGBM_BoosterFree", handle)
        freed.atexit = False
        _call("LGBM_BoosterGetNumClasses", handle, ctypes.byref(classes))
        if classes.value != 1:
            raise EngineError(f"the model has {classes.value} outputs; one is supported")
        found = _feature_names(handle)
        if not are_meant(found, names):
            raise EngineError(f"the model's features {found} are not the schema's {list(names)}")
        self._columns = len(found)
        self._prepare_one()

    def predict(self, values: array[float], rows: int) -> list[float]:
        """One prediction a row; see Engine. Raises EngineError."""
        out = (ctypes.c_double * rows)()
        written = ctypes.c_int64()
        address, _ = values.buffer_info()
        _call(
            "LGBM_BoosterPredictForMat", self._handle, ctypes.c_void_p(address), _FLOAT64,
            ctypes.c_int32(rows), ctypes.c_int32(self._columns), _ROW_MAJOR, _NORMAL, 0, _ALL_TREES,
            _PARAMETERS, ctypes.byref(written), out,
        )  # fmt: skip
        return out[: written.value]

    def predict_one(self, values: Sequence[float]) -> float:
        """The prediction for one row, 2.5 times as fast as `predict`: its parameters were read once, at loading."""
        self._pack(self._row, 0, *values)
        if self._fast(self._configuration, self._row_at, self._written_at, self._out_at) != 0:
            raise EngineError(library().LGBM_GetLastError().decode(errors="replace"))
        return self._out.value

    def _prepare_one(self) -> None:
        columns = self._columns
        configuration = ctypes.c_void_p()
        _call(
            "LGBM_BoosterPredictForMatSingleRowFastInit", self._handle, _NORMAL, 0, _ALL_TREES, _FLOAT64,
            ctypes.c_int32(columns), _PARAMETERS, ctypes.byref(configuration),
        )  # fmt: skip
        weakref.finalize(self, _call, "LGBM_FastConfigFree", configuration).atexit = False
        self._pack = struct.Struct(f"={columns}d").pack_into
        self._row = (ctypes.c_double * columns)()
        self._out, self._written = ctypes.c_double(), ctypes.c_int64()
        # Addresses as plain numbers: wrapping them anew would cost as much as a third of the prediction.
        self._configuration = configuration.value
        self._row_at, self._out_at = ctypes.addressof(self._row), ctypes.addressof(self._out)
        self._written_at = ctypes.addressof(self._written)
        self._fast = library()["LGBM_BoosterPredictForMatSingleRowFast"]
        self._fast.argtypes = [ctypes.c_void_p] * 4


def _feature_names(handle: ctypes.c_void_p) -> list[str]:
    count = ctypes.c_int()
    _call("LGBM_BoosterGetNumFeature", handle, ctypes.byref(count))
    written, longest = ctypes.c_int(), ctypes.c_size_t(_NAME_SIZE)
    size = 0
    while size < longest.value:
        size = longest.value
        buffers = [ctypes.create_string_buffer(size) for _ in range(count.value)]
        pointers = (ctypes.c_void_p * count.value)(*[ctypes.addressof(buffer) for buffer in buffers])
        _call(
            "LGBM_BoosterGetFeatureNames", handle, count, ctypes.byref(written),
            ctypes.c_size_t(size), ctypes.byref(longest), pointers,
        )  # fmt: skip
    return [buffer.value.decode() for buffer in buffers]


@cache
def library() -> ctypes.CDLL:
    """The shared library of the installed LightGBM. Raises EngineError when there is none."""
    spec = importlib.util.find_spec("lightgbm")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder).glob("*/*lib_lightgbm.*")) + sorted(Path(folder).glob("*/lightgbm.dll")):
            loaded = ctypes.CDLL(str(path))
            loaded.LGBM_GetLastError.restype = ctypes.c_char_p
            return loaded
    raise EngineError("LightGBM's shared library was not found; install requirements.lock")


def _call(function: str, *arguments: object) -> None:
    loaded = library()
    if getattr(loaded, function)(*arguments) != 0:
        raise EngineError(loaded.LGBM_GetLastError().decode(errors="replace"))
