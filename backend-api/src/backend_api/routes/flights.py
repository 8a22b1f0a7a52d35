"""What can be asked about, and a flight's whole day."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from backend_api.dependencies import TRACE_HEADERS, predictor_of
from backend_api.errors import problem
from backend_api.middleware import context_of
from backend_api.models.outlook import Outlook
from backend_api.models.places import Places
from backend_api.models.prediction import Flight, ScheduledFlight

_KEPT = "public, max-age=3600"

router = APIRouter(prefix="/api")


@router.get(
    "/places",
    response_model=Places,
    responses={
        304: {"description": "As the client has them: If-None-Match named their ETag"},
        422: problem("A header is malformed"),
    },
)
async def places(request: Request, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """Airports and airlines that can be asked about, by name. They change with a release: ask with If-None-Match."""
    body = predictor_of(request).reference.places.model_dump_json().encode()
    headers = {"etag": f'"{hashlib.sha256(body).hexdigest()[:32]}"', "cache-control": _KEPT}
    if if_none_match is not None and _names(if_none_match, headers["etag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def _names(if_none_match: str, etag: str) -> bool:
    # Compression on the way makes a tag weak, which still names the same content.
    return any(tag.strip().removeprefix("W/") in (etag, "*") for tag in if_none_match.split(","))


@router.get(
    "/outlook",
    response_description="The flight's day; nothing is stored",
    responses={
        422: problem("The query is wrong, or names what is not known"),
        502: problem("The model's answer was not usable"),
        503: problem("The model is unreachable: see Retry-After"),
    },
    openapi_extra=TRACE_HEADERS,
)
async def outlook(flight: Annotated[ScheduledFlight, Query()], request: Request) -> Outlook:
    """The same flight at each hour of its day: which departure is safer?"""
    return await predictor_of(request).outlook(Flight(**flight.model_dump()), context_of(request))
