"""What the routes are given: parts of the application, and the parts of a request that they share."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Body, Depends, Header, Request
from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticKnownError, from_json

from backend_api.model_client.client import ModelClient
from backend_api.models.outcome import Outcome
from backend_api.models.prediction import Flight
from backend_api.outcomes import Outcomes
from backend_api.predictor import Predictor
from backend_api.storage.store import Store

_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


# `async`, though none waits: FastAPI calls plain functions in a thread.
async def _predictor(request: Request) -> Predictor:
    predictor: Predictor = request.app.state.predictor
    return predictor


async def _store(request: Request) -> Store:
    store: Store = request.app.state.store
    return store


async def _outcomes(request: Request) -> Outcomes:
    outcomes: Outcomes = request.app.state.outcomes
    return outcomes


async def _model_client(request: Request) -> ModelClient:
    model: ModelClient = request.app.state.model
    return model


PredictorDep = Annotated[Predictor, Depends(_predictor)]
StoreDep = Annotated[Store, Depends(_store)]
OutcomesDep = Annotated[Outcomes, Depends(_outcomes)]
ModelClientDep = Annotated[ModelClient, Depends(_model_client)]


def _read_as_json(body: object) -> object:
    """FastAPI leaves the bytes of a body whose content type is not JSON's, as `curl -d` sends it. Here all are JSON."""
    if not isinstance(body, bytes):
        return body
    try:
        return from_json(body)
    except ValueError as error:
        raise PydanticKnownError("json_invalid", {"error": str(error)}) from error


def _checked_key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError("1 to 255 printable ASCII characters")
    return key


FlightBody = Annotated[Flight, Body(), BeforeValidator(_read_as_json)]
OutcomeBody = Annotated[Outcome, Body(), BeforeValidator(_read_as_json)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="the same key and flight return the stored answer instead of a new one",
        json_schema_extra={"maxLength": 255},
    ),
    AfterValidator(_checked_key),
]


def _header(name: str, description: str, longest: int) -> dict[str, Any]:
    schema = {"type": "string", "maxLength": longest}
    return {"name": name, "in": "header", "required": False, "description": description, "schema": schema}


TRACE_HEADERS = {
    "parameters": [
        _header("x-request-id", "echoed, logged and passed on; made when absent", 128),
        _header("traceparent", "W3C trace context, passed on", 55),
        _header("x-device-id", "whoever sends the same one gets the same model and route; passed on", 128),
    ]
}
"""For the documentation: the middleware reads them, and takes none that is malformed."""
