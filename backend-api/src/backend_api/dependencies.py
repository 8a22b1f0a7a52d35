"""What the routes are given: parts of the application, and the parts of a request that they share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Body, Header, Request, Response
from pydantic import AfterValidator, BaseModel, BeforeValidator
from pydantic_core import PydanticKnownError, from_json

from backend_api.live import LiveFeatures
from backend_api.model_client.client import ModelClient
from backend_api.models.outcome import Outcome
from backend_api.models.prediction import Flight
from backend_api.outcomes import Outcomes
from backend_api.predictor import Predictor
from backend_api.storage.store import Store

_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


# Called by the routes: as FastAPI's dependencies each would cost a request as much CPU as reading its body.
def predictor_of(request: Request) -> Predictor:
    """Makes predictions."""
    predictor: Predictor = request.app.state.predictor
    return predictor


def store_of(request: Request) -> Store:
    """Has the predictions that were made."""
    store: Store = request.app.state.store
    return store


def outcomes_of(request: Request) -> Outcomes:
    """Takes what came true."""
    outcomes: Outcomes = request.app.state.outcomes
    return outcomes


def model_client_of(request: Request) -> ModelClient:
    """Asks the model."""
    model: ModelClient = request.app.state.model
    return model


def live_of(request: Request) -> LiveFeatures:
    """Reads the online feature store."""
    live: LiveFeatures = request.app.state.live
    return live


def as_json(model: BaseModel, headers: Mapping[str, str] | None = None) -> Response:
    """The answer as it is: FastAPI would validate once more what the route has just made."""
    return Response(model.__pydantic_serializer__.to_json(model), headers=headers, media_type="application/json")


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
