"""The service's answers: request ids, dispatch, predictions, one log line a request."""

from __future__ import annotations

import itertools
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from math import isfinite
from typing import Any

import msgspec

from ml_model_service.docs.openapi import document
from ml_model_service.docs.page import page
from ml_model_service.errors import MISSING, Problem, shortened, shown
from ml_model_service.http.messages import Answer, Later, Reply, Request
from ml_model_service.logs import RequestLog
from ml_model_service.metrics import Metrics
from ml_model_service.predictions import PREDICT, Predictions, no_model
from ml_model_service.sagemaker.hosting import Hosting
from ml_model_service.sagemaker.runtime_api import as_seen_by_clients, endpoint_in, invalid
from ml_model_service.settings import Settings
from ml_model_service.versions.reload import Served
from ml_model_service.versions.sources import Source

log = logging.getLogger(__name__)
REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
_ORIGIN = re.compile(rb"https?://[^/]*", re.IGNORECASE)
_encode = msgspec.json.Encoder().encode


class App:
    """Answers requests. Everything but large bodies is answered at once, on the event loop's thread."""

    def __init__(
        self, settings: Settings, served: Served, requests: RequestLog | None, source: Source | None = None
    ) -> None:
        """`requests` is None where no request is to be logged, `source` where there are no versions to choose from."""
        self._settings, self._served, self._log = settings, served, requests
        self._metrics = Metrics(served)
        self._predictions = Predictions(settings, served)
        self._hosting = Hosting(settings, self._predictions, source)
        # request ids are UUIDs, as captured requests are named by UUIDs: random, but for 48 bits that count
        self._ids = (str(uuid.uuid4())[:24].encode(), itertools.count())
        self._reads: dict[bytes, Callable[[], Reply]] = {
            b"/health": lambda: Answer(200, b'{"status":"ok"}'),
            b"/ping": self._ping,
            b"/ready": self._ready,
            b"/variants": self._variants,
            b"/metrics": self._metrics_text,
            b"/openapi.json": lambda: Answer(200, _encode(document(served.model, settings.max_rows))),
            b"/docs": lambda: Answer(200, page(served.model), b"text/html; charset=utf-8"),
        }

    def __call__(self, request: Request) -> Reply:
        """The answer, or what it will come from; see Reply."""
        given = self._id_of(request)
        try:
            reply = self._reply(request, given)
        except Exception as error:
            reply = self._failed(error, given)
        if isinstance(reply, Answer):
            return self._finished(request, reply, given)
        if isinstance(reply, Later):
            reply.steps += (partial(self._settled, request, given),)
            return reply
        return self._later(request, reply, given)

    def refuse(self, request: Request, status: int, code: str, message: str) -> Answer:
        """The answer to a request that the server turned down; `request` is what was read of it."""
        request_id = self._id_of(request)
        return self._finished(request, failure(Problem(status, code, message), request_id), request_id)

    def close(self) -> None:
        """Write what is still to be written."""
        self._predictions.close()
        if self._served.serving and self._served.serving.mirror:
            self._served.serving.mirror.stop()
        if self._log is not None:
            self._log.flush()

    def _id_of(self, request: Request) -> bytes:
        given = request.headers.get(b"x-request-id")
        if given is None or REQUEST_ID.fullmatch(given) is None:
            return b"%b%012x" % (self._ids[0], next(self._ids[1]))
        return given

    async def _later(self, request: Request, reply: Awaitable[Answer], request_id: bytes) -> Answer:
        try:
            answer = await reply
        except Exception as error:
            answer = self._failed(error, request_id)
        return self._finished(request, answer, request_id)

    def _settled(self, request: Request, request_id: bytes, found: Answer | Exception) -> Answer:
        answer = self._failed(found, request_id) if isinstance(found, Exception) else found
        return self._finished(request, answer, request_id)

    def _finished(self, request: Request, answer: Answer, request_id: bytes) -> Answer:
        answer.headers += b"x-request-id: %b\r\n" % request_id
        self._metrics.statuses[answer.status] += 1
        if self._log is not None:
            seconds = time.monotonic() - request.arrived
            self._log.add(request.method, request.path, answer.status, seconds, request_id, answer.model_version)
        return answer

    def _failed(self, error: Exception, request_id: bytes) -> Answer:
        if not isinstance(error, Problem):
            log.error("request %s failed", request_id.decode(), exc_info=error)
            error = Problem(500, "internal_error", "the service failed; its log has the reason")
        return failure(error, request_id)

    def _reply(self, request: Request, request_id: bytes) -> Reply:
        path = request.path
        if path in PREDICT:
            if request.method != b"POST":
                raise _not_allowed(request.method, "POST")
            return self._predictions(request, request_id)
        if path.startswith(b"/endpoints/"):
            return self._invoke(request, request_id)
        if self._settings.multi_model and (path == b"/models" or path.startswith(b"/models/")):
            return self._hosting.reply(request)
        read = self._reads.get(path)
        if read is None:
            if (origin := _ORIGIN.match(path)) is not None:
                # a proxy's form of a target, which every server must take (RFC 9112, 3.2.2)
                request.path = path[origin.end() :] or b"/"
                return self._reply(request, request_id)
            paths = ", ".join(known.decode() for known in (*PREDICT, *self._reads))
            found = shortened(path.decode(errors="replace"))
            raise Problem(404, "not_found", f"no such path: {found}; there are {paths}")
        if request.method not in (b"GET", b"HEAD"):
            raise _not_allowed(request.method, "GET, HEAD")
        return read()

    def _invoke(self, request: Request, request_id: bytes) -> Reply:
        """An invocation as SageMaker Runtime's clients send it."""
        name = endpoint_in(request.path)
        if name is None:
            raise Problem(404, "not_found", "no such path; there is /endpoints/NAME/invocations")
        if request.method != b"POST":
            raise _not_allowed(request.method, "POST")
        model = self._served.model
        own = self._settings.endpoint or (model.name if model else "")
        if name != own:
            return invalid(f"Endpoint {name} not found. There is: {own}")
        try:
            target = request.headers.get(b"x-amzn-sagemaker-target-model")
            predicted = self._hosting.invoke_target(target, request) if target else None
            reply = predicted or self._predictions(request, request_id)
        except Exception as error:
            if isinstance(error, Problem) and error.code in ("unknown_variant", "invalid_target"):
                return invalid(error.message)
            reply = self._failed(error, request_id)
        if isinstance(reply, Answer):
            return as_seen_by_clients(reply)
        if isinstance(reply, Later):
            reply.steps += (partial(self._invoked, request_id),)
            return reply
        return self._invoked_later(reply, request_id)

    async def _invoked_later(self, reply: Awaitable[Answer], request_id: bytes) -> Answer:
        try:
            return self._invoked(request_id, await reply)
        except Exception as error:
            return self._invoked(request_id, error)

    def _invoked(self, request_id: bytes, found: Answer | Exception) -> Answer:
        return as_seen_by_clients(self._failed(found, request_id) if isinstance(found, Exception) else found)

    # -- what is read ----------------------------------------------------------------------------------------------

    def _ping(self) -> Answer:
        # a multi-model container is well before it is told of any model
        if self._served.model is None and not self._settings.multi_model:
            raise no_model(self._served)
        return Answer(200, b"{}")

    def _ready(self) -> Answer:
        serving, pending = self._served.serving, self._served.pending
        if serving is None:
            raise no_model(self._served)
        model = serving.stable
        content: dict[str, Any] = {
            "status": "ready",
            "model_version": model.version,
            "model_digest": model.digest,
            "schema_digest": model.schema_digest,
        }
        if serving.wanted.split:
            content["split"] = dict(serving.wanted.split)
        if serving.wanted.shadow is not None:
            content["shadow"] = serving.wanted.shadow.version
        if pending is not None:
            content["pending"] = asdict(pending)
        if self._served.stale is not None:
            content["parameter"] = asdict(self._served.stale)
        return Answer(200, _encode(content))

    def _variants(self) -> Answer:
        serving = self._served.serving
        if serving is None:
            raise no_model(self._served)
        mirror = serving.mirror
        return Answer(200, _encode(serving.variants.to_json(mirror.to_json() if mirror else None)))

    async def _metrics_text(self) -> Answer:
        further = {"model_parameter_failures": float(self._served.parameter_failures)}
        text = self._metrics.text(further | self._predictions.capture_counters())
        return Answer(200, text, b"text/plain; version=0.0.4; charset=utf-8")


def failure(problem: Problem, request_id: bytes) -> Answer:
    """The answer that a problem becomes."""
    error: dict[str, Any] = {"code": problem.code, "message": problem.message}
    if problem.details:
        error["details"] = [
            {"path": d.path, **({} if d.found is MISSING else {"found": _short(d.found)}), "allowed": d.allowed}
            for d in problem.details
        ]
    content = {"error": error, "request_id": request_id.decode()}
    headers = b"".join(b"%b: %b\r\n" % header for header in problem.headers)
    return Answer(problem.status, _encode(content), headers=headers)


def _short(found: Any) -> Any:
    """Numbers and short strings as they are, anything else as one short line."""
    if isinstance(found, float):
        # JSON has no word for others
        return found if isfinite(found) else shown(found)
    if isinstance(found, bool) or found is None or (isinstance(found, int) and abs(found) < 1 << 53):
        return found
    return found if isinstance(found, str) and len(found) <= 80 else shown(found)


def _not_allowed(method: bytes, allowed: str) -> Problem:
    headers = ((b"allow", allowed.encode()),)
    found = method.decode(errors="replace")
    return Problem(405, "method_not_allowed", f"found {found}, allowed: {allowed}", headers=headers)
