"""What came true of a prediction."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from backend_api.dependencies import TRACE_HEADERS, OutcomeBody, as_json, outcomes_of
from backend_api.errors import problem
from backend_api.middleware import context_of
from backend_api.models.outcome import KeptOutcome

router = APIRouter(prefix="/api")
Authorization = Annotated[str | None, Header(description="`Bearer` and the token of a source that may correct")]


@router.post(
    "/predictions/{id}/outcome",
    response_model=KeptOutcome,
    response_description="What is kept; the same outcome may be sent again",
    responses={
        400: problem("The body is not JSON"),
        401: problem("The token is no source's"),
        403: problem("Another device asked for the prediction"),
        404: problem("No such prediction"),
        408: problem("The body arrived too slowly"),
        409: problem("Something else was said before, or the flight has not left yet"),
        413: problem("The body is too large"),
        422: problem("The content is wrong"),
        503: problem("The database is unreachable: see Retry-After"),
    },
    openapi_extra=TRACE_HEADERS,
)
async def outcome(id: str, outcome: OutcomeBody, request: Request, authorization: Authorization = None) -> Response:
    """Was it late? Taken once, from the device that asked; it becomes the prediction's label."""
    context, outcomes = context_of(request), outcomes_of(request)
    teller = outcomes.teller(authorization, context.device_id)
    kept = await outcomes.tell(id, outcome.late, teller)
    context.notes.update(prediction_id=id, source=teller.source)
    return as_json(KeptOutcome(prediction_id=id, late=kept.late, source=kept.source))
