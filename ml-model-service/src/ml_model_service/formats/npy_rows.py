"""NumPy's .npy format to the matrix a model reads, and predictions to .npy.

Read without NumPy, whose import costs 0.2 s of CPU: a header of ASCII text and then plain numbers.
"""

from __future__ import annotations

import re
import struct
import sys
from array import array
from collections.abc import Sequence
from math import prod
from typing import Any

from ml_model_service.errors import Detail, Problem, invalid
from ml_model_service.formats.columns import Unfit
from ml_model_service.formats.encoder import Encoder, Words
from ml_model_service.metadata import Category, Feature

_MAGIC = b"\x93NUMPY"
# NumPy's own limit, which keeps hostile headers short
_MAX_HEADER = 10_000
_DTYPE = re.compile(r"'descr'\s*:\s*'([^']{1,40})'")
_ORDER = re.compile(r"'fortran_order'\s*:\s*(True|False)\b")
_SHAPE = re.compile(r"'shape'\s*:\s*\(([0-9, ]{0,200})\)")
_CODES = {"f8": "d", "f4": "f", "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
_NUMBERS = "an array of float16, float32, float64 or whole numbers"


def read_npy(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> tuple[array[float], int]:
    """The matrix and the number of its rows. A category is its code, NaN is missing.

    Raises Problem 400 for what is not .npy, 422 for another dtype or shape and for values that do not fit.
    """
    columns = columns_of(body, len(encoder.names), max_rows)
    try:
        checked = [column.of_numbers(numbers) for column, numbers in zip(encoder.columns, columns, strict=True)]
    except Unfit:
        raise _problem(columns, encoder) from None
    return encoder.assemble(checked, len(columns[0])), len(columns[0])


def columns_of(body: bytes | bytearray, width: int, max_rows: int) -> list[array[Any]]:
    """The columns of an array of shape (1 to max_rows, width). Raises Problem 400 or 422."""
    header, start = _header(body)
    dtype, shape, fortran = _dtype(header), _shape(header), _field(_ORDER, header, "fortran_order") == "True"
    if len(shape) != 2 or shape[1] != width or not 1 <= shape[0] <= max_rows:
        raise invalid([Detail("shape", repr(shape), f"(rows, {width}) with 1 to {max_rows} rows")])
    rows = shape[0]
    values = _values(memoryview(body)[start:], dtype, rows * width)
    return [values[p * rows : (p + 1) * rows] if fortran else values[p::width] for p in range(width)]


def write_npy(numbers: Sequence[float], *more: int) -> bytes:
    """A float64 array of shape (rows,), or (rows, *more) if that is given."""
    shape = (len(numbers) // prod(more), *more)
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    # numbers start at a multiple of 64, as NumPy has it
    header = text.ljust((len(text) + 1 + 10 + 63) // 64 * 64 - 10 - 1) + "\n"
    data = array("d", numbers)
    if sys.byteorder == "big":
        data.byteswap()
    return _MAGIC + b"\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data.tobytes()


def _header(body: bytes | bytearray) -> tuple[str, int]:
    """The header's text and where the numbers start. Raises Problem 400."""
    if len(body) < 12 or body[:6] != _MAGIC or body[6] not in (1, 2, 3):
        raise _bad("it does not start as version 1, 2 or 3 of the format does")
    start = 10 if body[6] == 1 else 12
    size = int.from_bytes(body[8:start], "little")
    if size > _MAX_HEADER or start + size > len(body):
        raise _bad(f"its header is {size} bytes long; allowed are {min(_MAX_HEADER, len(body) - start)}")
    return bytes(body[start : start + size]).decode("latin-1"), start + size


def _field(pattern: re.Pattern[str], header: str, name: str) -> str:
    found = pattern.search(header)
    if found is None:
        raise _bad(f"its header has no readable {name!r}")
    return found[1]


def _dtype(header: str) -> str:
    """Byte order and kind, such as `<f8`. Raises Problem 422 for what is no number."""
    found = _DTYPE.search(header)
    if found is None and re.search(r"'descr'\s*:\s*\[", header):
        raise invalid([Detail("dtype", "fields with names", _NUMBERS)])
    dtype = _field(_DTYPE, header, "descr")
    if dtype[:1] not in "<>|=" or (dtype[1:] not in _CODES and dtype[1:] != "f2"):
        raise invalid([Detail("dtype", dtype, _NUMBERS)])
    return dtype


def _shape(header: str) -> tuple[int, ...]:
    parts = [part.strip() for part in _field(_SHAPE, header, "shape").split(",")]
    if parts[-1] == "":
        parts.pop()
    if not all(part.isdigit() for part in parts):
        raise _bad("its header has no readable 'shape'")
    # a number of hundreds of digits is legal Python and costly to print
    return tuple(int(part[:20]) for part in parts)


def _values(data: memoryview, dtype: str, count: int) -> array[Any]:
    """`count` numbers in this machine's byte order. Raises Problem 400 unless `data` holds just as many."""
    size = int(dtype[2:])
    if len(data) != count * size:
        raise _bad(f"{count * size} bytes must follow its header, found {len(data)}")
    swapped = dtype[0] == (">" if sys.byteorder == "little" else "<")
    if dtype[1:] == "f2":
        order = ">" if dtype[0] == ">" else "<" if dtype[0] == "<" else "="
        return array("d", struct.unpack(f"{order}{count}e", data))
    values: array[Any] = array(_CODES[dtype[1:]])
    values.frombytes(data)
    if swapped:
        values.byteswap()
    return values


def _problem(columns: Sequence[array[Any]], encoder: Encoder) -> Problem:
    """Everything that is wrong, found value by value."""
    features = [column.feature for column in encoder.columns]
    rows = [
        {feature.name: _value(feature, number) for feature, number in zip(features, numbers, strict=True)}
        for numbers in zip(*columns, strict=True)
    ]
    try:
        encoder.encode(rows, Words(lambda row, name: f"row {row}, column {name}", _allowed))
    except Problem as problem:
        return problem
    raise AssertionError("a column was refused though each of its values is right")


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
