"""Makes a prediction: looks for an earlier one of the same request, asks the model, stores the answer."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from backend_api.config.settings import Settings
from backend_api.errors import ApiError
from backend_api.features import Reference
from backend_api.live import LiveFeatures
from backend_api.middleware import RequestContext
from backend_api.model_client.client import ModelClient
from backend_api.model_client.route import ModelRequest
from backend_api.models.outlook import HourOutlook, Outlook
from backend_api.models.prediction import Flight
from backend_api.storage.store import Row, Store

_NOT_WATCHED = "monitor=ignore"
"""Captured with the rows of an outlook, most of which nobody flies: monitors pass over them by it."""


@dataclass(frozen=True)
class Predictor:
    """Shared by all requests."""

    settings: Settings
    reference: Reference
    model: ModelClient
    store: Store
    live: LiveFeatures

    async def predict(self, flight: Flight, key: str | None, context: RequestContext) -> tuple[Row, bool]:
        """The stored answer, and whether it is the earlier one for the same idempotency key and flight."""
        digest = None
        if key is not None:
            digest = hashlib.sha256(flight.model_dump_json(exclude_none=True).encode()).hexdigest()
            earlier = await self.store.find_by_key(key)
            if earlier is not None:
                return _same_request(earlier, digest), True
        known = self.live.of(flight.origin).at(flight.departure)
        features = self.reference.features(flight, known)
        id = _new_id()
        scored = await self.model.score(ModelRequest([features], inference_id=id), context)
        (probability,) = scored.probabilities
        row = {
            "id": id,
            "request_id": context.request_id,
            "idempotency_key": key,
            "request_digest": digest,
            "created_at": datetime.now(UTC),
            "origin": flight.origin,
            "destination": flight.destination,
            "carrier": flight.carrier,
            "departure": flight.departure,
            "features": features,
            "probability": probability,
            "late": probability >= self.settings.late_threshold,
            "threshold": self.settings.late_threshold,
            "model_version": scored.model_version,
            "basis": known.basis,
            "device": None if context.device_id is None else device_digest(context.device_id),
        }
        self.live.count(known)
        stored = _same_request(await self.store.add(row), digest)
        return stored, stored["id"] != id

    async def outlook(self, flight: Flight, context: RequestContext) -> Outlook:
        """The flight at each hour of its day, by one call of the model; nothing is stored, so nothing gets a label."""
        day = self.reference.day(flight)
        live = self.live.of(flight.origin)
        rows = [self.reference.features(each, live.at(each.departure)) for each in day]
        scored = await self.model.score(ModelRequest(rows, custom_attributes=_NOT_WATCHED), context)
        hours = [
            HourOutlook(departure=each.departure, probability=probability)
            for each, probability in zip(day, scored.probabilities, strict=True)
        ]
        return Outlook(model_version=scored.model_version, hours=hours)


def device_digest(device_id: str) -> str:
    """What is kept of a device: enough to know it again."""
    return hashlib.sha256(device_id.encode()).hexdigest()


def _new_id() -> str:
    """A UUID of version 7: ids grow with time, so that the rows of a batch share index pages."""
    milliseconds = time.time_ns() // 1_000_000
    random_bits = secrets.randbits(74)
    number = milliseconds << 80 | 7 << 76 | (random_bits >> 62) << 64 | 2 << 62 | random_bits & (1 << 62) - 1
    return str(uuid.UUID(int=number))


def _same_request(row: Row, digest: str | None) -> Row:
    if digest is not None and row["request_digest"] != digest:
        raise ApiError(
            422,
            "idempotency_key_reused",
            "this Idempotency-Key was used for another request body; a new request needs a new key",
        )
    return row
