"""Predictions: made, stored, then answered; and found again."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from backend_api.dependencies import TRACE_HEADERS, FlightBody, IdempotencyKey, as_json, predictor_of, store_of
from backend_api.errors import ApiError, problem
from backend_api.middleware import context_of
from backend_api.models.prediction import Prediction

router = APIRouter(
    prefix="/api",
    responses={
        422: problem("The content is wrong, or the Idempotency-Key belongs to another body"),
        503: problem("The model or the database is unreachable: see Retry-After"),
    },
)


@router.post(
    "/predict",
    response_model=Prediction,
    response_description="The stored answer",
    responses={
        400: problem("The body is not JSON"),
        408: problem("The body arrived too slowly"),
        413: problem("The body is too large"),
        502: problem("The model's answer was not usable"),
    },
    openapi_extra=TRACE_HEADERS,
)
async def predict(flight: FlightBody, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Will this flight arrive more than 15 minutes late?"""
    context = context_of(request)
    row, replayed = await predictor_of(request).predict(flight, idempotency_key, context)
    context.notes.update(prediction_id=row["id"], model_version=row["model_version"])
    return as_json(Prediction.model_validate(row), {"idempotent-replayed": "true"} if replayed else None)


@router.get(
    "/predictions/{id}", response_description="The stored answer", responses={404: problem("No such prediction")}
)
async def prediction(id: str, request: Request) -> Prediction:
    """An earlier answer."""
    row = await store_of(request).find(id)
    if row is None:
        raise ApiError(404, "not_found", f"no prediction {id[:64]!r}; the id is the `id` of an earlier answer")
    return Prediction.model_validate(row)
