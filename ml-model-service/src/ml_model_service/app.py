"""The ASGI application: request ids, limits, dispatch, one log line a request."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from ml_model_service.decode import decode
from ml_model_service.errors import MISSING, Problem, shown
from ml_model_service.logs import Log
from ml_model_service.openapi import document
from ml_model_service.page import page
from ml_model_service.reload import Served
from ml_model_service.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

log = logging.getLogger(__name__)
REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
PREDICT = ("/predict", "/ml/predict")
# larger bodies take milliseconds, which a probe should not wait for
IN_THREAD = 64 * 1024
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `model_version` is for the log."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    model_version: str | None = None


class Disconnected(Exception):
    """The client went away before its request was whole."""


class App:
    """Answers `/predict`, `/ml/predict`, `/health`, `/ready`, `/openapi.json` and `/docs`."""

    def __init__(self, settings: Settings, served: Served, requests: Log) -> None:
        self._settings, self._served, self._log = settings, served, requests
        self._reads: dict[str, Callable[[], Answer]] = {
            "/health": lambda: Answer(200, b'{"status":"ok"}'),
            "/ready": self._ready,
            "/openapi.json": lambda: Answer(200, _encode(document(served.model, settings.max_rows))),
            "/docs": lambda: Answer(200, page(served.model), b"text/html; charset=utf-8"),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; other protocols are not spoken."""
        if scope["type"] != "http":
            return
        started = time.perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16).encode()
        try:
            answer = await self._answer(scope, headers, receive)
        except Disconnected:
            answer = None
        except Problem as problem:
            answer = failure(problem, request_id)
        except Exception:
            log.exception("request %s failed", request_id.decode())
            answer = failure(Problem(500, "internal_error", "the service failed; its log has the reason"), request_id)
        if answer is not None:
            await _send(send, answer, request_id)
        self._log.write(
            "info" if answer is None or answer.status < 500 else "error",
            "request",
            method=scope["method"],
            path=scope["path"],
            status=499 if answer is None else answer.status,
            ms=round((time.perf_counter() - started) * 1000, 3),
            request_id=request_id.decode(),
            model_version=answer and answer.model_version,
        )

    async def _answer(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path in PREDICT:
            if method != "POST":
                raise _not_allowed(method, "POST")
            return await self._predict(headers, receive)
        read = self._reads.get(path)
        if read is None:
            paths = ", ".join((*PREDICT, *self._reads))
            raise Problem(404, "not_found", f"no such path: {path}; there are {paths}")
        if method not in ("GET", "HEAD"):
            raise _not_allowed(method, "GET, HEAD")
        return read()

    async def _predict(self, headers: dict[bytes, bytes], receive: Receive) -> Answer:
        limit = self._settings.max_body
        try:
            async with asyncio.timeout(self._settings.body_timeout):
                body = await read_body(headers, receive, limit)
        except TimeoutError:
            message = f"the body did not arrive within {self._settings.body_timeout:g} s"
            raise Problem(408, "request_timeout", message, headers=_CLOSE) from None
        if len(body) > IN_THREAD:
            return await asyncio.to_thread(self._predictions, body)
        return self._predictions(body)

    def _predictions(self, body: bytes | bytearray) -> Answer:
        model = self._served.model
        if model is None:
            raise self._no_model()
        predictions = model.predict(decode(body, self._settings.max_rows))
        content = _encode({"model_version": model.version, "predictions": predictions})
        return Answer(200, content, model_version=model.version)

    def _ready(self) -> Answer:
        model, pending = self._served.model, self._served.pending
        if model is None:
            raise self._no_model()
        content: dict[str, Any] = {
            "status": "ready",
            "model_version": model.version,
            "model_digest": model.digest,
            "schema_digest": model.schema_digest,
        }
        if pending is not None:
            content["pending"] = asdict(pending)
        return Answer(200, _encode(content))

    def _no_model(self) -> Problem:
        pending = self._served.pending
        why = (pending and pending.error) or "one is being loaded"
        return Problem(503, "no_model", f"no model is loaded: {why}")


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes | bytearray:
    """The request's body. Raises Problem 413 as soon as it is too large, Disconnected when the client leaves."""
    declared = headers.get(b"content-length", b"")
    if declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    body: bytes | bytearray = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk: bytes = message.get("body", b"")
        if len(body) + len(chunk) > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return body + chunk if body else chunk
        body = bytearray(body) if isinstance(body, bytes) else body
        body += chunk


def failure(problem: Problem, request_id: bytes) -> Answer:
    """The answer that a problem becomes."""
    error: dict[str, Any] = {"code": problem.code, "message": problem.message}
    if problem.details:
        error["details"] = [
            {"path": d.path, **({} if d.found is MISSING else {"found": _short(d.found)}), "allowed": d.allowed}
            for d in problem.details
        ]
    content = {"error": error, "request_id": request_id.decode()}
    return Answer(problem.status, _encode(content), headers=problem.headers)


def _short(found: Any) -> Any:
    """Numbers and short strings as they are, anything else as one short line."""
    if isinstance(found, bool | float) or found is None or (isinstance(found, int) and abs(found) < 1 << 53):
        return found
    return found if isinstance(found, str) and len(found) <= 80 else shown(found)


async def _send(send: Send, answer: Answer, request_id: bytes) -> None:
    headers: Iterable[tuple[bytes, bytes]] = (
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-request-id", request_id),
        *answer.headers,
    )
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


# what is left of the body is not read, so the connection cannot carry another request
_CLOSE = ((b"connection", b"close"),)


def _too_large(limit: int) -> Problem:
    return Problem(413, "body_too_large", f"the body is larger than {limit} bytes, the most allowed", headers=_CLOSE)


def _not_allowed(method: str, allowed: str) -> Problem:
    headers = ((b"allow", allowed.encode()),)
    return Problem(405, "method_not_allowed", f"found {method}, allowed: {allowed}", headers=headers)
