"""The OpenAPI document, made from the features of the model in service."""

from __future__ import annotations

from typing import Any

from ml_model_service.metadata import LARGEST, Feature, Number, WholeNumber
from ml_model_service.versions.model import Model

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
_NO_MODEL = "No model is loaded"
_REFUSALS = {
    "400": "The body is not of its content type's format, or names a variant that there is not",
    "406": "No content type of the answer is acceptable",
    "408": "The body did not arrive in time",
    "413": "The body is too large",
    "415": "The body's content type is not one of these",
    "422": "A row does not fit the model's features",
    "503": _NO_MODEL,
}
_BUCKETS = {
    "type": "array",
    "description": "[lower, upper, count], ascending",
    "items": {"type": "array", "minItems": 3, "maxItems": 3, "items": {"type": "number"}},
}
_SKETCH = {
    "type": "object",
    "required": ["count", "sum", "buckets"],
    "properties": {"count": {"type": "integer"}, "sum": {"type": "number"}, "buckets": _BUCKETS},
}
_VARIANTS = {
    "type": "object",
    "required": ["epoch", "since", "variants", "shadow"],
    "properties": {
        "epoch": {"type": "string"},
        "since": {"type": "number"},
        "variants": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "version", "percent", "requests", "errors", "rows", "latency", "predictions"],
                "properties": {
                    "name": {"type": "string"},
                    "version": {"type": "string"},
                    "percent": {"type": "number"},
                    "requests": {"type": "integer"},
                    "errors": {"type": "integer"},
                    "rows": {"type": "integer"},
                    "latency": {"$ref": "#/components/schemas/Sketch"},
                    "predictions": {"$ref": "#/components/schemas/Sketch"},
                },
            },
        },
        "shadow": {"type": ["object", "null"]},
    },
}
_READY = {
    "type": "object",
    "required": ["status", "model_version", "model_digest", "schema_digest"],
    "properties": {
        "status": {"const": "ready"},
        "model_version": {"type": "string"},
        "model_digest": {"type": "string"},
        "schema_digest": {"type": "string"},
        "split": {"type": "object", "additionalProperties": {"type": "number"}},
        "shadow": {"type": "string"},
        "pending": {"type": "object"},
    },
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
            "/invocations": predict,
            "/health": _read("Liveness", {"type": "object"}, refused=False),
            "/ping": _read("Liveness as SageMaker asks for it: a model is loaded", {"type": "object"}),
            "/ready": _read("Readiness: the model version in service, and one that is wanted but not served", _READY),
            "/variants": _read("What each version that answers has done", _VARIANTS),
            "/metrics": _read("Figures for Prometheus", {"type": "string"}, "text/plain", refused=False),
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
                "Sketch": _SKETCH,
                "Error": _ERROR,
            }
        },
    }


def _predict(model: Model | None) -> dict[str, Any]:
    body: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/PredictRequest"}}
    if model:
        body["example"] = {"instances": [model.golden[0].instance]}
    rows = {
        "application/json": body,
        "application/jsonlines": {
            "schema": {"type": "string", "description": "A row a line: an object as in `instances`, or an array"}
        },
        "text/csv": {"schema": {"type": "string", "description": "A row a line, in the order of the features"}},
        "application/x-npy": {
            "schema": {"type": "string", "format": "binary", "description": "float or integer [rows, features]"}
        },
    }
    answer = {
        "application/json": {"schema": {"$ref": "#/components/schemas/PredictResponse"}},
        "application/jsonlines": {
            "schema": {"type": "string", "description": 'A line for each row: `{"prediction": 0.31}`'}
        },
        "text/csv": {"schema": {"type": "string", "description": "A prediction a line"}},
        "application/x-npy": {"schema": {"type": "string", "format": "binary", "description": "float64 [rows]"}},
    }
    return {
        "summary": "One prediction for each row, in order, all by the same model version",
        "requestBody": {"required": True, "content": rows},
        "responses": {"200": {"description": "Predictions", "content": answer}}
        | {status: _refusal(why) for status, why in _REFUSALS.items()},
    }


def _read(
    summary: str, schema: dict[str, Any], content_type: str = "application/json", refused: bool = True
) -> dict[str, Any]:
    answers = {"200": {"description": summary, "content": {content_type: {"schema": schema}}}}
    if refused:
        answers["503"] = _refusal(_NO_MODEL)
    return {"get": {"summary": summary, "responses": answers}}


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
    kind = "integer" if isinstance(feature, WholeNumber) else "number" if isinstance(feature, Number) else "string"
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
