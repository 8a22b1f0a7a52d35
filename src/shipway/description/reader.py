"""Reads `shipway.yaml`: every mistake at once, each with its line, what was found and what is allowed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shipway.core.description.app import App
from shipway.core.description.values import NAME
from shipway.core.errors import UsageError
from shipway.description import strict_yaml
from shipway.description.strict_yaml import Document, Place, Problem

_SHOWN = 50
_FIX = "correct the lines above; the annotated shipway.yaml documents every key"
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of names",
    "model_type": "a mapping of keys",
}
_NAME_RULE = "lower-case letters, digits and dashes, a letter first, 40 at most"


def load(path: Path) -> App:
    """Read the description at `path`. Raises UsageError when it cannot be read or is wrong."""
    try:
        with path.open("rb") as file:
            text = file.read(strict_yaml.MAX_BYTES + 1)
    except OSError as error:
        fix = "run the command in the folder that holds shipway.yaml, or give its path"
        raise UsageError(f"{path}: {error.strerror or error}", fix=fix) from error
    return parse(text, path.name)


def parse(text: bytes | str, name: str = "shipway.yaml") -> App:
    """Read a description from its text. Raises UsageError whose `what` holds one line for each mistake."""
    document = strict_yaml.read(text)
    problems = list(document.problems)
    app: App | None = None
    # A file that could not be read as YAML has nothing to compare with the schema.
    if document.value is not None or not problems:
        try:
            # As JSON, because only there does strict mode take a list for a tuple.
            app = App.model_validate_json(json.dumps(document.value), strict=True)
        except ValidationError as error:
            known = {problem.place for problem in problems}
            known |= {place[:-1] for place in known if place and isinstance(place[-1], int)}
            places = {_dotted(place): place for place in document.lines}
            # A default that could not be derived, because another key is wrong, is not a mistake of its own.
            wrong = (details for details in error.errors() if details["type"] != "default_factory_not_called")
            found = (p for details in wrong for p in _problems(details, document, places))
            problems += [p for p in found if p.place not in known]
    if app is None or problems:
        raise UsageError(_report(problems, name), fix=_FIX)
    return app


def report(text: bytes | str, name: str, found: Sequence[tuple[Place, str]]) -> str:
    """Lines for mistakes that other code found, each with the line of the description that it is about."""
    document = strict_yaml.read(text)
    return _report([Problem(document.line(place), place, message) for place, message in found], name)


def _report(problems: list[Problem], name: str) -> str:
    ordered = sorted(problems, key=lambda p: (p.line, p.column or 0))
    lines = []
    for problem in ordered[:_SHOWN]:
        where = f"{problem.line}:{problem.column}" if problem.column else f"{problem.line}"
        path = _dotted(problem.place)
        lines.append(f"{name}:{where}: {path + ': ' if path else ''}{problem.message}")
    if len(ordered) > _SHOWN:
        lines.append(f"{name}: and {len(ordered) - _SHOWN:,} more")
    return "\n".join(lines)


def _dotted(place: Place) -> str:
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += ("." if path else "") + (part if re.fullmatch(r"[\w/-]{1,60}", part) else _short(part))
    return path


def _problems(details: ErrorDetails, document: Document, places: Mapping[str, Place]) -> Iterator[Problem]:
    """Pydantic's error in our words; a check of the whole file may have found several mistakes."""
    kind = details["type"]
    place: Place = tuple(details["loc"])
    if kind == "value_error":
        for sentence in details["msg"].removeprefix("Value error, ").splitlines():
            yield _checked(sentence, place, document, places)
        return
    if place and place[-1] == "[key]":
        place = place[:-1]
        yield Problem(document.line(place), place, f"not a name; allowed: {_NAME_RULE}")
        return
    yield Problem(document.line(place), place, _sentence(kind, place, details, document))


def _checked(sentence: str, place: Place, document: Document, places: Mapping[str, Place]) -> Problem:
    """A sentence of our own validators; it may begin with a path from `place` down."""
    if match := re.match(r"([A-Za-z_][\w.\[\]-]*): (.*)", sentence):
        named = places.get(".".join(filter(None, (_dotted(place), match[1]))))
        if named is not None:
            return Problem(document.line(named), named, match[2])
    if place in document.written:
        sentence = f"found {_found(place, document)}; {sentence}"
    return Problem(document.line(place), place, sentence)


def _sentence(kind: str, place: Place, details: ErrorDetails, document: Document) -> str:
    if kind == "extra_forbidden":
        allowed = list(_schema_at(place[:-1]).get("properties", {}))
        return f"unknown key; allowed: {', '.join(allowed)}{_nearest(str(place[-1]), allowed)}"
    if kind == "missing":
        meaning = _schema_at(place).get("description")
        return f"missing{f' ({meaning})' if meaning else ''}; add it"
    found = _found(place, document)
    if kind == "literal_error":
        allowed = [str(value) for value in _schema_at(place).get("enum", [])]
        return f"found {found}; allowed: {', '.join(allowed)}{_nearest(document.written.get(place, ''), allowed)}"
    if kind in _EXPECTED:
        quotes = kind == "string_type" and place in document.written and details["input"] is not None
        hint = f'; write "{_cut(document.written[place])}" in quotes' if quotes else ""
        return f"found {found}; expected {_EXPECTED[kind]}{hint}"
    if kind == "string_pattern_mismatch":
        pattern = _schema_at(place).get("pattern")
        return f"found {found}; allowed: {_NAME_RULE if pattern == NAME else f'text that matches {pattern}'}"
    return f"found {found}; allowed: {_bounds(_schema_at(place)) or details['msg']}"


def _found(place: Place, document: Document) -> str:
    value = document.value
    for part in place:
        value = value[part]
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return _short(value) if isinstance(value, str) else _cut(document.written[place])


def _short(text: str) -> str:
    return repr(_cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _nearest(word: str, allowed: list[str]) -> str:
    near = get_close_matches(word, allowed, n=1) if len(word) <= 60 else []
    return f" (did you mean {near[0]}?)" if near else ""


def _bounds(schema: Mapping[str, Any]) -> str:
    """The numbers or sizes that a schema allows, in words."""
    for low_key, high_key, unit in (
        ("minimum", "maximum", ""),
        ("exclusiveMinimum", "exclusiveMaximum", ""),
        ("minItems", "maxItems", " entries"),
        ("minProperties", "maxProperties", " entries"),
        ("minLength", "maxLength", " characters"),
    ):
        low, high = schema.get(low_key), schema.get(high_key)
        if unit and low == 1 and high is None:
            return "anything that is not empty"
        if low_key == "exclusiveMinimum" and low is not None and high is not None:
            return f"above {low:g} and below {high:g}"
        if low is not None and high is not None:
            return f"{low:g} to {high:g}{unit}"
        if low is not None:
            return f"{low:g}{unit} or more"
        if high is not None:
            return f"{high:g}{unit} at most"
    return ""


@cache
def _schema() -> dict[str, Any]:
    return App.model_json_schema()


def _schema_at(place: Place) -> dict[str, Any]:
    """The JSON schema of the value at `place`; empty where anything may stand."""
    root = _schema()

    def resolved(schema: dict[str, Any]) -> dict[str, Any]:
        if "anyOf" in schema:
            description = {k: v for k, v in schema.items() if k == "description"}
            schema = next(option for option in schema["anyOf"] if option.get("type") != "null") | description
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]] | {k: v for k, v in schema.items() if k != "$ref"}
        return schema

    schema: dict[str, Any] = root
    for part in place:
        if isinstance(part, int):
            schema = schema.get("items", {})
        elif part in schema.get("properties", {}):
            schema = schema["properties"][part]
        else:
            patterns = schema.get("patternProperties", {})
            inner = next(iter(patterns.values()), schema.get("additionalProperties", {}))
            schema = inner if isinstance(inner, dict) else {}
        schema = resolved(schema)
    return schema
