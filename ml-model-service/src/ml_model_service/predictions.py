"""A prediction request from its bytes to its answer: who answers, rows, scores, and what is recorded of it."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache, partial
from math import isfinite

from ml_model_service.capture.capture import Capture
from ml_model_service.capture.lines import Answered, Exchange
from ml_model_service.capture.sinks import sink_at
from ml_model_service.contract.version import variant_name
from ml_model_service.errors import Problem
from ml_model_service.formats.encoder import Encoder
from ml_model_service.formats.media_types import (
    Kind,
    answer_kind,
    check_encoding,
    read_rows,
    request_kind,
    write_predictions,
)
from ml_model_service.http.messages import Answer, Reply, Request
from ml_model_service.settings import Settings
from ml_model_service.turn import Rows, Turn
from ml_model_service.versions.counters import Variant
from ml_model_service.versions.model import Model
from ml_model_service.versions.reload import Served, Serving
from ml_model_service.versions.shadow import Mirror

PREDICT = (b"/predict", b"/ml/predict", b"/invocations")
# larger bodies and more rows take milliseconds, which a probe should not wait for
IN_THREAD, ROWS_IN_THREAD = 64 * 1024, 500
_KINDS = (b"content-encoding", b"content-type", b"accept")
_TARGET = b"x-amzn-sagemaker-target-variant"
_CAPTURE_EVERY = 0.002


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
        self._sink_for = sink_at(settings.capture, settings.capture_seconds) if settings.capture else None
        if self._sink_for is not None:
            served.on_shadow = self._shadow_scored
        self._loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, request: Request, request_id: bytes) -> Reply:
        """The answer, or what it will come from; see Reply. Raises Problem."""
        serving = self._served.serving
        if serving is None:
            raise no_model(self._served)
        index = 0
        if serving.chooser is not None or _TARGET in request.headers:
            index = _variant(serving, request.headers, request_id)
        variant, read = serving.variants.all[index], partial(self._read, request, request_id, serving, index)
        if len(request.body) > IN_THREAD:
            return self._in_thread(request, variant, read)
        try:
            rows = read()
        except Exception as error:
            _count(error, variant, request)
            raise
        if rows.count > ROWS_IN_THREAD:
            return self._in_thread(request, variant, lambda: rows)
        return self._turn.reply(rows)

    def predict_by(self, model: Model, request: Request) -> Answer:
        """The answer of a model that is no variant: nothing is recorded. Raises Problem."""
        asked, wanted = _kinds(*map(request.headers.get, _KINDS))
        values, count = read_rows(asked, request.body, model.encoder, self._settings.max_rows)
        predictions = _finite(model.engine.predict(array("d", values), count))
        content_type, content = write_predictions(wanted, model.version, predictions)
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

    def _read(self, request: Request, request_id: bytes, serving: Serving, index: int) -> Rows:
        """Raises Problem."""
        asked, wanted = _kinds(*map(request.headers.get, _KINDS))
        values, count = read_rows(asked, request.body, serving.models[index].encoder, self._settings.max_rows)
        return Rows(request, request_id, serving, index, asked, wanted, values, count)

    def _answer(self, rows: Rows, found: list[float] | Exception) -> Answer:
        try:
            if isinstance(found, Exception):
                raise found
            content = _content(rows, found)
        except Exception as error:
            _count(error, rows.serving.variants.all[rows.index], rows.request)
            raise
        return self._recorded(rows, found, content)

    async def _in_thread(self, request: Request, variant: Variant, read: Callable[[], Rows]) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            scored = await loop.run_in_executor(self._thread, _scored, read)
        except Exception as error:
            # counted here, not in the thread: a variant's counters belong to this one
            _count(error, variant, request)
            raise
        return self._recorded(*scored)

    def _recorded(self, rows: Rows, predictions: list[float], content: Answered) -> Answer:
        serving, request = rows.serving, rows.request
        variant = serving.variants.all[rows.index]
        captured = self._sink_for is not None and self._captures(rows, variant, content)
        if serving.mirror is not None and rows.index == 0:
            self._mirror(rows, predictions, serving.mirror, captured=captured)
        variant.answered(time.monotonic() - request.arrived, predictions)
        return Answer(200, content[2], content[1], variant.headers, model_version=rows.model.version)

    def _mirror(self, rows: Rows, predictions: list[float], mirror: Mirror, *, captured: bool) -> None:
        whose, held = (rows if captured else None), len(rows.request.body)
        reader = rows.serving.reader
        if reader is None:
            mirror.offer(array("d", rows.values), rows.count, predictions, whose, held if captured else 0)
        elif rows.asked != "npy":  # whose codes stand for stable's values
            mirror.offer(partial(self._read_by, reader, rows), rows.count, predictions, whose, held)

    def _read_by(self, reader: Encoder, rows: Rows) -> array[float]:
        return array("d", read_rows(rows.asked, rows.request.body, reader, self._settings.max_rows)[0])

    def _captures(self, rows: Rows, variant: Variant, content: Answered) -> bool:
        """Capture it in a moment: after it was answered, and together with others, which takes half the time."""
        if self._capture is None:
            self._capture, self._loop = self._begun_capture(rows.model), asyncio.get_running_loop()
        if not self._capture.chooses():
            return False
        self._take([_exchange(rows, variant.name, content)])
        if len(rows.request.body) > IN_THREAD:
            self._capture_all()
        return True

    def _take(self, exchanges: Sequence[Exchange]) -> None:
        if not self._to_capture:
            asyncio.get_running_loop().call_later(_CAPTURE_EVERY, self._capture_all)
        self._to_capture += exchanges

    def _shadow_scored(self, version: str, scored: Sequence[tuple[Rows, list[float]]]) -> None:
        """Capture what the shadow would have answered, under its own variant. Called in the shadow's thread."""
        name = variant_name(version)
        exchanges = [
            _exchange(rows, name, (rows.wanted, *write_predictions(rows.wanted, version, predictions)))
            for rows, predictions in scored
            if all(map(isfinite, predictions))
        ]
        assert self._loop is not None
        # A loop that is closed has no more to capture.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._take, exchanges)

    def _capture_all(self) -> None:
        waiting, self._to_capture = self._to_capture, []
        if self._capture is not None:
            self._capture.offer(waiting)

    def _begun_capture(self, model: Model) -> Capture:
        """The first answer tells the model's name, which is the endpoint's where none is set."""
        settings = self._settings
        assert self._sink_for is not None
        sink = self._sink_for(settings.endpoint or model.name)
        capture = Capture(sink, settings.capture_percent, settings.capture_mask, settings.capture_memory)
        capture.start()
        return capture


def no_model(served: Served) -> Problem:
    """503, with the reason."""
    why = (served.pending and served.pending.error) or "one is being loaded"
    return Problem(503, "no_model", f"no model is loaded: {why}")


@lru_cache(maxsize=32)
def _kinds(content_encoding: bytes | None, content_type: bytes | None, accept: bytes | None) -> tuple[Kind, Kind]:
    """The formats of a request and of its answer, by its headers `_KINDS`. Raises Problem 406 or 415."""
    check_encoding(content_encoding or b"")
    asked = request_kind(content_type or b"")
    return asked, answer_kind(accept or b"", asked)


def _exchange(rows: Rows, variant: str, content: Answered) -> Exchange:
    header = rows.request.headers.get
    return Exchange(
        variant,
        rows.model.encoder.names,
        (rows.asked, header(b"content-type", b""), rows.request.body),
        content,
        rows.request_id,
        header(b"x-amzn-sagemaker-inference-id", b""),
        header(b"x-amzn-sagemaker-custom-attributes", b""),
    )


def _scored(read: Callable[[], Rows]) -> tuple[Rows, list[float], Answered]:
    rows = read()
    predictions = rows.model.engine.predict(array("d", rows.values), rows.count)
    return rows, predictions, _content(rows, predictions)


def _content(rows: Rows, predictions: list[float]) -> Answered:
    return rows.wanted, *write_predictions(rows.wanted, rows.model.version, _finite(predictions))


def _finite(predictions: list[float]) -> list[float]:
    """The predictions. Raises Problem 500 for a row that has none: JSON has no word for it."""
    if all(map(isfinite, predictions)):
        return predictions
    row = next(row for row, prediction in enumerate(predictions) if not isfinite(prediction))
    raise Problem(500, "no_prediction", f"instances[{row}]: the model's prediction is not a finite number")


def _count(error: Exception, variant: Variant, request: Request) -> None:
    """Count a request that the variant failed; a client's mistake (400 to 499) is no fault of the variant."""
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
