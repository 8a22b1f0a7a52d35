"""Takes what came true of a prediction: once, from the device that asked for it, or from a source that may correct."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import SQLAlchemyError

from backend_api.errors import ApiError
from backend_api.labels.writer import LabelWriter
from backend_api.predictor import device_digest
from backend_api.storage.outcomes import Asked, OutcomeStore, Told

DEVICE = "device"
"""The source of what devices say."""
_BEHIND_UTC = timedelta(hours=4)
"""New York's clocks, in summer. In winter they are an hour further behind: so much too early a word is taken."""


@dataclass(frozen=True)
class Teller:
    """Who says it: a device, or a source that its token names."""

    source: str
    device_id: str | None = None

    @property
    def is_trusted(self) -> bool:
        """Whether it may speak for every prediction, and correct."""
        return self.source != DEVICE


@dataclass(frozen=True)
class Outcomes:
    """Shared by all requests. `writer`: None where labels have no bucket to go to; they wait in the database."""

    store: OutcomeStore
    writer: LabelWriter | None
    tokens: Mapping[str, str]

    def teller(self, authorization: str | None, device_id: str | None) -> Teller:
        """Who sent these headers; a 401 ApiError for a token that is nobody's."""
        if authorization is None:
            return Teller(DEVICE, device_id)
        scheme, _, token = authorization.partition(" ")
        # Compared with all of them, so that the time says nothing.
        given = token.strip().encode(errors="replace")
        found = [source for source, known in self.tokens.items() if hmac.compare_digest(known.encode(), given)]
        if scheme.lower() != "bearer" or not found:
            message = "the token is no source's: send one of OUTCOME_SOURCES as `Authorization: Bearer …`, or none"
            raise ApiError(401, "unknown_token", message, headers={"www-authenticate": "Bearer"})
        return Teller(found[0])

    async def tell(self, prediction_id: str, late: bool, teller: Teller) -> Told:
        """What is kept, committed. ApiError 404, 403, 409 when it can't be `late`, 503 when the database is away."""
        now = datetime.now(UTC)

        def check(asked: Asked | None) -> None:
            if asked is None:
                raise ApiError(404, "not_found", f"no prediction {prediction_id[:64]!r}; the id is the answer's `id`")
            _check_teller(asked, teller)
            _check_departed(asked, now)

        told = Told(prediction_id, late, teller.source, now)
        try:
            kept = await self.store.keep(told, teller.is_trusted, check)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            message = f"the database did not confirm ({type(error).__name__}); the same outcome may be sent again"
            raise ApiError(503, "storage_unavailable", message, headers={"retry-after": "1"}) from error
        if kept.late != late:
            said = "late" if kept.late else "not late"
            message = f"{kept.source} said {said} before, which only a source with a token corrects"
            raise ApiError(409, "outcome_already_told", message)
        if self.writer is not None:
            self.writer.notify()
        return kept


def _check_teller(asked: Asked, teller: Teller) -> None:
    if teller.is_trusted:
        return
    if asked.device is None:
        raise ApiError(403, "another_device", "no device asked for this prediction: it had no usable x-device-id")
    if teller.device_id is None or device_digest(teller.device_id) != asked.device:
        message = "another device asked for this prediction: the outcome is taken with the x-device-id of its request"
        raise ApiError(403, "another_device", message)


def _check_departed(asked: Asked, now: datetime) -> None:
    if now < asked.departure.replace(tzinfo=UTC) + _BEHIND_UTC:
        message = f"the flight leaves at {asked.departure:%Y-%m-%dT%H:%M}, local time: nobody knows its outcome yet"
        raise ApiError(409, "not_departed", message)
