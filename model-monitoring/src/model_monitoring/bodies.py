"""Bodies of requests and answers as rows and predictions, in every shape that the model service takes."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

Row = dict[str, Any]
"""A row's values by name: numbers, texts, None."""
Prediction = float | str
"""A number, or a class by its name."""
UNREADABLE = (
    msgspec.DecodeError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    RecursionError,
    csv.Error,
)
"""What a body that can't be read raises."""
_any = msgspec.json.Decoder().decode


def rows_of(data: str, encoding: str, order: tuple[str, ...]) -> list[Row]:
    """A request's rows; `order` names the features of those without names. Raises one of UNREADABLE."""
    return _BODIES[encoding](data, order)


def _json(data: str, order: tuple[str, ...]) -> list[Row]:
    """A JSON request in each of the shapes that the model service takes, or JSON lines of rows."""
    try:
        body = _any(data)
    except msgspec.DecodeError:
        return _of([_any(line) for line in data.splitlines() if line.strip()], order)
    if isinstance(body, list):
        return _of([body], order)
    body = body.get("dataframe_split", body)
    if "data" in body:
        return _of(body["data"], tuple(body["columns"]))
    return _of(next((body[key] for key in ("instances", "dataframe_records") if key in body), [body]), order)


def _of(rows: list[Any], order: tuple[str, ...]) -> list[Row]:
    """Rows that are objects as they are, rows that are arrays by `order`."""
    if set(map(type, rows)) == {dict}:
        return rows
    return [dict(zip(order, row, strict=True)) for row in rows]


def _csv(data: str, order: tuple[str, ...]) -> list[Row]:
    """With a header, where its words are the features' names; else in their order."""
    lines = [line for line in csv.reader(io.StringIO(data), strict=True) if line]
    if lines and set(lines[0]) == set(order):
        order = tuple(lines.pop(0))
    return _of([[value_of(text) for text in line] for line in lines], order)


def value_of(text: str) -> float | int | str | None:
    """A CSV field: a number where it reads as one, None where it is empty or says NaN."""
    if not text or text.lower() == "nan":
        return None
    if "_" in text:  # Python would read 1_000 as a number
        return text
    try:
        return int(text) if text.lstrip("-").isdecimal() and len(text) < 19 else float(text)
    except ValueError:
        return text


def _array(data: str, order: tuple[str, ...]) -> list[Row]:
    array = np.atleast_2d(np.load(io.BytesIO(base64.b64decode(data, validate=True)), allow_pickle=False))
    return _of([[_number(value) for value in row] for row in array.tolist()], order)


def _number(value: float) -> float | None:
    return None if value != value else value


_BODIES: Mapping[str, Callable[[str, tuple[str, ...]], list[Row]]] = {"JSON": _json, "CSV": _csv, "BASE64": _array}


def predictions_of(data: str, encoding: str) -> list[Prediction]:
    """An answer's predictions, one a row; of a list of probabilities the likeliest class. Raises one of UNREADABLE."""
    if encoding == "BASE64":
        array = np.load(io.BytesIO(base64.b64decode(data, validate=True)), allow_pickle=False)
        found: list[Any] = array.tolist() if array.ndim > 1 and array.shape[-1] > 1 else array.ravel().tolist()
        return [_prediction(value) for value in found]
    if encoding == "CSV":
        return [_prediction(value_of(text.strip())) for text in re.split(r"[,\n]", data.strip())]
    try:
        values = [_any(data)]
    except msgspec.DecodeError:
        values = [_any(line) for line in data.splitlines() if line.strip()]
    return [_prediction(one) for value in values for one in _of_answer(value)]


def _prediction(value: Any) -> Prediction:
    if isinstance(value, list):
        return float(np.argmax(np.asarray(value, dtype=np.float64)))
    return value if isinstance(value, str) and value else float(value)


def _of_answer(value: Any) -> list[float]:
    """Of `{"predictions": [...]}`, or of a line, `{"prediction": ...}`; or the bare number or list."""
    if isinstance(value, dict):
        value = value["predictions"] if "predictions" in value else value["prediction"]
    return value if isinstance(value, list) else [value]
