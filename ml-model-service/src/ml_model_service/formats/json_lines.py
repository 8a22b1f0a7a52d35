"""JSON Lines request bodies, a row a line, to the numbers a model reads, and predictions to JSON Lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from ml_model_service.errors import Detail, Problem, invalid
from ml_model_service.formats.columns import Unfit
from ml_model_service.formats.encoder import Encoder, Words
from ml_model_service.formats.json_rows import NOT_JSON, check_size, kind, without_mark

_decode = msgspec.json.Decoder().decode
_encode_lines = msgspec.json.Encoder().encode_lines
_WORDS = Words(lambda row, name: f"line {row + 1}, field {name}")


def read_json_lines(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> tuple[Sequence[float], int]:
    """The numbers and how many rows they are: a line each, an object or an array in the schema's order.

    Raises Problem 400 for a line that is not JSON, 422 for another shape or a row that does not fit.
    """
    lines = lines_of(body, encoder, max_rows)
    try:
        return encoder.of_structs(list(map(encoder.decode_row, lines))), len(lines)
    except (*NOT_JSON, Unfit):
        pass
    return encoder.encode([_row(n, line, encoder) for n, line in enumerate(lines, 1)], _WORDS), len(lines)


def lines_of(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> Sequence[bytes | bytearray]:
    """The lines, of which there are as many as a request may have rows. Raises Problem."""
    body = without_mark(body).rstrip()
    if not body:
        raise Problem(400, "invalid_jsonl", "the body is empty; it must hold a JSON object or array a line")
    count = body.count(b"\n") + 1
    if count > max_rows:
        raise invalid([Detail("body", f"{count} lines", f"1 to {max_rows} rows, one a line")])
    check_size(body, encoder, max_rows)
    return body.split(b"\n")


def write_json_lines(predictions: Sequence[float]) -> bytes:
    """An object a line."""
    return _encode_lines([{"prediction": prediction} for prediction in predictions])


def array_in(row: Any, names: Sequence[str]) -> list[Any] | None:
    """The values of a row that is an array, also as SageMaker's algorithms take one: `{"features": […]}`."""
    if isinstance(row, dict) and row.keys() == {"features"} and "features" not in names:
        row = row["features"]
    return row if isinstance(row, list) else None


def _row(number: int, line: bytes | bytearray, encoder: Encoder) -> dict[str, Any]:
    try:
        row = _decode(line)
    except NOT_JSON as error:
        raise Problem(
            400, "invalid_jsonl", f"line {number} is not JSON: {_why(number, line, encoder, error)}"
        ) from None
    values = array_in(row, encoder.names)
    width = len(encoder.names)
    if values is not None:
        if len(values) != width:
            raise invalid([Detail(f"line {number}", f"{len(values)} values", f"array of {width} values")])
        return dict(zip(encoder.names, values, strict=True))
    if not isinstance(row, dict):
        allowed = f"object with the model's features, or array of {width} values"
        raise invalid([Detail(f"line {number}", kind(row), allowed)])
    return row


def _why(number: int, line: bytes | bytearray, encoder: Encoder, error: Exception) -> str:
    """What is wrong with a line; the field where NaN or the like stands for a value."""
    if not line.strip():
        return "it is empty"
    try:
        row = json.loads(line.decode(), parse_int=float)
        values = array_in(row, encoder.names)
        named = row if values is None else dict(zip(encoder.names, values, strict=True))
        if b"\\ud" not in line.lower() and isinstance(named, dict):
            encoder.encode([named], Words(lambda _, name: f"line {number}, field {name}"))
    except Problem as problem:
        return problem.message
    except (ValueError, RecursionError):
        pass
    return str(error)
