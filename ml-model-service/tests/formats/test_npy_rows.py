"""Arrays in NumPy's own format."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ml_model_service.errors import Problem
from ml_model_service.formats.npy_rows import read_npy
from samples import ENCODER, npy

GOOD = np.array([[1, 0, 71.5, 480], [np.nan, 1, np.nan, 0]])
HEADER = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 4), }"


def head(text: bytes, version: int = 1) -> bytes:
    """A file's beginning with any header."""
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 if version == 1 else 4, "little") + text


def refused(body: bytes) -> tuple[int, str]:
    """Status and message of a body that is turned down."""
    with pytest.raises(Problem) as caught:
        read_npy(body, ENCODER, 3)
    return caught.value.status, caught.value.message


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", ">f4", "<f2", ">f2"])
def test_floats_of_each_size_and_order_are_read(dtype: str, order: Any) -> None:
    """Size, byte order and memory order make no difference."""
    matrix, rows = read_npy(npy(GOOD.astype(dtype, order=order)), ENCODER, 3)
    assert (2, repr(GOOD.ravel().tolist())) == (rows, repr(matrix.tolist()))


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">u2", "<i4", ">i4", "<u4", "<i8", ">u8"])
def test_whole_numbers_are_read(dtype: str) -> None:
    """Arrays of whole numbers have no missing values, and are otherwise alike."""
    matrix, _ = read_npy(npy(np.array([[2, 1, 100, 7]]).astype(dtype)), ENCODER, 3)
    assert [2.0, 1.0, 100.0, 7.0] == matrix.tolist()


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (1, 0, 3, "row 1, column airline: expected whole number from 0 to 2 or NaN, found 3.0"),
        (0, 0, -1, "row 0, column airline: expected whole number from 0 to 2 or NaN, found -1.0"),
        (1, 1, 0.5, "row 1, column origin: expected whole number from 0 to 1, found 0.5"),
        (1, 1, np.nan, "row 1, column origin: expected whole number from 0 to 1, found null"),
        (1, 2, 151, "row 1, column temp: expected number from -50 up to 150 or NaN, found 151.0"),
        (0, 2, -np.inf, "row 0, column temp: expected number from -50 up to 150 or NaN, found -inf"),
        (0, 3, np.nan, "row 0, column minute: expected number from 0 up to 1439, found null"),
        (0, 3, 1e300, "row 0, column minute: expected number from 0 up to 1439, found 1e+300"),
    ],
)
def test_the_message_says_row_and_column(row: int, column: int, value: float, message: str) -> None:
    """A number that the feature does not allow, or that is no code of it, is named."""
    matrix = GOOD.copy()
    matrix[row, column] = value
    assert (422, message) == refused(npy(matrix))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (GOOD[0], "shape: expected (rows, 4) with 1 to 3 rows, found '(4,)'"),
        (GOOD[:, :3], "shape: expected (rows, 4) with 1 to 3 rows, found '(2, 3)'"),
        (GOOD[:0], "shape: expected (rows, 4) with 1 to 3 rows, found '(0, 4)'"),
        (np.zeros((4, 4)), "shape: expected (rows, 4) with 1 to 3 rows, found '(4, 4)'"),
        (np.float64(1), "shape: expected (rows, 4) with 1 to 3 rows, found '()'"),
        (GOOD > 0, "dtype: expected an array of float16, float32, float64 or whole numbers, found '|b1'"),
        (GOOD.astype(complex), "dtype: expected an array of float16, float32, float64 or whole numbers, found '<c16'"),
        (GOOD.astype("U3"), "dtype: expected an array of float16, float32, float64 or whole numbers, found '<U3'"),
        (GOOD.astype(object), "dtype: expected an array of float16, float32, float64 or whole numbers, found '|O'"),
        (
            np.zeros(2, dtype=[("a", "f8"), ("b", "f8")]),
            "dtype: expected an array of float16, float32, float64 or whole numbers, found 'fields with names'",
        ),
    ],
)
def test_other_shapes_and_types_are_422(matrix: Any, message: str) -> None:
    """What is no matrix of numbers is refused; nothing of it is unpickled."""
    assert (422, message) == refused(npy(matrix))


@pytest.mark.parametrize(
    "header",
    [
        b"{'fortran_order': False, 'shape': (1, 4), }",
        b"{'descr': '<f8', 'shape': (1, 4), }",
        b"{'descr': '<f8', 'fortran_order': 0, 'shape': (1, 4), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': [1, 4], }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1.0, 4), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1 0, 4), }",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (1, __import__('os')), }",
        b"{'descr': 'no such', 'fortran_order': False, 'shape': (1, 4), }",
        b"{'descr': 7, 'fortran_order': False, 'shape': (1, 4), }",
        b"{'descr': [('a',)], 'fortran_order': False, 'shape': (1, 4), }",
        b"{'descr': '(9,9,9,9,9)f8,' * 9, 'fortran_order': False, 'shape': (1, 4), }",
        b"{'descr': '\\x00\\ud800', 'fortran_order': False, 'shape': (1, 4), }",
        b"{1: " * 90 + b"}" * 90,
        b"(" * 480,
        b"-" * 480 + b"1",
        b"\x00" * 100,
        b"\xff" * 100,
        b"'''",
        b"  \n\t 1\n 2",
        b"",
    ],
)
def test_a_header_that_is_none_is_400(header: bytes) -> None:
    """Whatever stands there is neither run nor followed, and the message says what belongs there."""
    for version in (1, 2, 3):
        status, message = refused(head(header, version) + bytes(32))
        assert 400 == status
        assert message.startswith("the body is not a .npy file: it must start with a header of version 1, 2 or 3")
        assert message.endswith("that holds 'descr', 'fortran_order' and 'shape', as numpy.save writes it")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"PK\x03\x04 an .npz file", "must start with a header"),
        (b"\x93NUMPY\x01", "must start with a header"),
        (head(HEADER, 4) + bytes(32), "must start with a header"),
        (head(b"{'descr': '<f8'" + b" " * 20_000) + bytes(32), "up to 512 bytes"),
        (head(HEADER.ljust(510)) + bytes(32), "up to 512 bytes"),
        (head(HEADER)[:-1], "must start with a header"),
        (head(HEADER) + bytes(31), "32 bytes must follow its header, found 31"),
        (head(HEADER) + bytes(33), "32 bytes must follow its header, found 33"),
    ],
)
def test_what_is_no_such_file_is_400(body: bytes, why: str) -> None:
    """Wrong magic, headers that are cut off or too long, and too few or many bytes are told apart."""
    status, message = refused(body)
    assert (400, True) == (status, why in message), message


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        (b"9" * 15 + b", 4", "(999999999999999, 4)"),
        (b"9" * 50 + b", 4", "numbers beyond 64 bits"),
        (b"0x" + b"f" * 400 + b", 4", "numbers beyond 64 bits"),
        (b"-1, 4", "(-1, 4)"),
        (b"4, -4", "(4, -4)"),
        (b"1, " * 100, "(1, 1, 1"),
    ],
)
def test_a_shape_is_checked_before_anything_of_its_size_is_made(shape: bytes, found: str) -> None:
    """However large, negative or long it is."""
    status, message = refused(head(HEADER.replace(b"1, 4", shape)))
    assert (422, True) == (status, f"with 1 to 3 rows, found '{found}" in message), message


@pytest.mark.parametrize("descr", [b"'<f8,<f8'", b"('<f8', (2, 2))", b"'V1000000000'", b"'M8[s]'", b"'<f16'", b"'O'"])
def test_other_types_are_refused_by_their_headers(descr: bytes) -> None:
    """Also those that no client of ours writes: the numbers after the header are not looked at."""
    status, message = refused(head(HEADER.replace(b"'<f8'", descr)) + bytes(32))
    assert (422, True) == (status, message.startswith("dtype: expected an array of float16")), message


def test_a_nan_of_any_kind_is_missing() -> None:
    """Quiet or signalling, as float32 or float64, it is read without a warning."""
    for dtype, bits in (("<f4", 0x7F800001), ("<f4", 0xFFC00001), ("<f8", 0x7FF0000000000001), ("<f8", 0xFFF8 << 48)):
        whole = "<u4" if dtype == "<f4" else "<u8"
        matrix = np.array([[1, 0, 71.5, 480]], dtype=dtype)
        matrix.view(whole)[0, 2] = bits
        assert "[1.0, 0.0, nan, 480.0]" == str(read_npy(npy(matrix), ENCODER, 3)[0].tolist())


@pytest.mark.parametrize("version", [2, 3])
def test_later_versions_of_the_format_are_read(version: int) -> None:
    """They differ in the header's length field alone."""
    matrix, _ = read_npy(head(HEADER, version) + np.array([1, 0, 71.5, 480]).tobytes(), ENCODER, 3)
    assert [1, 0, 71.5, 480] == matrix.tolist()
