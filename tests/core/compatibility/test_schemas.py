"""What the comparison accepts, a validator accepts: for schemas and values drawn at random."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.core.compatibility.schemas import differences

NAMES = ("a", "b", "c")
TEXTS = ("", "x", "xy", "JFK")


def nowhere(reference: str) -> dict[str, Any]:
    raise ValueError(reference)


def optional(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=strategies)


BOUNDS = st.integers(-3, 3)
NUMBERS = st.builds(
    lambda kind, more: {"type": kind, **more}, st.sampled_from(["integer", "number"]),
    optional(minimum=BOUNDS, maximum=BOUNDS, exclusiveMinimum=BOUNDS, exclusiveMaximum=BOUNDS, multipleOf=st.integers(1, 3)),
)  # fmt: skip
STRINGS = st.builds(
    lambda more: {"type": "string", **more},
    optional(
        minLength=st.integers(0, 3), maxLength=st.integers(0, 3), pattern=st.sampled_from(["^x", "y$", "^[A-Z]+$"])
    ),
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.0, 2.5]), st.sampled_from(TEXTS)
)
FIXED = st.one_of(
    st.builds(lambda values: {"enum": values}, st.lists(VALUES, min_size=1, max_size=4)),
    st.builds(lambda value: {"const": value}, VALUES),
)
SIMPLE = st.one_of(
    NUMBERS, STRINGS, FIXED, st.just({"type": "boolean"}), st.just({"type": "null"}), st.just({}),
    st.builds(lambda kinds: {"type": kinds}, st.lists(st.sampled_from(["null", "integer", "number", "string", "boolean"]), unique=True, min_size=1)),
)  # fmt: skip


def _grown(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    arrays = st.builds(
        lambda more: {"type": "array", **more},
        optional(items=inner, minItems=st.integers(0, 2), maxItems=st.integers(0, 3), uniqueItems=st.booleans()),
    )
    objects = st.builds(
        lambda more: {"type": "object", **more},
        optional(
            properties=st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
            required=st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
            additionalProperties=st.one_of(st.booleans(), inner),
        ),
    )
    unions = st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3))
    merged = st.builds(lambda parts: {"allOf": parts}, st.lists(inner, min_size=1, max_size=2))
    return st.one_of(arrays, objects, unions, merged)


SCHEMAS = st.recursive(SIMPLE, _grown, max_leaves=6)


@st.composite
def values(draw: st.DrawFn, depth: int = 0) -> Any:
    """A JSON value of few kinds, so that it often fits."""
    if depth < 2 and draw(st.booleans()):
        if draw(st.booleans()):
            return draw(st.lists(values(depth + 1), max_size=3))
        return draw(st.dictionaries(st.sampled_from(NAMES), values(depth + 1), max_size=3))
    return draw(VALUES)


def sends(schema: Any, value: Any) -> bool:
    """Whether a sender who keeps to the schema sends only properties that it names, or gives a schema for."""
    if isinstance(value, list):
        return all(sends(_inner(schema, "items"), item) for item in value)
    if isinstance(value, dict):
        return _names(schema) >= value.keys() and all(
            sends(_property(schema, name), item) for name, item in value.items()
        )
    return True


def _parts(schema: Any) -> list[Any]:
    if not isinstance(schema, dict):
        return []
    return [schema, *(part for word in ("anyOf", "allOf") for one in schema.get(word, ()) for part in _parts(one))]


def _names(schema: Any) -> set[str]:
    found: set[str] = set()
    for part in _parts(schema):
        found |= set(part.get("properties", ()))
        if part.get("additionalProperties", False) is not False:
            found |= set(NAMES)
    return found


def _inner(schema: Any, word: str) -> Any:
    return {"anyOf": [part[word] for part in _parts(schema) if word in part] or [{}]}


def _property(schema: Any, name: str) -> Any:
    found = [part["properties"][name] for part in _parts(schema) if name in part.get("properties", ())]
    further = [
        part["additionalProperties"] for part in _parts(schema) if isinstance(part.get("additionalProperties"), dict)
    ]
    return {"anyOf": [*found, *further] or [{}]}


def fits(schema: Any, value: Any) -> bool:
    return bool(jsonschema_rs.is_valid(schema, value))


@settings(max_examples=400)
@given(SCHEMAS, SCHEMAS, st.lists(values(), max_size=12))
def test_what_is_accepted_fits(sent: dict[str, Any], read: dict[str, Any], drawn: list[Any]) -> None:
    """Every value that the sender may send."""
    if differences(sent, read, nowhere, nowhere, lenient=False):
        return
    for value in drawn:
        if fits(sent, value) and sends(sent, value):
            assert fits(read, value), (sent, read, value)


@given(SCHEMAS)
def test_a_schema_fits_itself_or_says_why_it_cannot_be_compared(schema: dict[str, Any]) -> None:
    """Never a difference of two equal schemas, unless nothing fits them: a property is required and not allowed."""
    if "'additionalProperties': False" in repr(schema):
        return
    for one in differences(schema, schema, nowhere, nowhere, lenient=False):
        assert "can't be compared" in one.reason, one


def test_schemas_that_refer_to_themselves_end() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#/tree"}, "right": {"$ref": "#/tree"}}}
    tree["required"] = []
    assert [] == differences({"$ref": "#/tree"}, {"$ref": "#/tree"}, lambda _: tree, lambda _: tree, lenient=False)
    endless = {"$ref": "#/endless"}
    found = differences(endless, {"type": "string"}, lambda _: endless, nowhere, lenient=False)
    assert ["references that never end can't be compared"] == [one.reason for one in found]


def test_alternatives_apart_by_a_fixed_property_are_compared() -> None:
    def shape(kind: str, **more: Any) -> dict[str, Any]:
        properties = {"kind": {"const": kind}, **more}
        return {"type": "object", "properties": properties, "required": ["kind"]}

    old = {"oneOf": [shape("a"), shape("b", size={"type": "integer"})]}
    new = {"oneOf": [shape("a"), shape("b", size={"type": "number"}), shape("c")]}
    assert [] == differences(old, new, nowhere, nowhere, lenient=False)
    assert differences(new, old, nowhere, nowhere, lenient=False)
    overlapping = {"oneOf": [{"type": "object"}, {"type": "object"}]}
    assert differences(old, overlapping, nowhere, nowhere, lenient=False)


def test_many_schemas_are_compared_in_bounded_steps() -> None:
    """Alternatives within alternatives grow by powers: they are refused, not waited for."""
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(30):
        schema = {"type": "object", "properties": {"a": {"anyOf": [schema, {"type": "array", "items": schema}]}}}
    found = differences(schema, {**schema, "minProperties": 1}, nowhere, nowhere, lenient=False)
    assert any("too deep" in one.reason or "expected" in one.reason for one in found)
