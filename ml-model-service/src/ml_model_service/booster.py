"""LightGBM through its C API.

The Python package costs 0.8 s of CPU to import (SciPy above all), which every starting task would pay; the shared
library that it ships loads in 20 ms. The functions used here are LightGBM's documented, stable interface.
"""

from __future__ import annotations

import ctypes
import importlib.util
import weakref
from array import array
from functools import cache
from pathlib import Path

_FLOAT64, _ROW_MAJOR, _NORMAL, _ALL_TREES = 1, 1, 0, -1
# one thread: a service's tasks share the machine, and a row is too little work to split
_PARAMETERS = b"num_threads=1 verbosity=-1"
_NAME_SIZE = 256


class BoosterError(ValueError):
    """LightGBM refused a model or a matrix; the message is its own."""


class Booster:
    """A LightGBM text model. Safe to use from several threads."""

    def __init__(self, text: bytes) -> None:
        """Load the model. Raises BoosterError."""
        self._handle = ctypes.c_void_p()
        iterations = ctypes.c_int()
        _call("LGBM_BoosterLoadModelFromString", text, ctypes.byref(iterations), ctypes.byref(self._handle))
        weakref.finalize(self, _call, "LGBM_BoosterFree", self._handle)
        classes = ctypes.c_int()
        _call("LGBM_BoosterGetNumClasses", self._handle, ctypes.byref(classes))
        if classes.value != 1:
            raise BoosterError(f"the model has {classes.value} outputs; one is supported")
        self.names = self._feature_names()

    def predict(self, matrix: array[float]) -> list[float]:
        """One prediction a row. `matrix` has shape (rows * features,), NaN is missing. Raises BoosterError."""
        columns = len(self.names)
        rows = len(matrix) // columns
        out = (ctypes.c_double * rows)()
        written = ctypes.c_int64()
        address, _ = matrix.buffer_info()
        _call(
            "LGBM_BoosterPredictForMat", self._handle, ctypes.c_void_p(address), _FLOAT64,
            ctypes.c_int32(rows), ctypes.c_int32(columns), _ROW_MAJOR, _NORMAL, 0, _ALL_TREES,
            _PARAMETERS, ctypes.byref(written), out,
        )  # fmt: skip
        return out[: written.value]

    def _feature_names(self) -> tuple[str, ...]:
        count = ctypes.c_int()
        _call("LGBM_BoosterGetNumFeature", self._handle, ctypes.byref(count))
        buffers = [ctypes.create_string_buffer(_NAME_SIZE) for _ in range(count.value)]
        pointers = (ctypes.c_void_p * count.value)(*[ctypes.addressof(buffer) for buffer in buffers])
        written, longest = ctypes.c_int(), ctypes.c_size_t()
        _call(
            "LGBM_BoosterGetFeatureNames", self._handle, count, ctypes.byref(written),
            ctypes.c_size_t(_NAME_SIZE), ctypes.byref(longest), pointers,
        )  # fmt: skip
        if longest.value > _NAME_SIZE:
            raise BoosterError(f"a feature's name is longer than {_NAME_SIZE - 1} bytes")
        return tuple(buffer.value.decode() for buffer in buffers)


@cache
def library() -> ctypes.CDLL:
    """The shared library of the installed LightGBM. Raises BoosterError when there is none."""
    spec = importlib.util.find_spec("lightgbm")
    for folder in spec.submodule_search_locations or () if spec else ():
        for path in sorted(Path(folder).glob("*/*lib_lightgbm.*")) + sorted(Path(folder).glob("*/lightgbm.dll")):
            loaded = ctypes.CDLL(str(path))
            loaded.LGBM_GetLastError.restype = ctypes.c_char_p
            return loaded
    raise BoosterError("LightGBM's shared library was not found; install requirements.lock")


def _call(function: str, *arguments: object) -> None:
    loaded = library()
    if getattr(loaded, function)(*arguments) != 0:
        raise BoosterError(loaded.LGBM_GetLastError().decode(errors="replace"))
