"""A prediction request from its bytes to its answer: who answers, rows, scores, and what is recorded of it."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import isfinite

import msgspec

from ml_model_service.capture import Capture, captured_as, folder_at
from ml_model_service.capture_lines import Answered, Exchange
from ml_model_service.errors import Problem
from ml_model_service.formats import Kind, answer_kind, check_encoding, read_rows, request_kind, write_predictions
from ml_model_service.model import Model
from ml_model_service.reload import Served, Serving
from ml_model_service.server import Answer, Reply, Request
from ml_model_service.settings import Settings
from ml_model_service.turn import Rows, Turn
from ml_model_service.variants import Variant

PREDICT = (b"/predict", b"/ml/predict", b"/invocations")
# larger bodies take milliseconds, which a probe should not wait for
IN_THREAD = 64 * 1024
_JSON = (None, b"application/json")
_ANYTHING = (None, b"*/*", b"application/json")
_TARGET = b"x-amzn-sagemaker-target-variant"
_CAPTURE_EVERY = 0.002
_encode = msgspec.json.Encoder().encode


class Predictions:
    """Answers prediction requests with whatever is in service."""

    def __init__(self, settings: Settings, served: Served) -> None:
        """Raises SettingsError for a capture that cannot be."""
        self._settings, self._served = settings, served
        # One thread: a task is one worker, and the model's library would only fight itself for the core.
        self._thread = ThreadPoolExecutor(1, "large requests")
        self._turn = Turn(self._answer)
        self._capture: Capture | None = None
        self._to_capture: list[Exchange] = []
        self._capture_folder = folder_at(settings.capture) if settings.capture else None

    def __call__(self, request: Request, request_id: bytes) -> Reply:
        """The answer, or what becomes it. Raises Problem."""
        serving = self._served.serving
        if serving is None:
            raise no_model(self._served)
        headers = request.headers
        index = 0
        if serving.chooser is not None or _TARGET in headers:
            index = _variant(serving, headers, request_id)
        if len(request.body) > IN_THREAD:
            return self._in_thread(request, request_id, serving, index)
        if (
            headers.get(b"content-type") in _JSON
            and headers.get(b"accept") in _ANYTHING
            and b"content-encoding" not in headers
        ):
            values = serving.models[index].encoder.instances(request.body, self._settings.max_rows)
            if values is not None:
                return self._turn.reply(Rows(request, request_id, serving, index, values))
        try:
            scored = self._score(request, serving.models[index])
        except Exception as error:
            _count(error, serving.variants.all[index], request)
            raise
        return self._recorded(request, request_id, serving, index, *scored)

    def predict_by(self, model: Model, request: Request) -> Answer:
        """The answer of a model that is no variant: nothing is recorded. Raises Problem."""
        asked, wanted = _kinds(request)
        matrix, rows = read_rows(asked, request.body, model.encoder, self._settings.max_rows)
        content_type, content = write_predictions(wanted, model.version, _finite(model.engine.predict(matrix, rows)))
        headers = b"x-model-version: %b\r\n" % model.version.encode()
        return Answer(200, content, content_type, headers, model_version=model.version)

    def capture_counters(self) -> dict[str, float]:
        """Requests captured and dropped, by the name of the metric."""
        capture = self._capture
        if capture is None:
            return {}
        return {"model_capture_captured": capture.captured, "model_capture_dropped": capture.dropped}

    def close(self) -> None:
        """Write what is still to be captured."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._capture_all()
        if self._capture is not None:
            self._capture.close()

    def _answer(self, rows: Rows, found: list[float] | Exception) -> Answer:
        serving, model = rows.serving, rows.model
        try:
            if isinstance(found, Exception):
                raise found
            body = b"%b%b}" % (model.prefix, _encode(_finite(found)))
        except Exception as error:
            _count(error, serving.variants.all[rows.index], rows.request)
            raise
        answer: Answered = "json", b"application/json", body
        return self._recorded(rows.request, rows.request_id, serving, rows.index, "json", rows.values, found, answer)

    async def _in_thread(self, request: Request, request_id: bytes, serving: Serving, index: int) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            scored = await loop.run_in_executor(self._thread, self._score, request, serving.models[index])
        except Exception as error:
            # counted here, not in the thread: a variant's counters belong to this one
            _count(error, serving.variants.all[index], request)
            raise
        return self._recorded(request, request_id, serving, index, *scored)

    def _score(self, request: Request, model: Model) -> tuple[Kind, array[float], list[float], Answered]:
        asked, wanted = _kinds(request)
        matrix, rows = read_rows(asked, request.body, model.encoder, self._settings.max_rows)
        predictions = _finite(model.engine.predict(matrix, rows))
        return asked, matrix, predictions, (wanted, *write_predictions(wanted, model.version, predictions))

    def _recorded(
        self, request: Request, request_id: bytes, serving: Serving, index: int,
        asked: Kind, values: Sequence[float], predictions: list[float], answer: Answered,
    ) -> Answer:  # fmt: skip
        model, variant = serving.models[index], serving.variants.all[index]
        if serving.mirror is not None and index == 0:
            serving.mirror.offer(array("d", values), len(predictions), predictions)
        if self._capture_folder is not None:
            self._captured(request, request_id, model, variant, asked, answer)
        variant.answered(time.monotonic() - request.arrived, predictions)
        return Answer(200, answer[2], answer[1], variant.headers, model_version=model.version)

    def _captured(
        self, request: Request, request_id: bytes, model: Model, variant: Variant, asked: Kind, answer: Answered
    ) -> None:
        """Remember it for in a moment: by then it is answered, and many at once take half the time."""
        if not self._to_capture:
            asyncio.get_running_loop().call_later(_CAPTURE_EVERY, self._capture_all)
        header = request.headers.get
        exchange = Exchange(
            variant.name,
            model.encoder.names,
            (asked, header(b"content-type", b""), request.body),
            answer,
            request_id,
            header(b"x-amzn-sagemaker-inference-id", b""),
            header(b"x-amzn-sagemaker-custom-attributes", b""),
        )
        self._to_capture.append(exchange)
        if self._capture is None:
            self._capture = self._begun_capture(model)
        if len(request.body) > IN_THREAD:
            self._capture_all()

    def _capture_all(self) -> None:
        waiting, self._to_capture = self._to_capture, []
        if self._capture is not None:
            self._capture.offer(waiting)

    def _begun_capture(self, model: Model) -> Capture:
        """The first answer tells the model's name, which is the endpoint's where none is set."""
        settings = self._settings
        assert self._capture_folder is not None
        capture = Capture(
            self._capture_folder, settings.endpoint or captured_as(model.name), settings.capture_percent,
            settings.capture_mask, settings.capture_memory,
        )  # fmt: skip
        capture.start()
        return capture


def no_model(served: Served) -> Problem:
    """503, with the reason."""
    why = (served.pending and served.pending.error) or "one is being loaded"
    return Problem(503, "no_model", f"no model is loaded: {why}")


def _kinds(request: Request) -> tuple[Kind, Kind]:
    check_encoding(request.headers.get(b"content-encoding", b""))
    asked = request_kind(request.headers.get(b"content-type", b""))
    return asked, answer_kind(request.headers.get(b"accept", b""), asked)


def _finite(predictions: list[float]) -> list[float]:
    """The predictions. Raises Problem 500 for a row that has none: JSON has no word for it."""
    if all(map(isfinite, predictions)):
        return predictions
    row = next(row for row, prediction in enumerate(predictions) if not isfinite(prediction))
    raise Problem(500, "no_prediction", f"instances[{row}]: the model's prediction is not a finite number")


def _count(error: Exception, variant: Variant, request: Request) -> None:
    """Count what the variant could not answer; what the client did wrong is none of its faults."""
    if not isinstance(error, Problem) or error.status >= 500:
        variant.failed(time.monotonic() - request.arrived)


def _variant(serving: Serving, headers: dict[bytes, bytes], request_id: bytes) -> int:
    """Who answers: the variant that is asked for by name, else the one of the client's cohort."""
    target = headers.get(_TARGET)
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
