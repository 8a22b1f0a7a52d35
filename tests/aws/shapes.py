"""Holds requests and answers to botocore's shapes of AWS: what botocore itself lets pass is found here as well.

botocore checks required members, types and minimal lengths. Enumerations, patterns, maxima and numbers out of range go
out unchecked and come back as AWS's refusal; here they are findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.model import ServiceModel, Shape

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,), "character": (str,), "boolean": (bool,), "timestamp": (datetime,),
    "blob": (bytes, bytearray, str), "integer": (int,), "long": (int,), "float": (int, float), "double": (int, float),
}  # fmt: skip


@cache
def model(service: str) -> ServiceModel:
    """The model that botocore has of a service; loading one takes a while."""
    return botocore.session.get_session().get_service_model(service)


@cache
def operations(service: str) -> Mapping[str, str]:
    """boto3's names of its operations → AWS's."""
    return {xform_name(name): name for name in model(service).operation_names}


def request_findings(service: str, operation: str, request: Mapping[str, Any]) -> list[str]:
    """What is wrong with a request, by AWS's or boto3's name of the operation. Empty: nothing."""
    shape = model(service).operation_model(operations(service).get(operation, operation)).input_shape
    return list(_walk("", shape, request, required=True))


def answer_findings(service: str, operation: str, answer: Mapping[str, Any]) -> list[str]:
    """What AWS could not have answered; members may be missing, but none may be there that AWS does not have."""
    shape = model(service).operation_model(operations(service).get(operation, operation)).output_shape
    if shape is None:
        return [f"AWS answers nothing here: {answer}"] if answer else []
    return list(_walk("", shape, answer, required=False))


def _walk(where: str, shape: Shape, value: Any, *, required: bool) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure":
        yield from _structure(where, shape, value, required=required)
    elif kind == "list":
        yield from _sized(where, shape, value, list)
        for n, entry in enumerate(value if isinstance(value, list) else ()):
            yield from _walk(f"{where}[{n}]", shape.member, entry, required=required)
    elif kind == "map":
        yield from _sized(where, shape, value, dict)
        for key, entry in value.items() if isinstance(value, dict) else ():
            yield from _walk(f"{where}.{key} (its name)", shape.key, key, required=required)
            yield from _walk(f"{where}.{key}", shape.value, entry, required=required)
    else:
        yield from _scalar(where, shape, value)


def _structure(where: str, shape: Shape, value: Any, *, required: bool) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    if not isinstance(value, dict):
        yield f"{where or 'the request'}: {type(value).__name__}, not an object"
        return
    for name in shape.required_members if required else ():
        if name not in value:
            yield f"{where}.{name} is missing"
    if getattr(shape, "is_tagged_union", False) and len(value) != 1:
        yield f"{where}: {len(value)} members of a union"
    for name, entry in value.items():
        if name not in shape.members:
            yield f"{where}.{name} is unknown"
        else:
            yield from _walk(f"{where}.{name}", shape.members[name], entry, required=required)


def _sized(where: str, shape: Shape, value: Any, wanted: type) -> Iterator[str]:
    if not isinstance(value, wanted):
        yield f"{where}: {type(value).__name__}, not {wanted.__name__}"
        return
    yield from _bounds(where, shape, len(value), "entries")


def _scalar(where: str, shape: Shape, value: Any) -> Iterator[str]:
    kinds = _TYPES[shape.type_name]
    is_flag = isinstance(value, bool)
    if not isinstance(value, kinds) or (is_flag and shape.type_name != "boolean"):
        yield f"{where}: {type(value).__name__}, not {shape.type_name}"
        return
    if isinstance(value, str) and shape.type_name == "string":
        yield from _bounds(where, shape, len(value), "characters")
        allowed = getattr(shape, "enum", None)
        if allowed and value not in allowed:
            yield f"{where}: {value!r} is none of {', '.join(allowed)}"
        pattern = shape.metadata.get("pattern")
        if pattern and not _matches(pattern, value):
            yield f"{where}: {value!r} does not match {pattern}"
    elif isinstance(value, int | float) and not is_flag:
        yield from _bounds(where, shape, value, "")


def _bounds(where: str, shape: Shape, size: float, unit: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{where}: {size} {unit}, at least {low}"
    if high is not None and size > high:
        yield f"{where}: {size} {unit}, at most {high}"


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.fullmatch(f"(?:{pattern})", value) is not None
    except re.error:  # of another dialect of regular expressions
        return True
