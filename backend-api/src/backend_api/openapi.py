"""The OpenAPI document, made from the same models that validate requests and write answers."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from backend_api.errors import Problem
from backend_api.models.prediction import Flight, Prediction

_TEMPLATE = "#/components/schemas/{model}"
_MODELS: list[tuple[type[BaseModel], JsonSchemaMode]] = [
    (Flight, "validation"),
    (Prediction, "serialization"),
    (Problem, "serialization"),
]


def document() -> dict[str, Any]:
    """OpenAPI 3.1 of every public endpoint."""
    _, schemas = models_json_schema(_MODELS, ref_template=_TEMPLATE)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ontime backend", "version": "1", "description": "Will my flight be late?"},
        "paths": {
            "/health": {"get": _health("health")},
            "/api/health": {"get": _health("api_health")},
            "/ready": {"get": _ready()},
            "/model-routes": {"get": _model_routes()},
            "/api/predict": {"post": _predict()},
            "/api/predictions/{id}": {"get": _prediction()},
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _health(operation: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": "Liveness: 200 while the process works",
        "responses": {"200": _content("Alive", {"type": "object"})},
    }


def _ready() -> dict[str, Any]:
    state = {"type": "object"}
    return {
        "operationId": "ready",
        "summary": "Readiness: 200 once the database answers; tells how the routes to the model are",
        "responses": {"200": _content("Ready", state), "503": _content("Not ready", state)},
    }


def _model_routes() -> dict[str, Any]:
    return {
        "operationId": "model_routes",
        "summary": "What each route to the model was asked, how it did and whether it is left alone; not public",
        "description": "With two routes each has a `breaker` (closed, open, half_open), and comparing them its counts.",
        "responses": {"200": _content("Figures of this task since its start", {"type": "object"})},
    }


def _predict() -> dict[str, Any]:
    return {
        "operationId": "predict",
        "summary": "Will this flight arrive more than 15 minutes late?",
        "parameters": [
            _header("Idempotency-Key", "the same key and flight return the stored answer instead of a new one", 255),
            _header("x-request-id", "echoed, logged and passed on; made when absent", 128),
            _header("traceparent", "W3C trace context, passed on", 55),
            _header("x-device-id", "whoever sends the same one gets the same model and route; passed on", 128),
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Flight")}}},
        "responses": {
            "200": _content("The stored answer", _ref("Prediction")),
            "400": _problem("The body is not JSON"),
            "408": _problem("The body arrived too slowly"),
            "413": _problem("The body is too large"),
            "422": _problem("The content is wrong, or the Idempotency-Key belongs to another body"),
            "502": _problem("The model's answer was not usable"),
            "503": _problem("The model or the database is away: see Retry-After"),
        },
    }


def _prediction() -> dict[str, Any]:
    identifier = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "operationId": "prediction",
        "summary": "An earlier answer",
        "parameters": [identifier],
        "responses": {
            "200": _content("The stored answer", _ref("Prediction")),
            "404": _problem("No such prediction"),
            "503": _problem("The database is away: see Retry-After"),
        },
    }


def _header(name: str, description: str, longest: int) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", "maxLength": longest},
    }


def _problem(description: str) -> dict[str, Any]:
    return _content(description, _ref("Problem"))


def _content(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(model: str) -> dict[str, Any]:
    return {"$ref": _TEMPLATE.format(model=model)}
