"""Bytes of a request body to rows. Knows the envelope, not the features."""

from __future__ import annotations

from typing import Any

import msgspec

from ml_model_service.errors import MISSING, Detail, Problem, invalid

Instance = dict[str, Any]
_decode = msgspec.json.Decoder().decode


def decode(body: bytes | bytearray, max_rows: int) -> list[Instance]:
    """The rows of `{"instances": [{…}, …]}`, at least one. Raises Problem: 400 not JSON, 422 another shape."""
    try:
        request = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "invalid_json", f"the body is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise invalid([Detail("body", kind(request), 'object {"instances": [...]}')])
    for key in request:
        if key != "instances":
            raise invalid([Detail(key, kind(request[key]), "no other field than instances")])
    rows = request.get("instances", MISSING)
    if not isinstance(rows, list) or not rows:
        found = rows if rows is MISSING else "an empty array" if rows == [] else kind(rows)
        raise invalid([Detail("instances", found, f"array of 1 to {max_rows} objects")])
    if len(rows) > max_rows:
        raise invalid([Detail("instances", f"{len(rows)} rows", f"array of 1 to {max_rows} objects")])
    for position, row in enumerate(rows):
        if type(row) is not dict:
            raise invalid([Detail(f"instances[{position}]", kind(row), "object with the model's features")])
    return rows


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
