"""JSON request bodies to the matrix a model reads, in each shape that clients send."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import msgspec

from ml_model_service.errors import MISSING, Detail, Problem, invalid, shortened
from ml_model_service.formats.columns import Unfit
from ml_model_service.formats.encoder import Encoder, json_words

_decode = msgspec.json.Decoder().decode
NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_SHAPES = (
    'object {"instances": [...]}, {"dataframe_records": [...]}, '
    '{"columns": [...], "data": [...]} or {"dataframe_split": {...}}'
)
_MOST_DIGITS = 309
# a string that never ends runs to the end of the body, so that this stays linear
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows at `path` of a body; `order` names the values of rows that are arrays, None if those are objects."""

    path: str
    rows: Sequence[Any]
    order: tuple[str, ...] | None


def read_json(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> tuple[Sequence[float], int]:
    """The numbers and how many rows they are.

    Raises Problem 400 for what is not JSON, 422 for another shape or a row that does not fit.
    """
    body = without_mark(body)
    values = encoder.instances(body, max_rows)
    if values is not None:
        return values, len(values) // len(encoder.names)
    # another shape, or something is wrong, which is now looked for with care
    found = _rows(_parsed(body, encoder, max_rows), encoder, max_rows)
    return _numbers(found, encoder), len(found.rows)


def _parsed(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> Any:
    """The body's content. Raises Problem."""
    if not body.strip():
        raise Problem(400, "invalid_json", "the body is empty; it must be a JSON " + _SHAPES)
    check_size(body, encoder, max_rows)
    try:
        return _decode(body)
    except UnicodeDecodeError:
        raise _not_utf_8(body) from None
    except NOT_JSON as error:
        named = _problem_with_nan(body, encoder, max_rows)
        if named is not None:
            raise Problem(400, "invalid_json", f"the body is not JSON: {named.message}", named.details) from None
        raise Problem(400, "invalid_json", f"the body is not JSON: {error}") from None


def check_size(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> None:
    """Raise Problem 422 for more arrays, objects and values than a request can have."""
    # Six megabytes of `[],` would become hundreds in memory, so what cannot be a request is not decoded. A row is one
    # array or object and has a comma for each value; some more are left for the envelope and for values too many.
    most_rows, most_values = max_rows + 8, (max_rows + 8) * (len(encoder.names) + 4)
    if _opened(body) > most_rows or body.count(b",") > most_values:
        opened = commas = 0
        for part in _outside_strings(body):
            opened, commas = opened + _opened(part), commas + part.count(b",")
            if opened > most_rows:
                raise invalid([Detail("body", f"over {most_rows} arrays and objects", f"at most {max_rows} rows")])
            if commas > most_values:
                allowed = f"at most {max_rows} rows of {len(encoder.names)} values"
                raise invalid([Detail("body", f"over {most_values} values", allowed)])


def without_mark(body: bytes | bytearray) -> bytes | bytearray:
    """The body without the byte order mark that some clients put first, as RFC 8259 lets a reader ignore it."""
    return body[3:] if body[:3] == b"\xef\xbb\xbf" else body


def _not_utf_8(body: bytes | bytearray) -> Problem:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return Problem(400, "invalid_json", f"the body is not UTF-8: {error.reason} at byte {error.start}")
    return Problem(400, "invalid_json", "the body is not JSON: a string is not UTF-8")


def _problem_with_nan(body: bytes | bytearray, encoder: Encoder, max_rows: int) -> Problem | None:
    """The problem that names row and field where NaN or Infinity stands for a value; None where that is not the fault.

    JSON has no such words, but Python's own encoder writes them; and the number of a byte would help nobody.
    """
    # json.loads accepts unpaired surrogates, which no answer could quote
    if b"\\ud" in body.lower():
        return None
    try:
        found = _rows(json.loads(body.decode(), parse_int=_whole), encoder, max_rows)
        rows = found.rows if found.order is None else [dict(zip(found.order, row, strict=True)) for row in found.rows]
        encoder.encode(rows, json_words(found.path))
    except Problem as problem:
        return problem
    except (ValueError, RecursionError):
        pass
    return None


def _whole(digits: str) -> float:
    """Python reads whole numbers of any length, in quadratic time."""
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _opened(body: bytes | bytearray) -> int:
    return body.count(b"[") + body.count(b"{")


def _outside_strings(body: bytes | bytearray) -> Iterator[bytes | bytearray]:
    """What is between the strings, part by part: all at once, millions of them would hold up every other thread."""
    end = 0
    for string in _STRING.finditer(body):
        yield body[end : string.start()]
        end = string.end()
    yield body[end:]


def _rows(request: Any, encoder: Encoder, max_rows: int) -> Rows:
    """The rows of any allowed envelope, all of one kind. Raises Problem 422."""
    if not isinstance(request, dict):
        raise invalid([Detail("body", kind(request), _SHAPES)])
    request = _without_parameters(request)
    if "columns" in request or "data" in request:
        return _split("", request, encoder, max_rows)
    for shape in ("dataframe_split", "dataframe_records", "instances"):
        if shape in request:
            break
    _no_other_fields("", request, (shape,))
    value = request.get(shape, MISSING)
    if shape == "dataframe_split":
        if not isinstance(value, dict):
            raise invalid([Detail(shape, _kind(value), 'object {"columns": [...], "data": [...]}')])
        return _split("dataframe_split.", value, encoder, max_rows)
    what = "objects with the model's features" if shape == "dataframe_records" else "objects or arrays"
    rows = _counted(shape, value, max_rows, what)
    if shape == "instances" and type(rows[0]) is list:
        _check_arrays(shape, rows, len(encoder.names))
        return Rows(shape, rows, encoder.names)
    for position, row in enumerate(rows):
        if type(row) is not dict:
            raise invalid([Detail(f"{shape}[{position}]", kind(row), "object with the model's features")])
    return Rows(shape, rows, None)


def _without_parameters(request: dict[str, Any]) -> dict[str, Any]:
    """The request without MLflow's `params`, which say nothing where they are empty. Raises Problem 422 for others."""
    given = request.get("params")
    if "params" not in request or not ("instances" in request or any(key.startswith("dataframe_") for key in request)):
        return request
    if given is not None and not isinstance(given, dict):
        raise invalid([Detail("params", kind(given), "object without entries, or no `params`")])
    if given:
        name = shortened(next(iter(given)))
        raise invalid([Detail(f"params.{name}", given[next(iter(given))], "no parameter: leave it out of `params`")])
    return {key: value for key, value in request.items() if key != "params"}


def _split(prefix: str, request: dict[str, Any], encoder: Encoder, max_rows: int) -> Rows:
    """Rows as pandas writes them with orient="split"; the index is of no interest."""
    _no_other_fields(prefix, request, ("columns", "index", "data"))
    order = request.get("columns", MISSING)
    if not isinstance(order, list):
        raise invalid([Detail(f"{prefix}columns", _kind(order), "array of the features' names")])
    check_order(f"{prefix}columns", order, encoder.names)
    rows = _counted(f"{prefix}data", request.get("data", MISSING), max_rows, "arrays")
    _check_arrays(f"{prefix}data", rows, len(order))
    return Rows(f"{prefix}data", rows, tuple(order))


def check_order(path: str, order: Sequence[Any], features: Sequence[str]) -> None:
    """Raise Problem 422 unless `order` names every feature once and nothing else."""
    names = frozenset(features)
    wrong = [Detail(path, name, "a feature's name") for name in order if not isinstance(name, str) or name not in names]
    given = {name for name in order if isinstance(name, str)}
    wrong += [Detail(path, MISSING, f"{name}, as all features") for name in features if name not in given]
    if not wrong and len(order) != len(names):
        twice = next(name for position, name in enumerate(order) if name in order[:position])
        wrong.append(Detail(path, f"{twice} twice", "each feature once"))
    if wrong:
        raise invalid(wrong[:20], max(0, len(wrong) - 20))


def _check_arrays(path: str, rows: Sequence[Any], width: int) -> None:
    for position, row in enumerate(rows):
        if type(row) is not list:
            raise invalid([Detail(f"{path}[{position}]", kind(row), f"array of {width} values")])
        if len(row) != width:
            raise invalid([Detail(f"{path}[{position}]", f"{len(row)} values", f"array of {width} values")])


def _numbers(found: Rows, encoder: Encoder) -> Sequence[float]:
    rows, row_type = found.rows, encoder.object_row
    if found.order is not None:
        row_type = encoder.array_row
        if found.order != encoder.names:
            rows = list(map(itemgetter(*map(found.order.index, encoder.names)), rows))
    try:
        if row_type is not None:
            return encoder.of_structs(msgspec.convert(rows, list[row_type]))  # type: ignore[valid-type]
    except (msgspec.ValidationError, Unfit):
        pass
    named = rows if found.order is None else [dict(zip(encoder.names, row, strict=True)) for row in rows]
    return encoder.encode(named, json_words(found.path))


def _counted(path: str, rows: Any, max_rows: int, what: str) -> list[Any]:
    if not isinstance(rows, list) or not 1 <= len(rows) <= max_rows:
        found = "an empty array" if rows == [] else f"{len(rows)} rows" if isinstance(rows, list) else _kind(rows)
        raise invalid([Detail(path, found, f"array of 1 to {max_rows} {what}")])
    return rows


def _no_other_fields(prefix: str, request: dict[str, Any], allowed: tuple[str, ...]) -> None:
    for key in request:
        if key not in allowed:
            path = prefix + shortened(key)
            raise invalid([Detail(path, kind(request[key]), f"no other field than {', '.join(allowed)}")])


def _kind(value: Any) -> Any:
    return value if value is MISSING else kind(value)


def kind(value: Any) -> str:
    """The JSON type of a decoded value."""
    for types, name in (
        (bool, "boolean"),
        ((int, float), "number"),
        (str, "string"),
        (list, "array"),
        (dict, "object"),
    ):
        if isinstance(value, types):
            return name
    return "null"
