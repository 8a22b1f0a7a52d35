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
    if '"' in text or "\r" in text:
        fields, lines, order = _quoted(text, encoder, max_rows)
    else:
        fields, lines, order = _plain(text, encoder, max_rows)
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


_Parsed = tuple[list[str], Sequence[int], tuple[str, ...] | None]
"""All fields, one row after the other; the line of each row; the order of the columns if there is a header."""


def _plain(text: str, encoder: Encoder, max_rows: int) -> _Parsed:
    """CSV without quotes. Nothing grows beyond the body's own size before it is known to be of the right shape."""
    first, _, rest = text.partition("\n")
    order = header_of(first.split(",", 2 * len(encoder.names)), encoder.names)
    count = text.count("\n") + (order is None)
    if not 1 <= count <= max_rows:
        raise _wrong_count(f"{count} rows" if count else "no rows", max_rows)
    if order is not None:
        text = rest
    lines = range(1, count + 1) if order is None else range(2, count + 2)
    commas = len(encoder.names) - 1
    for number, line in zip(lines, text.split("\n"), strict=True):
        if line.count(",") != commas:
            raise _ragged(number, line.count(",") + 1, commas + 1)
    return text.replace("\n", ",").split(","), lines, order


def _quoted(text: str, encoder: Encoder, max_rows: int) -> _Parsed:
    """CSV by the standard library, which is slower."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    width = len(encoder.names)
    fields: list[str] = []
    lines: list[int] = []
    order: tuple[str, ...] | None = None
    line = 1
    try:
        for row in reader:
            # an empty line is one empty field to us and none to the library
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
    """The columns' names if `row` holds names. Raises Problem 422 when it plainly means to but is wrong."""
    known = frozenset(features)
    # spaces around a name are nobody's intention, unless it has them itself
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
