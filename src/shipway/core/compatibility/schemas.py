"""Whether everything that fits one JSON schema fits another (JSON Schema 2020-12, as OpenAPI 3.1 uses it).

Sound rather than complete: what can't be compared is a difference, never agreement. Whoever sends, sends only the
properties that its schema names, or gives a schema for; so a new optional property breaks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]
Resolve = Callable[[str], Schema]
"""What a `$ref` stands for. Raises ValueError for one that leads nowhere."""

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_ANNOTATIONS = frozenset({
    "title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly", "$comment",
    "externalDocs", "xml", "discriminator", "contentMediaType", "contentEncoding",
})  # fmt: skip
_COMPARED = frozenset({
    "type", "nullable", "enum", "const", "anyOf", "allOf", "oneOf", "$ref", "properties", "required",
    "additionalProperties", "items", "minItems", "maxItems", "uniqueItems", "minLength", "maxLength", "pattern", "format",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minProperties", "maxProperties",
})  # fmt: skip
_DEEPEST = 40
_MOST_LOOKS = 5_000


@dataclass(frozen=True, slots=True)
class Difference:
    """Where something that is sent does not fit, such as `$.flights[].carrier`, and why."""

    place: str
    reason: str


def differences(sent: Schema, read: Schema, of_sent: Resolve, of_read: Resolve, *, lenient: bool) -> list[Difference]:
    """Why a value that fits `sent` may not fit `read`; none if every value fits.

    `lenient`: the reader passes over properties that it does not know, even where its schema allows no others.
    """
    return [*_Comparison(of_sent, of_read, lenient).within(sent, read, "$")]


class _Comparison:
    def __init__(self, of_sent: Resolve, of_read: Resolve, lenient: bool) -> None:
        self._of_sent, self._of_read, self._lenient = of_sent, of_read, lenient
        self._assumed: set[tuple[str, str]] = set()
        self._looks = 0

    def within(self, sent: Schema | bool, read: Schema | bool, place: str) -> Iterator[Difference]:
        """Differences of two schemas. Schemas that refer to themselves are taken for equal where they meet again."""
        self._looks += 1
        if place.count(".") + place.count("[") > _DEEPEST or self._looks > _MOST_LOOKS:
            yield Difference(place, "the schemas are too deep to be compared")
            return
        if read is True or read == {}:
            return
        if not _refers(sent) and not _refers(read):
            yield from self._expanded(sent, read, place)
            return
        pair = (repr(sent), repr(read))
        if pair not in self._assumed:
            self._assumed.add(pair)
            yield from self._expanded(sent, read, place)
            self._assumed.discard(pair)

    def _expanded(self, sent: Schema | bool, read: Schema | bool, place: str) -> Iterator[Difference]:
        try:
            pieces = [*alternatives(sent, self._of_sent)]
            readers = [*alternatives(read, self._of_read)]
        except ValueError as error:
            yield Difference(place, str(error))
            return
        for piece in pieces:
            of_type = [reader for reader in readers if _may_hold(reader["type"], piece["type"])]
            tried = [[*self._piece(piece, reader, place)] for reader in of_type]
            if len(tried) == 1:
                yield from tried[0]
            elif all(tried):
                wanted = " or ".join(dict.fromkeys(_described(reader) for reader in readers)) or "nothing"
                yield Difference(place, f"{_described(piece)} where {wanted} is expected")

    def _piece(self, sent: Schema, read: Schema, place: str) -> Iterator[Difference]:
        """Of one type, or an integer where a number is read; without alternatives."""
        kind = sent["type"]
        for word in sorted(set(read) - _COMPARED - _ANNOTATIONS):
            if sent.get(word) != read[word]:
                yield Difference(place, f"{word} can't be compared")
        if "enum" in sent:
            for value in sent["enum"]:
                yield from self._value(value, sent, read, place)
            return
        if "enum" in read:
            yield Difference(place, f"any {kind} where only {_listed(read['enum'])} is expected")
            return
        yield from _bounds(sent, read, place)
        if kind == "array":
            yield from self.within(sent.get("items", True), read.get("items", True), f"{place}[]")
        if kind == "object":
            yield from self._object(sent, read, place)

    def _value(self, value: Any, sent: Schema, read: Schema, place: str) -> Iterator[Difference]:
        if "enum" in read:
            if not any(type(value) is type(one) and value == one for one in read["enum"]):
                yield Difference(place, f"{value!r} is none of {_listed(read['enum'])}")
        elif isinstance(value, dict | list):
            if sent != read:
                yield Difference(place, "fixed arrays and objects can't be compared")
        else:
            yield from _scalar(value, sent, read, place)

    def _object(self, sent: Schema, read: Schema, place: str) -> Iterator[Difference]:
        has, knows = sent.get("properties", {}), read.get("properties", {})
        always = set(sent.get("required", ()))
        for name in read.get("required", ()):
            if name not in always:
                why = "it is required, and may be missing" if name in has else "it is required, and not there"
                yield Difference(f"{place}.{name}", why)
        others = read.get("additionalProperties", True)
        # What is required and has no description of its own is there.
        for name, schema in {**dict.fromkeys(always, sent.get("additionalProperties", True)), **has}.items():
            if name in knows:
                yield from self.within(schema, knows[name], f"{place}.{name}")
            elif others is False and not self._lenient:
                yield Difference(f"{place}.{name}", "no such property is accepted")
            elif isinstance(others, Mapping):
                yield from self.within(schema, others, f"{place}.{name}")
        yield from self._further(sent, read, place)

    def _further(self, sent: Schema, read: Schema, place: str) -> Iterator[Difference]:
        """Properties of any name, where the sender's schema says that there are some."""
        free = sent.get("additionalProperties")
        if free is None or free is False:
            return
        others = read.get("additionalProperties", True)
        if others is False and not self._lenient:
            yield Difference(f"{place}.*", "no other properties are accepted")
        elif isinstance(others, Mapping):
            yield from self.within(free, others, f"{place}.*")
        for name, schema in read.get("properties", {}).items():
            if name not in sent.get("properties", {}):
                yield from self.within(free, schema, f"{place}.{name}")


def _may_hold(read: str, sent: str) -> bool:
    return read == sent or (sent == "integer" and read == "number")


def _refers(schema: Schema | bool) -> bool:
    return isinstance(schema, Mapping) and "$ref" in schema


def alternatives(schema: Schema | bool, resolve: Resolve, depth: int = 0) -> Iterator[Schema]:
    """The schema as pieces of one type each, without references and combinations. Raises ValueError."""
    if depth > _DEEPEST:
        raise ValueError("references that never end can't be compared")
    if schema is False:
        return
    if schema is True:
        schema = {}
    schema = {word: value for word, value in schema.items() if word not in _ANNOTATIONS}
    if "$ref" in schema:
        target = resolve(str(schema.pop("$ref")))
        yield from alternatives(_both(target, schema), resolve, depth + 1)
    elif "allOf" in schema:
        for part in schema.pop("allOf"):
            schema = dict(_both(schema, _plain(part, resolve, depth)))
        yield from alternatives(schema, resolve, depth + 1)
    elif "anyOf" in schema or "oneOf" in schema:
        word = "anyOf" if "anyOf" in schema else "oneOf"
        parts = schema.pop(word)
        pieces = [[*alternatives(_both(_plain(part, resolve, depth), schema), resolve, depth + 1)] for part in parts]
        if word == "oneOf" and not _are_apart(pieces):
            raise ValueError("oneOf whose alternatives overlap can't be compared")
        yield from (piece for some in pieces for piece in some)
    else:
        yield from _by_type(schema)


def _plain(part: Schema | bool, resolve: Resolve, depth: int) -> Schema:
    if part is True:
        return {}
    if part is False:
        raise ValueError("a schema that allows nothing can't be compared")
    if "$ref" in part and depth <= _DEEPEST:
        rest = {word: value for word, value in part.items() if word != "$ref"}
        return _both(_plain(resolve(str(part["$ref"])), resolve, depth + 1), rest)
    return part


def _both(a: Schema, b: Schema) -> Schema:
    """Both at once, where that can be written as one schema. Raises ValueError where it can't."""
    merged = dict(a)
    for word, value in b.items():
        if word not in merged or word in _ANNOTATIONS or merged[word] == value:
            merged[word] = value
        elif word == "properties":
            twice = merged[word].keys() & value.keys()
            if any(merged[word][name] != value[name] for name in twice):
                raise ValueError("properties that are described twice can't be compared")
            merged[word] = {**merged[word], **value}
        elif word == "required":
            merged[word] = [*dict.fromkeys([*merged[word], *value])]
        else:
            raise ValueError(f"{word} given twice can't be compared")
    if ("additionalProperties" in a) != ("additionalProperties" in b) and "properties" in a and "properties" in b:
        raise ValueError("additionalProperties beside allOf can't be compared")
    return merged


def _by_type(schema: Schema) -> Iterator[Schema]:
    given = schema.get("type", TYPES)
    kinds = [given] if isinstance(given, str) else [*given]
    if schema.get("nullable") is True and "null" not in kinds:
        kinds.append("null")
    if "integer" in kinds and "number" in kinds:
        kinds.remove("integer")
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    rest = {word: value for word, value in schema.items() if word not in ("type", "nullable", "const", "enum")}
    for kind in kinds:
        if values is None:
            yield {**rest, "type": kind, **_ALL_VALUES.get(kind, {})}
        elif mine := [value for value in values if _is(value, kind)]:
            yield {**rest, "type": kind, "enum": mine}


_ALL_VALUES: Mapping[str, Schema] = {"null": {"enum": [None]}, "boolean": {"enum": [False, True]}}


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if value is None:
        return kind == "null"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return kind in ("integer", "number")
    kinds = {float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value)) == kind


def _are_apart(pieces: list[list[Schema]]) -> bool:
    """Whether no value can fit two alternatives: by type, or by a fixed property."""
    for n, some in enumerate(pieces):
        for others in pieces[n + 1 :]:
            if any(not _is_apart(one, other) for one in some for other in others):
                return False
    return True


def _is_apart(a: Schema, b: Schema) -> bool:
    if a["type"] != b["type"]:
        return {a["type"], b["type"]} != {"integer", "number"}
    if "enum" in a and "enum" in b:
        return not any(value in b["enum"] for value in a["enum"])
    mine, others = a.get("properties", {}), b.get("properties", {})
    fixed = [
        name for name in set(a.get("required", ())) & set(b.get("required", ())) if name in mine and name in others
    ]
    return any("const" in mine[name] and "const" in others[name] and mine[name] != others[name] for name in fixed)


_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_OF_TYPE = {
    "string": ("minLength", "maxLength", "pattern", "format"),
    "array": ("minItems", "maxItems", "uniqueItems"),
    "object": ("minProperties", "maxProperties"),
    "integer": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "format"),
}
_OF_TYPE["number"] = _OF_TYPE["integer"]


def _bounds(sent: Schema, read: Schema, place: str) -> Iterator[Difference]:
    for word in _OF_TYPE.get(sent["type"], ()):
        if word not in read or read[word] is False or (word in sent and _is_tighter(word, sent[word], read[word])):
            continue
        if word in ("minimum", "maximum") and _is_open_tighter(word, sent, read):
            continue
        if word in ("minLength", "minItems", "minProperties") and read[word] == 0:
            continue
        has = f"{word} {sent[word]!r}" if word in sent else f"no {word}"
        yield Difference(place, f"{has} where {word} {read[word]!r} is expected")


def _is_tighter(word: str, sent: Any, read: Any) -> bool:
    if word in _LEAST:
        return bool(sent >= read)
    if word in _MOST:
        return bool(sent <= read)
    if word == "multipleOf":
        return bool(read) and (sent / read).is_integer() if isinstance(sent / read, float) else False
    return bool(sent == read)


def _is_open_tighter(word: str, sent: Schema, read: Schema) -> bool:
    open_word = f"exclusive{word.capitalize()}"
    return open_word in sent and _is_tighter(open_word, sent[open_word], read[word])


def _scalar(value: Any, sent: Schema, read: Schema, place: str) -> Iterator[Difference]:
    """One value against the bounds of its type."""
    checks: Mapping[str, Callable[[Any], bool]] = {
        "minimum": lambda bound: value >= bound,
        "maximum": lambda bound: value <= bound,
        "exclusiveMinimum": lambda bound: value > bound,
        "exclusiveMaximum": lambda bound: value < bound,
        "multipleOf": lambda bound: bool(bound) and float(value / bound).is_integer(),
        "minLength": lambda bound: len(value) >= bound,
        "maxLength": lambda bound: len(value) <= bound,
        "pattern": lambda bound: _matches(bound, value),
        "format": lambda bound: sent.get("format") == bound,
    }
    for word in _OF_TYPE.get(sent["type"], ()):
        if word in read and not checks[word](read[word]):
            yield Difference(place, f"{value!r} does not keep {word} {read[word]!r}")


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        return False


def _described(schema: Schema) -> str:
    if schema["type"] == "null" or schema.get("enum") == _ALL_VALUES["boolean"]["enum"]:
        return str(schema["type"])
    return _listed(schema["enum"]) if "enum" in schema else str(schema["type"])


def _listed(values: list[Any]) -> str:
    shown = ", ".join(repr(value) for value in values[:5])
    return shown if len(values) <= 5 else f"{shown}, …"
