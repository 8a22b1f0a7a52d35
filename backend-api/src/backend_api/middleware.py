"""Around every request: its id, its body's limits, its log line, and an answer whatever happens inside.

Plain ASGI: Starlette's BaseHTTPMiddleware would cost each request a task and two streams more.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
import traceback
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend_api.config.settings import Settings
from backend_api.errors import ApiError
from backend_api.logs import Logger

_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}", re.ASCII)
_SANE_DEVICE = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_PROBES = frozenset({"/health", "/api/health", "/ready"})


@dataclass(slots=True)
class RequestContext:
    """Who asked: the id that they or we gave, the trace that it belongs to, the device. `notes` end in the log line."""

    request_id: str
    traceparent: str | None
    device_id: str | None = None
    notes: dict[str, object] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """What a call to another service carries on."""
        headers = {"x-request-id": self.request_id}
        if self.traceparent is not None:
            headers["traceparent"] = self.traceparent
        if self.device_id is not None:
            headers["x-device-id"] = self.device_id
        return headers


def context_of(connection: HTTPConnection) -> RequestContext:
    """The context that the middleware made for this request."""
    context: RequestContext = connection.state.context
    return context


class RequestContextMiddleware:
    """Outermost but for CORS, so that errors too carry the request id and are logged.

    Successful probes are not logged: they come every second and say nothing.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings, log: Logger) -> None:
        self._app = app
        self._settings = settings
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        context, length = _read_headers(scope)
        scope.setdefault("state", {})["context"] = context
        request_id = context.request_id.encode()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            await send(message)

        # FastAPI's routes know GET alone. HEAD is the same without the body, which the server leaves out.
        inner = {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
        try:
            if length > self._settings.body_limit:
                raise _too_large(self._settings.body_limit)
            await self._app(inner, _BoundedBody(receive, self._settings), send_with_id)
        except ApiError as error:
            await error.response(context.request_id)(scope, receive, send_with_id)
        except Exception:
            context.notes["traceback"] = traceback.format_exc(limit=-30)
            if status:
                raise
            fault = ApiError(500, "internal_error", "something went wrong on our side; the request id finds it")
            await fault.response(context.request_id)(scope, receive, send_with_id)
        finally:
            if status != 200 or scope["path"] not in _PROBES:
                self._log_request(scope, context, status, started)

    def _log_request(self, scope: Scope, context: RequestContext, status: int, started: float) -> None:
        if context.traceparent is not None:
            context.notes["traceparent"] = context.traceparent
        log = self._log.error if status >= 500 or not status else self._log.info
        log(
            "request",
            request_id=context.request_id,
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round((time.perf_counter() - started) * 1000, 2),
            **context.notes,
        )


class _BoundedBody:
    """Receives a request's body. Raises ApiError when it is too large, too slow, or given up by the client."""

    def __init__(self, receive: Receive, settings: Settings) -> None:
        self._receive = receive
        self._limit = settings.body_limit
        self._timeout = settings.body_timeout
        self._deadline: float | None = None
        self._received = 0
        self._complete = False

    async def __call__(self) -> Message:
        if self._complete:
            return await self._receive()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._timeout
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            said = f"the body did not arrive within {self._timeout:g} s"
            raise ApiError(408, "body_too_slow", said, headers={"connection": "close"}) from error
        if message["type"] == "http.disconnect":
            raise ApiError(499, "client_left", "the client left before its request was complete")
        self._received += len(message.get("body", b""))
        if self._received > self._limit:
            raise _too_large(self._limit)
        self._complete = not message.get("more_body", False)
        return message


def _too_large(limit: int) -> ApiError:
    # The rest of the body would have to be read to keep the connection.
    headers = {"connection": "close"}
    return ApiError(413, "body_too_large", f"the body is larger than {limit} bytes", headers=headers)


def _read_headers(scope: Scope) -> tuple[RequestContext, int]:
    """The request's context and the length that it announces (0 for chunked bodies)."""
    request_id = traceparent = device_id = None
    length = 0
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = value.decode("latin-1")
            request_id = text if _SANE_ID.fullmatch(text) else None
        elif name == b"traceparent":
            text = value.decode("latin-1")
            traceparent = text if _TRACEPARENT.fullmatch(text) else None
        elif name == b"x-device-id":
            text = value.decode("latin-1")
            device_id = text if _SANE_DEVICE.fullmatch(text) else None
        elif name == b"content-length" and value.isdigit():
            length = int(value)
    return RequestContext(request_id or f"{random.getrandbits(128):032x}", traceparent, device_id), length
