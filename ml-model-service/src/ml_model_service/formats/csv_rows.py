"""CSV request bodies (RFC 4180) to the matrix a model reads, and predictions to CSV."""

from __future__ import annotations

import csv
import io
import math
from array import array
from collections.abc import Sequence
from typing import Any

from ml_model_service.errors import Detail, Problem, invalid
from ml_model_service.formats.columns import Unfit
from ml_model_service.formats.encoder import Encoder, Words
from ml_model_service.formats.json_rows import check_order
from ml_model_service.metadata import Feature, Number


def read_csv(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> tuple[array[float], int]:
    """The matrix and the number of its rows. A first line that holds the features' names is a header.

    Raises Problem 400 for what is not CSV, 422 for rows of other lengths or values that do not fit.
    """
    text = text_of(body)
    width = len(encoder.names)
    fields, lines, order = _parsed(text, encoder, max_rows)
    if order is None:
        order = encoder.names
    elif _is_row(order, encoder):
        allowed = "JSON, as the features' names are values, too: a header and a row would look alike"
        raise invalid([Detail("line 1", ",".join(order), allowed)])
    columns: dict[str, list[Any]] = {name: fields[position::width] for position, name in enumerate(order)}
    try:
        # what is JSON's null is a string like any other here
        if "null" not in text:
            numbers = (c.of_text(columns[n]) for n, c in zip(encoder.names, encoder.columns, strict=True))
            return encoder.assemble(numbers, len(lines)), len(lines)
    except Unfit:
        pass
    for column in encoder.columns:
        name = column.feature.name
        columns[name] = list(map(_number if isinstance(column.feature, Number) else _string, columns[name]))
    rows = [{name: columns[name][row] for name in encoder.names} for row in range(len(lines))]
    words = Words(lambda row, name: f"line {lines[row]}, field {name}", _allowed)
    return encoder.encode(rows, words), len(lines)


def text_of(body: bytes | bytearray) -> str:
    """The body as text, without the end of the last line. Raises Problem 400."""
    try:
        # Excel puts a byte order mark first
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(400, "invalid_csv", f"the body is not UTF-8: {error.reason} at byte {error.start}") from None
    if not text.strip("\r\n"):
        raise Problem(400, "invalid_csv", "the body is empty; it must hold one row a line")
    return text.replace("\r\n", "\n").removesuffix("\n")


def write_csv(predictions: Sequence[float]) -> bytes:
    """One prediction a line, with as many digits as it takes to read the same float64 back."""
    return ("\n".join(map(repr, predictions)) + "\n").encode()


def _parsed(text: str, encoder: Encoder, max_rows: int) -> tuple[list[str], Sequence[int], tuple[str, ...] | None]:
    """All fields, one row after the other; the line of each row; the order of the columns if there is a header."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    width = len(encoder.names)
    fields: list[str] = []
    lines: list[int] = []
    order: tuple[str, ...] | None = None
    line = 1
    try:
        for row in reader:
            # the library reads no field from an empty line; here it is a row of one empty field
            row = row or [""]
            if line == 1:
                order = header_of(row, encoder.names)
            if line > 1 or order is None:
                if len(row) != width:
                    raise _ragged(line, len(row), width)
                fields += row
                lines.append(line)
                if len(lines) > max_rows:
                    raise _wrong_count(f"more than {max_rows} rows", max_rows)
            line = reader.line_num + 1
    except csv.Error as error:
        raise Problem(400, "invalid_csv", f"line {line}: {error}") from None
    if not lines:
        raise _wrong_count("no rows", max_rows)
    return fields, lines, order


def header_of(row: list[str], features: Sequence[str]) -> tuple[str, ...] | None:
    """The columns' names, if `row` is a header; None if it is a row of values.

    Raises Problem 422 for a header, of which more than half are features' names, that is wrong.
    """
    known = frozenset(features)
    # spaces around a name are dropped, unless a feature's name has them itself
    names = [field if field in known else field.strip() for field in row]
    found = len(known.intersection(names))
    if found < len(features) and found <= len(names) / 2:
        return None
    check_order("line 1", names, features)
    return tuple(names)


def _is_row(names: Sequence[str], encoder: Encoder) -> bool:
    """Whether a line of the features' names might be a row of values just as well."""
    try:
        for name, column in zip(names, encoder.columns, strict=True):
            column.of_text([name])
    except Unfit:
        return False
    return True


def _number(field: str) -> Any:
    """A number if the field is one as people write it, None if it is empty, else the field as it is."""
    if not field:
        return None
    try:
        value = float(field)
    except ValueError:
        return field
    # Python also reads 1_000, nan, inf and digits of other scripts
    return value if math.isfinite(value) and "_" not in field and field.isascii() else field


def _string(field: str) -> str | None:
    return field or None


def _allowed(feature: Feature) -> str:
    return feature.allowed.removesuffix("null") + "an empty field" if feature.nullable else feature.allowed


def _ragged(line: int, found: int, width: int) -> Problem:
    return invalid([Detail(f"line {line}", f"{found} fields", f"{width} fields, one for each feature")])


def _wrong_count(found: str, max_rows: int) -> Problem:
    return invalid([Detail("body", found, f"1 to {max_rows} rows")])
