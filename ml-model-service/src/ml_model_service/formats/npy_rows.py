"""NumPy's .npy format to the matrix a model reads, and predictions to .npy. NumPy is imported with this module."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import ArrayLike, NDArray

from ml_model_service.errors import Detail, Problem, invalid
from ml_model_service.formats.encoder import Encoder, Words
from ml_model_service.metadata import Category, Feature, WholeNumber

Matrix = NDArray[Any]
# NumPy writes 128 bytes for a matrix of numbers. Python takes a millisecond to refuse 500 of the worst kind.
_MAX_HEADER = 512
# A header of version 3 may hold the names of fields in UTF-8, which no matrix of numbers has.
_READ_HEADER = {1: npy_format.read_array_header_1_0, 2: npy_format.read_array_header_2_0}
_READ_HEADER[3] = _READ_HEADER[2]
_NUMBERS = "an array of float16, float32, float64 or whole numbers"


class _Limits(NamedTuple):
    """What the features allow, one value a feature: bounds, and whether fractions and NaN are allowed."""

    low: Matrix
    high: Matrix
    fractions: Matrix
    missing: Matrix


_limits: WeakKeyDictionary[Encoder, _Limits] = WeakKeyDictionary()


def read_npy(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> tuple[array[float], int]:
    """The matrix and the number of its rows. A category is its code, NaN is missing.

    Raises Problem 400 for what is not .npy, 422 for another dtype or shape and for values that do not fit.
    """
    sent = matrix_in(body, len(encoder.names), max_rows)
    limits = _limits.get(encoder)
    if limits is None:
        limits = _limits[encoder] = _limits_of([column.feature for column in encoder.columns])
    # a signalling NaN, which a client may send, would have NumPy warn
    with np.errstate(invalid="ignore"):
        matrix = np.ascontiguousarray(sent, dtype=np.float64)
        fits = (matrix >= limits.low) & (matrix <= limits.high) & (limits.fractions | (matrix == np.floor(matrix)))
        fits |= limits.missing & np.isnan(matrix)
    if not fits.all():
        raise _problem(sent, encoder)
    return array("d", matrix.tobytes()), len(matrix)


def matrix_in(body: bytes | bytearray, width: int, max_rows: int) -> Matrix:
    """The numbers of an array of shape (1 to max_rows, width), as they were sent. Raises Problem 400 or 422."""
    size_bytes = 2 if body[6:7] == b"\x01" else 4
    start = 8 + size_bytes + int.from_bytes(body[8 : 8 + size_bytes], "little")
    try:
        shape, by_columns, dtype = _header(bytes(body[: min(start, _MAX_HEADER)]))
    except Exception:  # whatever Python's own parser raises, which reads the header for NumPy
        wanted = f"version 1, 2 or 3 and up to {_MAX_HEADER} bytes that holds 'descr', 'fortran_order' and 'shape'"
        raise _bad(f"it must start with a header of {wanted}, as numpy.save writes it") from None
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise invalid([Detail("dtype", "fields with names" if dtype.names else dtype.str, _NUMBERS)])
    if len(shape) != 2 or shape[1] != width or not 1 <= shape[0] <= max_rows:
        # Python refuses to print integers of thousands of digits
        found = repr(shape) if all(abs(size) < 1 << 63 for size in shape) else "numbers beyond 64 bits"
        raise invalid([Detail("shape", found, f"(rows, {width}) with 1 to {max_rows} rows")])
    size, found_size = shape[0] * width * dtype.itemsize, len(body) - start
    if size != found_size:
        raise _bad(f"{size} bytes must follow its header, found {found_size}")
    return np.frombuffer(body, dtype, offset=start).reshape(shape, order="F" if by_columns else "C")


def write_npy(numbers: ArrayLike) -> bytes:
    """An array of the same shape, as float64."""
    matrix = np.asarray(numbers, dtype="<f8")
    return _header_of(matrix.shape) + matrix.tobytes()


# NumPy has Python parse and print a header, which takes longer than a row's numbers: a client's requests share theirs.


@lru_cache(maxsize=256)
def _header(start: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns follow one another, and dtype. Raises an exception of any kind for what is no header."""
    file = BytesIO(start)
    version, _ = npy_format.read_magic(file)
    return _READ_HEADER[version](file)


@lru_cache(maxsize=256)
def _header_of(shape: tuple[int, ...]) -> bytes:
    file = BytesIO()
    npy_format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


def _limits_of(features: Sequence[Feature]) -> _Limits:
    bounds = [(0, len(f.values) - 1) if isinstance(f, Category) else (f.minimum, f.maximum) for f in features]
    low, high = np.array(bounds, dtype=np.float64).T
    fractions = np.array([not isinstance(feature, Category | WholeNumber) for feature in features])
    return _Limits(low, high, fractions, np.array([feature.nullable for feature in features]))


def _problem(matrix: Matrix, encoder: Encoder) -> Problem:
    """Everything that is wrong, found value by value."""
    features = [column.feature for column in encoder.columns]
    rows = [
        {feature.name: _value(feature, number) for feature, number in zip(features, numbers, strict=True)}
        for numbers in matrix.tolist()
    ]
    try:
        encoder.encode(rows, Words(lambda row, name: f"row {row}, column {name}", _allowed))
    except Problem as problem:
        return problem
    raise AssertionError("a matrix was refused though each of its values is right")


def _value(feature: Feature, number: float) -> Any:
    """What JSON would hold in place of the number; the number itself if it stands for nothing."""
    if number != number:
        return None
    if isinstance(feature, Category) and 0 <= number < len(feature.values) and number == int(number):
        return feature.values[int(number)]
    return number


def _allowed(feature: Feature) -> str:
    if isinstance(feature, Category):
        return f"whole number from 0 to {len(feature.values) - 1}{' or NaN' if feature.nullable else ''}"
    return feature.allowed.removesuffix("null") + "NaN" if feature.nullable else feature.allowed


def _bad(why: str) -> Problem:
    return Problem(400, "invalid_npy", f"the body is not a .npy file: {why}")
