"""What all endpoints share: a body that is bounded, and how faults are answered."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from app_updates.messages import WrongMessage
from app_updates.store import StoreAway
from app_updates.telemetry import WrongTelemetry

LARGEST_BODY = 512 * 1024
_BODY_PATIENCE = 10.0


class Fault(Exception):
    """What is answered instead: a status, the updater's word for it, a sentence, and when to come again."""

    def __init__(self, status: int, error: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.error, self.message, self.retry_after = status, error, message, retry_after

    @property
    def response(self) -> Response:
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        body = {"kind": "failed", "error": self.error, "message": self.message}
        return JSONResponse(body, self.status, headers)


async def read_body(request: Request) -> bytes:
    """Bounded in size and time. Raises Fault."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(_BODY_PATIENCE):
            async for part in request.stream():
                size += len(part)
                if size > LARGEST_BODY:
                    raise Fault(413, "body_too_large", f"the body is larger than {LARGEST_BODY} bytes")
                parts.append(part)
    except TimeoutError as error:
        raise Fault(408, "body_too_slow", f"the body did not arrive within {_BODY_PATIENCE:g} s") from error
    except ClientDisconnect as error:
        raise Fault(400, "client_left", "the client left before its request was complete") from error
    return b"".join(parts)


def _fault(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Fault)
    return error.response


def _wrong_body(_request: Request, error: Exception) -> Response:
    return Fault(400, "wrong_body", str(error)).response


def _store_away(_request: Request, _error: Exception) -> Response:
    return Fault(503, "storage_unavailable", "the database did not answer; try again", 5).response


ANSWERS = {Fault: _fault, WrongMessage: _wrong_body, WrongTelemetry: _wrong_body, StoreAway: _store_away}
"""What is answered where an endpoint raises."""
