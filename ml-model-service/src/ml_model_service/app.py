"""The service's answers: request ids, dispatch, predictions, one log line a request."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from array import array
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from math import isfinite
from typing import Any

import msgspec

from ml_model_service.errors import MISSING, Problem, shown
from ml_model_service.formats import Kind, answer_kind, read_rows, request_kind, write_predictions
from ml_model_service.logs import RequestLog
from ml_model_service.metrics import Metrics
from ml_model_service.model import Model
from ml_model_service.openapi import document
from ml_model_service.page import page
from ml_model_service.reload import Served, Serving
from ml_model_service.runtime_api import as_seen_by_clients, endpoint_in, unknown_endpoint
from ml_model_service.server import Answer, Request
from ml_model_service.settings import Settings
from ml_model_service.variants import Variant

log = logging.getLogger(__name__)
REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")
PREDICT = (b"/predict", b"/ml/predict", b"/invocations")
# larger bodies take milliseconds, which a probe should not wait for
IN_THREAD = 64 * 1024
_JSON = (None, b"application/json")
_ANYTHING = (None, b"*/*", b"application/json")
_encode = msgspec.json.Encoder().encode
Reply = Answer | Awaitable[Answer]


class App:
    """Answers requests. Everything but large bodies is answered at once, on the event loop's thread."""

    def __init__(self, settings: Settings, served: Served, requests: RequestLog | None) -> None:
        """`requests` is None where no request is to be logged."""
        self._settings, self._served, self._log = settings, served, requests
        self._metrics = Metrics(served)
        # One thread: a task is one worker, and the model's library would only fight itself for the core.
        self._thread = ThreadPoolExecutor(1, "large requests")
        self._ids = (secrets.token_hex(8).encode(), itertools.count())
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
        """The answer, or what becomes it."""
        given = request.headers.get(b"x-request-id")
        if given is None or REQUEST_ID.fullmatch(given) is None:
            given = b"%b-%x" % (self._ids[0], next(self._ids[1]))
        try:
            reply = self._reply(request, given)
        except Exception as error:
            reply = self._failed(error, given)
        if isinstance(reply, Answer):
            return self._finished(request, reply, given)
        return self._later(request, reply, given)

    def close(self) -> None:
        """Write what is still to be written."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._served.serving and self._served.serving.mirror:
            self._served.serving.mirror.stop()
        if self._log is not None:
            self._log.flush()

    async def _later(self, request: Request, reply: Awaitable[Answer], request_id: bytes) -> Answer:
        try:
            answer = await reply
        except Exception as error:
            answer = self._failed(error, request_id)
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
            return self._predict(request, request_id)
        if path.startswith(b"/endpoints/"):
            return self._invoke(request, request_id)
        read = self._reads.get(path)
        if read is None:
            paths = ", ".join(known.decode() for known in (*PREDICT, *self._reads))
            raise Problem(404, "not_found", f"no such path: {path.decode(errors='replace')}; there are {paths}")
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
            return unknown_endpoint(name, own)
        try:
            reply = self._predict(request, request_id)
        except Exception as error:
            reply = self._failed(error, request_id)
        if isinstance(reply, Answer):
            return as_seen_by_clients(reply)
        return self._invoked(reply, request_id)

    async def _invoked(self, reply: Awaitable[Answer], request_id: bytes) -> Answer:
        try:
            answer = await reply
        except Exception as error:
            answer = self._failed(error, request_id)
        return as_seen_by_clients(answer)

    # -- predictions -----------------------------------------------------------------------------------------------

    def _predict(self, request: Request, request_id: bytes) -> Reply:
        serving = self._served.serving
        if serving is None:
            raise self._no_model()
        headers, body = request.headers, request.body
        index = (
            0
            if serving.chooser is None and b"x-amzn-sagemaker-target-variant" not in headers
            else (_variant(serving, headers, request_id))
        )
        model, variant = serving.models[index], serving.variants.all[index]
        kind, accept = headers.get(b"content-type"), headers.get(b"accept")
        if len(body) > IN_THREAD:
            return self._predict_in_thread(request, serving, index)
        values: list[float] | None = None
        if kind in _JSON and accept in _ANYTHING:
            values = model.one_row.read(body)
        if values is None:
            asked = request_kind(kind or b"application/json")
            wanted = answer_kind(accept or b"*/*", asked)
            matrix, rows = read_rows(asked, body, model.encoder, self._settings.max_rows)
            return self._predicted(request, serving, index, matrix, *self._scored(model, variant, wanted, matrix, rows))
        try:
            prediction = model.engine.predict_one(values)
        except Exception:
            variant.failed(time.monotonic() - request.arrived)
            raise
        if not isfinite(prediction):
            variant.failed(time.monotonic() - request.arrived)
            raise _not_finite(0)
        content = model.prefix + repr(prediction).encode() + b"]}"
        predictions = [prediction]
        if serving.mirror is not None and index == 0:
            serving.mirror.offer(array("d", values), 1, predictions)
        variant.answered(time.monotonic() - request.arrived, predictions)
        return Answer(200, content, headers=variant.headers, model_version=model.version)

    async def _predict_in_thread(self, request: Request, serving: Serving, index: int) -> Answer:
        model, variant = serving.models[index], serving.variants.all[index]
        headers = request.headers
        asked = request_kind(headers.get(b"content-type") or b"application/json")
        wanted = answer_kind(headers.get(b"accept") or b"*/*", asked)

        def work() -> tuple[array[float], list[float], bytes, bytes]:
            matrix, rows = read_rows(asked, request.body, model.encoder, self._settings.max_rows)
            return matrix, *self._scored(model, variant, wanted, matrix, rows)

        loop = asyncio.get_running_loop()
        matrix, predictions, content_type, content = await loop.run_in_executor(self._thread, work)
        return self._predicted(request, serving, index, matrix, predictions, content_type, content)

    def _scored(
        self, model: Model, variant: Variant, wanted: Kind, matrix: array[float], rows: int
    ) -> tuple[list[float], bytes, bytes]:
        try:
            predictions = model.engine.predict(matrix, rows)
        except Exception:
            variant.failed(0.0)
            raise
        for row, prediction in enumerate(predictions):
            if not isfinite(prediction):
                variant.failed(0.0)
                raise _not_finite(row)
        return predictions, *write_predictions(wanted, model.version, predictions)

    def _predicted(
        self, request: Request, serving: Serving, index: int, matrix: array[float],
        predictions: list[float], content_type: bytes, content: bytes,
    ) -> Answer:  # fmt: skip
        variant = serving.variants.all[index]
        if serving.mirror is not None and index == 0:
            serving.mirror.offer(matrix, len(predictions), predictions)
        variant.answered(time.monotonic() - request.arrived, predictions)
        return Answer(200, content, content_type, variant.headers, model_version=variant.version)

    # -- what is read ----------------------------------------------------------------------------------------------

    def _ping(self) -> Answer:
        if self._served.model is None:
            raise self._no_model()
        return Answer(200, b"{}")

    def _ready(self) -> Answer:
        serving, pending = self._served.serving, self._served.pending
        if serving is None:
            raise self._no_model()
        model = serving.stable
        content: dict[str, Any] = {
            "status": "ready",
            "model_version": model.version,
            "model_digest": model.digest,
            "schema_digest": model.schema_digest,
        }
        if serving.assignment.split:
            content["split"] = dict(serving.assignment.split)
        if serving.assignment.shadow is not None:
            content["shadow"] = serving.assignment.shadow.version
        if pending is not None:
            content["pending"] = asdict(pending)
        return Answer(200, _encode(content))

    def _variants(self) -> Answer:
        serving = self._served.serving
        if serving is None:
            raise self._no_model()
        mirror = serving.mirror
        return Answer(200, _encode(serving.variants.to_json(mirror.to_json() if mirror else None)))

    async def _metrics_text(self) -> Answer:
        text = self._metrics.text({})
        return Answer(200, text, b"text/plain; version=0.0.4; charset=utf-8")

    def _no_model(self) -> Problem:
        pending = self._served.pending
        why = (pending and pending.error) or "one is being loaded"
        return Problem(503, "no_model", f"no model is loaded: {why}")


def refusal(status: int, code: str, message: str) -> Answer:
    """The answer to what was no proper request."""
    return failure(Problem(status, code, message), secrets.token_hex(8).encode())


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


def _variant(serving: Serving, headers: dict[bytes, bytes], request_id: bytes) -> int:
    """Who answers: the variant that is asked for by name, else the one of the client's cohort."""
    target = headers.get(b"x-amzn-sagemaker-target-variant")
    if target is not None:
        index = serving.variants.named(target.decode(errors="replace"))
        if index is None:
            allowed = ", ".join(variant.name for variant in serving.variants.all)
            message = f"no variant {target.decode(errors='replace')[:80]!r}; allowed: {allowed}"
            raise Problem(400, "unknown_variant", message)
        return index
    if serving.chooser is None:
        return 0
    key = headers.get(b"x-device-id") or headers.get(b"x-amzn-sagemaker-session-id") or request_id
    return serving.chooser.choose(key)


def _short(found: Any) -> Any:
    """Numbers and short strings as they are, anything else as one short line."""
    if isinstance(found, bool | float) or found is None or (isinstance(found, int) and abs(found) < 1 << 53):
        return found
    return found if isinstance(found, str) and len(found) <= 80 else shown(found)


def _not_finite(row: int) -> Problem:
    return Problem(500, "no_prediction", f"instances[{row}]: the model's prediction is not a finite number")


def _not_allowed(method: bytes, allowed: str) -> Problem:
    headers = ((b"allow", allowed.encode()),)
    found = method.decode(errors="replace")
    return Problem(405, "method_not_allowed", f"found {found}, allowed: {allowed}", headers=headers)
