"""Changes of an API, each with the verdict that a person would give for an app that is out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from shipway.core.compatibility.operations import Break, breaks, operations_of

Json = dict[str, Any]


def api() -> Json:
    """A small API of every kind of part."""
    return {
        "openapi": "3.1.0",
        "paths": {
            "/flights/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "post": {
                    "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                        {"name": "X-Device", "in": "header", "schema": {"type": "string"}},
                    ],
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Ask"}}},
                    },
                    "responses": {
                        "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Answer"}}}},
                        "422": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}},
                    },
                },
            },
            "/places": {"get": {"responses": {"200": {"content": {"application/json": {"schema": {"type": "array", "items": {"type": "string"}}}}}}}},
        },
        "components": {
            "schemas": {
                "Ask": {
                    "type": "object",
                    "required": ["origin", "hour"],
                    "properties": {
                        "origin": {"type": "string", "enum": ["JFK", "EWR"]},
                        "hour": {"type": "integer", "minimum": 0, "maximum": 23},
                        "note": {"anyOf": [{"type": "string", "maxLength": 100}, {"type": "null"}]},
                        "code": {"type": "string", "pattern": "^[A-Z]{2}$"},
                        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
                    },
                },
                "Answer": {
                    "type": "object",
                    "required": ["chance", "kind"],
                    "properties": {
                        "chance": {"type": "number", "minimum": 0, "maximum": 1},
                        "kind": {"type": "string", "enum": ["late", "on_time"]},
                        "version": {"type": "string"},
                        "rows": {"type": "array", "items": {"$ref": "#/components/schemas/Row"}},
                    },
                },
                "Row": {
                    "type": "object",
                    "required": ["hour"],
                    "properties": {"hour": {"type": "integer"}, "next": {"$ref": "#/components/schemas/Row"}},
                },
                "Problem": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
            }
        },
    }  # fmt: skip


Change = Callable[[Json], None]


def at(path: str, **values: Any) -> Change:
    """Sets keys at a place, such as `components.schemas.Ask`; None removes one."""

    def change(document: Json) -> None:
        found = document
        for part in path.split("."):
            found = found[part]
        for name, value in values.items():
            key = name.removesuffix("_")
            if value is None:
                del found[key]
            else:
                found[key] = value

    return change


def post(document: Json) -> Json:
    found: Json = document["paths"]["/flights/{id}"]["post"]
    return found


def on_post(change: Callable[[Json], Any]) -> Change:
    return lambda document: change(post(document))


ASK, ANSWER = "components.schemas.Ask", "components.schemas.Answer"
ORIGIN, HOUR, NOTE = f"{ASK}.properties.origin", f"{ASK}.properties.hour", f"{ASK}.properties.note"
CHANCE, KIND = f"{ANSWER}.properties.chance", f"{ANSWER}.properties.kind"


def _renamed(item: Json) -> Json:
    item["parameters"][0]["name"] = "flight"
    return item


def _rename(document: Json, schema: str, old: str, new: str) -> None:
    found = document["components"]["schemas"][schema]
    found["properties"][new] = found["properties"].pop(old)
    found["required"] = [new if name == old else name for name in found["required"]]


def _moved(document: Json) -> None:
    schemas = document["components"]["schemas"]
    schemas["Question"] = schemas.pop("Ask")
    post(document)["requestBody"]["content"]["application/json"]["schema"] = {
        "allOf": [{"$ref": "#/components/schemas/Question"}]
    }


FINE: dict[str, Change] = {
    "nothing": lambda _: None,
    "a new operation": lambda d: d["paths"].update({"/new": {"get": {"responses": {}}}}),
    "an operation that is not used goes": lambda d: d["paths"].pop("/places"),
    "descriptions": at(ASK, description="new words", title="Question"),
    "request: new optional property": at(f"{ASK}.properties", gate={"type": "string"}),
    "request: optional property no longer known": at(f"{ASK}.properties", tags=None),
    "request: required becomes optional": at(ASK, required=["origin"]),
    "request: enum widened": at(ORIGIN, enum=["JFK", "EWR", "LGA"]),
    "request: enum becomes any text": at(ORIGIN, enum=None),
    "request: bounds widened": at(HOUR, minimum=-1, maximum=24),
    "request: bound gone": at(HOUR, maximum=None),
    "request: integer becomes number": at(HOUR, type="number"),
    "request: becomes nullable": at(HOUR, type=["integer", "null"]),
    "request: becomes nullable as 3.0 says it": at(HOUR, nullable=True),
    "request: longer text": at(NOTE, anyOf=[{"type": "null"}, {"type": "string", "maxLength": 200}]),
    "request: text gains another type": at(f"{ASK}.properties.code", type=["string", "integer"]),
    "request: pattern gone": at(f"{ASK}.properties.code", pattern=None),
    "request: more items": at(f"{ASK}.properties.tags", maxItems=9),
    "request: body becomes optional": on_post(lambda p: p["requestBody"].update(required=False)),
    "request: another media type besides": on_post(lambda p: p["requestBody"]["content"].update({"text/csv": {}})),
    "parameter: new and optional": on_post(lambda p: p["parameters"].append({"name": "page", "in": "query", "schema": {"type": "integer"}})),
    "parameter: bounds widened": on_post(lambda p: p["parameters"][0]["schema"].update(maximum=1000)),
    "parameter: no longer known": on_post(lambda p: p["parameters"].pop(0)),
    "parameter: header in other case": on_post(lambda p: p["parameters"][1].update(name="x-device")),
    "path: parameter renamed": lambda d: d["paths"].update({"/flights/{flight}": _renamed(d["paths"].pop("/flights/{id}"))}),
    "answer: new property": at(f"{ANSWER}.properties", gate={"type": "string"}),
    "answer: optional becomes required": at(ANSWER, required=["chance", "kind", "version"]),
    "answer: enum narrowed": at(KIND, enum=["late"]),
    "answer: bounds narrowed": at(CHANCE, maximum=0.9),
    "answer: number becomes integer": at(CHANCE, type="integer"),
    "answer: optional property gone": at(f"{ANSWER}.properties", version=None),
    "answer: closed": at(ANSWER, additionalProperties=False),
    "answer: another error": on_post(lambda p: p["responses"].update({"409": {}})),
    "answer: an error that no longer comes": on_post(lambda p: p["responses"].pop("422")),
    "a schema moved": _moved,
}  # fmt: skip

BROKEN: dict[str, tuple[Change, str, str]] = {
    "operation gone": (lambda d: d["paths"].pop("/flights/{id}"), "", "gone"),
    "method changed": (lambda d: d["paths"]["/flights/{id}"].update(put=d["paths"]["/flights/{id}"].pop("post")), "", "gone"),
    "request: new required property": (at(ASK, required=["origin", "hour", "gate"]), "body gate", "not there"),
    "request: optional becomes required": (at(ASK, required=["origin", "hour", "note"]), "body note", "may be missing"),
    "request: renamed": (lambda d: _rename(d, "Ask", "hour", "at"), "body at", "not there"),
    "request: enum narrowed": (at(ORIGIN, enum=["JFK"]), "body origin", "'EWR'"),
    "request: text becomes enum": (at(f"{ASK}.properties.code", enum=["AA"]), "body code", "any string"),
    "request: bounds narrowed": (at(HOUR, maximum=22), "body hour", "maximum"),
    "request: new bound": (at(f"{ASK}.properties.code", minLength=3), "body code", "minLength"),
    "request: exclusive bound": (at(HOUR, exclusiveMinimum=0), "body hour", "exclusiveMinimum"),
    "request: step": (at(HOUR, multipleOf=2), "body hour", "multipleOf"),
    "request: retyped": (at(HOUR, type="string"), "body hour", "integer"),
    "request: number where integers went": (lambda d: None, "", ""),
    "request: no longer nullable": (at(NOTE, anyOf=[{"type": "string", "maxLength": 100}]), "body note", "null"),
    "request: shorter text": (at(NOTE, anyOf=[{"type": "string", "maxLength": 9}, {"type": "null"}]), "body note", "maxLength"),
    "request: other pattern": (at(f"{ASK}.properties.code", pattern="^[A-Z]{3}$"), "body code", "pattern"),
    "request: new format": (at(f"{ASK}.properties.code", format="uuid"), "body code", "format"),
    "request: fewer items": (at(f"{ASK}.properties.tags", maxItems=3), "body tags", "maxItems"),
    "request: other items": (at(f"{ASK}.properties.tags", items={"type": "integer"}), "body tags[]", "string"),
    "request: closed, and a property gone": (lambda d: (at(ASK, additionalProperties=False)(d), at(f"{ASK}.properties", tags=None)(d)), "body tags", "no such"),
    "request: another media type": (on_post(lambda p: p["requestBody"].update(content={"text/csv": {}})), "body", "application/json"),
    "parameter: new and required": (on_post(lambda p: p["parameters"].append({"name": "page", "in": "query", "required": True, "schema": {}})), "query parameter page", "required"),
    "parameter: optional becomes required": (on_post(lambda p: p["parameters"][0].update(required=True)), "query parameter limit", "leave it out"),
    "parameter: bounds narrowed": (on_post(lambda p: p["parameters"][0]["schema"].update(maximum=10)), "query parameter limit", "maximum"),
    "parameter: retyped": (on_post(lambda p: p["parameters"][1]["schema"].update(type="integer")), "header parameter X-Device", "string"),
    "path: parameter retyped": (lambda d: d["paths"]["/flights/{id}"]["parameters"][0]["schema"].update(type="integer"), "path parameter id", "string"),
    "answer: required property gone": (lambda d: (at(f"{ANSWER}.properties", kind=None)(d), at(ANSWER, required=["chance"])(d)), "answer 200 kind", "not there"),
    "answer: required becomes optional": (at(ANSWER, required=["chance"]), "answer 200 kind", "may be missing"),
    "answer: becomes nullable": (at(CHANCE, type=["number", "null"]), "answer 200 chance", "null"),
    "answer: retyped": (at(CHANCE, type="string"), "answer 200 chance", "string"),
    "answer: enum widened": (at(KIND, enum=["late", "on_time", "cancelled"]), "answer 200 kind", "'cancelled'"),
    "answer: enum becomes any text": (at(KIND, enum=None), "answer 200 kind", "any string"),
    "answer: bounds widened": (at(CHANCE, maximum=100), "answer 200 chance", "maximum"),
    "answer: deep within": (at("components.schemas.Row.properties", hour={"type": "string"}), "answer 200 rows[].hour", "string"),
    "answer: becomes a list": (on_post(lambda p: p["responses"]["200"]["content"]["application/json"].update(schema={"type": "array"})), "answer 200", "array"),
    "answer: another status": (on_post(lambda p: p["responses"].update({"201": p["responses"].pop("200")})), "answer 201", "does not know"),
    "answer: another media type": (on_post(lambda p: p["responses"]["200"].update(content={"text/html": {}})), "answer 200", "text/html"),
    "answer: nothing in it": (on_post(lambda p: p["responses"]["200"].pop("content")), "answer 200", "nothing"),
    "answer: error of another shape": (at("components.schemas.Problem", required=[]), "answer 422 error", "may be missing"),
    "security": (on_post(lambda p: p.update(security=[{"key": []}])), "security", "key"),
    "what can't be compared": (at(f"{ASK}.properties.code", **{"not": {"const": "XX"}}), "body code", "not"),
}  # fmt: skip
del BROKEN["request: number where integers went"]


USED = ["POST /flights/{id}"]


@pytest.mark.parametrize("name", FINE)
def test_changes_that_break_nobody(name: str) -> None:
    new = copy.deepcopy(api())
    FINE[name](new)
    assert [] == breaks(api(), new, USED)


@pytest.mark.parametrize("name", BROKEN)
def test_changes_that_break_the_app(name: str) -> None:
    change, place, reason = BROKEN[name]
    new = copy.deepcopy(api())
    change(new)
    found = breaks(api(), new, USED)
    assert any(one.place == place and reason in one.reason for one in found), found
    assert {"POST /flights/{id}"} == {one.operation for one in found}


def test_there_are_as_many_changes_as_promised() -> None:
    assert len(FINE) + len(BROKEN) >= 70


def test_an_operation_that_the_app_does_without_may_be_gone_but_not_changed() -> None:
    """A new endpoint is named optional, so that a rollback of the API does not break the app."""
    old = api()
    old["paths"].pop("/places")
    assert [] == breaks(api(), old, ["GET /places"], optional=["GET /places"])
    assert [Break("GET /places", "", "the operation is gone")] == breaks(api(), old, ["GET /places"])
    changed = api()
    changed["paths"]["/places"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] = {"type": "object"}
    assert breaks(api(), changed, ["GET /places"], optional=["GET /places"])


def test_what_the_bundle_s_own_document_lacks_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="its own document has no such operation"):
        breaks(api(), api(), ["GET /nowhere"])


def test_the_operations_of_a_document_are_listed() -> None:
    assert ["POST /flights/{id}", "GET /places"] == operations_of(api())
