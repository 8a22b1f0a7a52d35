"""The OpenAPI document, made from the features of the model in service."""

from __future__ import annotations

from typing import Any

from ml_model_service.model import Model
from ml_model_service.schema import LARGEST, Feature, Number

_ERROR = {
    "type": "object",
    "required": ["error", "request_id"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "details": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"path": {"type": "string"}, "found": {}, "allowed": {"type": "string"}},
                    },
                },
            },
        },
        "request_id": {"type": "string"},
    },
}
_REFUSALS = {
    "400": "The body is not JSON",
    "408": "The body did not arrive in time",
    "413": "The body is too large",
    "422": "A row does not fit the model's features",
    "503": "No model is loaded",
}


def document(model: Model | None, max_rows: int) -> dict[str, Any]:
    """OpenAPI 3.1. Without a model the rows are objects of unknown fields."""
    version = model.version if model else "none"
    predict = {"post": _predict(model)}
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Model service: {model.name if model else 'no model'}", "version": version},
        "paths": {
            "/predict": predict,
            "/ml/predict": predict,
            "/health": {"get": {"summary": "Liveness", "responses": {"200": {"description": "The process works"}}}},
            "/ready": {
                "get": {
                    "summary": "Readiness: the model version in service, and one that is wanted but not served",
                    "responses": {"200": {"description": "A model serves"}, "503": _refusal("No model is loaded")},
                }
            },
        },
        "components": {
            "schemas": {
                "Instance": _instance(model),
                "PredictRequest": {
                    "type": "object",
                    "required": ["instances"],
                    "additionalProperties": False,
                    "properties": {
                        "instances": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": max_rows,
                            "items": {"$ref": "#/components/schemas/Instance"},
                        }
                    },
                },
                "PredictResponse": {
                    "type": "object",
                    "required": ["model_version", "predictions"],
                    "properties": {
                        "model_version": {"type": "string", "examples": [version]},
                        "predictions": {
                            "type": "array",
                            "items": {"type": "number"},
                            "description": model.schema.output.description if model else "",
                        },
                    },
                },
                "Error": _ERROR,
            }
        },
    }


def _predict(model: Model | None) -> dict[str, Any]:
    body: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/PredictRequest"}}
    if model:
        body["example"] = {"instances": [model.golden[0].instance]}
    answer = {"application/json": {"schema": {"$ref": "#/components/schemas/PredictResponse"}}}
    return {
        "summary": "One prediction for each row, in order, all by the same model version",
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": {"description": "Predictions", "content": answer}}
        | {status: _refusal(why) for status, why in _REFUSALS.items()},
    }


def _refusal(why: str) -> dict[str, Any]:
    return {"description": why, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}


def _instance(model: Model | None) -> dict[str, Any]:
    if model is None:
        return {"type": "object"}
    features = model.schema.features
    return {
        "type": "object",
        "required": [feature.name for feature in features],
        "additionalProperties": False,
        "properties": {feature.name: _property(feature) for feature in features},
    }


def _property(feature: Feature) -> dict[str, Any]:
    """JSON Schema of a feature. A nullable category's values are examples, as others are taken too."""
    kind = "number" if isinstance(feature, Number) else "string"
    described: dict[str, Any] = {"type": [kind, "null"] if feature.nullable else kind}
    if feature.description:
        described["description"] = feature.description
    if isinstance(feature, Number):
        if feature.minimum != -LARGEST:
            described["minimum"] = feature.minimum
        if feature.maximum != LARGEST:
            described["maximum"] = feature.maximum
    else:
        described["examples" if feature.nullable else "enum"] = list(feature.values)
    return described
