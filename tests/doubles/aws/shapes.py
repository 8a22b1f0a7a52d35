"""Holds a value to one of botocore's shapes, more strictly than botocore does: enums, patterns, lengths and ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "long": (int,), "double": (int, float), "float": (int, float),
    "boolean": (bool,), "timestamp": (datetime,), "blob": (bytes, bytearray, str),
}  # fmt: skip


def faults(shape: Any, value: Any, at: str = "") -> Iterator[str]:
    """What of the value the shape does not allow, each with its place."""
    kind = shape.type_name
    if kind == "structure":
        if not isinstance(value, Mapping):
            yield f"{at}: expected a structure, found {value!r}"
            return
        yield from (
            f"{at}.{name}: unknown" for name in value if name not in shape.members and name != "ResponseMetadata"
        )
        yield from (f"{at}.{name}: required" for name in shape.required_members if name not in value)
        for name, member in shape.members.items():
            if name in value:
                yield from faults(member, value[name], f"{at}.{name}")
    elif kind == "list":
        if isinstance(value, str) or not isinstance(value, Sequence):
            yield f"{at}: expected a list, found {value!r}"
            return
        yield from _sized(shape, len(value), at)
        for n, item in enumerate(value):
            yield from faults(shape.member, item, f"{at}[{n}]")
    elif kind == "map":
        if not isinstance(value, Mapping):
            yield f"{at}: expected a map, found {value!r}"
            return
        for key, item in value.items():
            yield from faults(shape.key, key, f"{at}[{key!r}]")
            yield from faults(shape.value, item, f"{at}[{key!r}]")
    else:
        yield from _scalar(shape, value, at)


def _scalar(shape: Any, value: Any, at: str) -> Iterator[str]:
    kinds = _KINDS[shape.type_name]
    if shape.type_name == "blob" and hasattr(value, "read"):
        return
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield f"{at}: expected {shape.type_name}, found {value!r}"
        return
    if isinstance(value, str):
        if getattr(shape, "enum", None) and value not in shape.enum:
            yield f"{at}: {value!r} is none of {', '.join(shape.enum)}"
        pattern = shape.metadata.get("pattern")
        if pattern and re.search(_in_python(pattern), value) is None:
            yield f"{at}: {value!r} does not match {pattern}"
        yield from _sized(shape, len(value), at)
    elif isinstance(value, int | float):
        yield from _sized(shape, value, at)


def _sized(shape: Any, size: float, at: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and size < least) or (most is not None and size > most):
        yield f"{at}: {size:g} is not within {least} and {most}"


def _in_python(pattern: str) -> str:
    r"""AWS writes patterns for other engines, which begin and end by themselves: `\p{L}` is not Python's."""
    return rf"^(?:{pattern})$" if r"\p" not in pattern else ""
