"""Predictions: made, stored, then answered; and found again."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from backend_api.config.settings import Settings
from backend_api.errors import ApiError, Detail, from_validation, invalid
from backend_api.features import Reference
from backend_api.model_client.client import ModelClient
from backend_api.models.prediction import Flight, Prediction
from backend_api.request_context import RequestContext, context_of
from backend_api.storage.store import Row, Store

_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)


@dataclass(frozen=True)
class Predictor:
    """What the endpoints share."""

    settings: Settings
    reference: Reference
    model: ModelClient
    store: Store

    async def predict(self, flight: Flight, key: str | None, context: RequestContext) -> tuple[Row, bool]:
        """The stored answer, and whether it is the earlier one for the same idempotency key and flight."""
        digest = None
        if key is not None:
            digest = hashlib.sha256(flight.model_dump_json(exclude_none=True).encode()).hexdigest()
            earlier = await self.store.find_by_key(key)
            if earlier is not None:
                return _same_request(earlier, digest), True
        features = self.reference.features(flight)
        scored = await self.model.score(features, context)
        row = {
            "id": _new_id(),
            "request_id": context.request_id,
            "idempotency_key": key,
            "request_digest": digest,
            "created_at": datetime.now(UTC),
            "origin": flight.origin,
            "destination": flight.destination,
            "carrier": flight.carrier,
            "departure": flight.departure,
            "features": features,
            "probability": scored.probability,
            "late": scored.probability >= self.settings.late_threshold,
            "threshold": self.settings.late_threshold,
            "model_version": scored.model_version,
        }
        stored = _same_request(await self.store.add(row), digest)
        return stored, stored["id"] != row["id"]


async def predict(request: Request) -> Response:
    """`POST /api/predict`."""
    predictor: Predictor = request.app.state.predictor
    context = context_of(request)
    key = _idempotency_key(request)
    body = await _whole_body(request, predictor.settings.body_timeout)
    try:
        flight = Flight.model_validate_json(body)
    except ValidationError as error:
        raise from_validation(error) from error
    row, replayed = await predictor.predict(flight, key, context)
    context.notes.update(prediction_id=row["id"], model_version=row["model_version"])
    answer = _answer(row)
    if replayed:
        answer.headers["idempotent-replayed"] = "true"
    return answer


async def prediction(request: Request) -> Response:
    """`GET /api/predictions/{id}`."""
    store: Store = request.app.state.store
    wanted = request.path_params["id"]
    row = await store.find(wanted)
    if row is None:
        raise ApiError(404, "not_found", f"no prediction {wanted[:64]!r}; the id is the `id` of an earlier answer")
    return _answer(row)


def _new_id() -> str:
    """A UUID of version 7: ids grow with time, so that the rows of a batch share index pages."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = secrets.randbits(74)
    number = milliseconds << 80 | 7 << 76 | (random_bits >> 62) << 64 | 2 << 62 | random_bits & (1 << 62) - 1
    return str(uuid.UUID(int=number))


def _answer(row: Row) -> Response:
    body = Prediction.model_validate(row).model_dump_json().encode()
    return Response(body, media_type="application/json")


def _same_request(row: Row, digest: str | None) -> Row:
    if digest is not None and row["request_digest"] != digest:
        raise ApiError(
            422,
            "idempotency_key_reused",
            "this Idempotency-Key was used for another request body; a new request needs a new key",
        )
    return row


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise invalid([Detail(path="Idempotency-Key", found=key[:64], allowed="1 to 255 printable ASCII characters")])
    return key


async def _whole_body(request: Request, timeout: float) -> bytes:
    try:
        async with asyncio.timeout(timeout):
            return await request.body()
    except TimeoutError as error:
        headers = {"connection": "close"}
        raise ApiError(
            408, "body_too_slow", f"the body did not arrive within {timeout:g} s", headers=headers
        ) from error
