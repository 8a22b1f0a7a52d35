"""Scores what clients sent with a second model, off their path, and records how the two models differ."""

from __future__ import annotations

import logging
import random
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from math import inf
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeAlias

from ml_model_service.versions.sketch import Sketch

log = logging.getLogger(__name__)
MAX_WAITING_ROWS = 20_000
MAX_WAITING_BYTES = 32 << 20
_BATCH_ROWS = 512
# a Python float in a list: its pointer and itself
_PREDICTION_BYTES = 32
# without a threshold, predictions this share of the larger one apart disagree
_APART = 0.1


class Engine(Protocol):
    """What scores rows."""

    def predict(self, values: array[float], rows: int) -> list[float]:
        """One prediction a row of `values`, which has shape (rows * features,)."""
        ...


Values: TypeAlias = "array[float] | Callable[[], array[float]]"
"""Of shape (rows * features,), or what reads them, in the shadow's thread."""
# values, rows, predictions, bytes, whose: a plain tuple, as making a record of it would cost as much as all of `offer`
_Offer = tuple["Values", int, list[float], int, object]
Scored = Callable[[str, Sequence[tuple[Any, list[float]]]], None]
"""Is told, in the shadow's thread, what the version would have answered: (version, [(whose, predictions), …])."""


class Mirror:
    """A shadow model with its own thread. `offer` belongs to one thread, everything else may be called from any."""

    def __init__(
        self, version: str, percent: float, engine: Engine, threshold: float | None, scored: Scored | None = None
    ) -> None:
        """Start the thread. `threshold` parts the predictions into two decisions; None where there is none."""
        self.version, self.percent = version, percent
        self._engine, self._threshold, self._scored = engine, threshold, scored
        self._queue: SimpleQueue[_Offer | None] = SimpleQueue()
        # Each pair is written on one side only, so that none needs a lock: what waits is their difference.
        self._rows_in = self._bytes_in = self._dropped = 0
        self._rows_out = self._bytes_out = 0
        self._found = _Comparison()
        self._reading = threading.Lock()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=f"shadow {version}", daemon=True)
        self._thread.start()

    def offer(self, values: Values, rows: int, predictions: list[float], whose: object = None, held: int = 0) -> None:
        """Mirror a request that stable answered with `predictions`, or leave it out: never waits, never raises.

        Neither `values` nor `predictions` may be changed afterwards. `scored` is told of `whose` they are, unless it is
        None. Bytes beside values and predictions that are `held` until then count as what waits.
        """
        if random.random() * 100 >= self.percent:
            return
        size = (len(values) * 8 if isinstance(values, array) else 0) + rows * _PREDICTION_BYTES + held
        if (
            self._rows_in - self._rows_out + rows > MAX_WAITING_ROWS
            or self._bytes_in - self._bytes_out + size > MAX_WAITING_BYTES
        ):
            self._dropped += 1
            return
        self._rows_in += rows
        self._bytes_in += size
        self._queue.put((values, rows, predictions, size, whose))

    def stop(self) -> None:
        """Score no more; what waits is forgotten. Returns at once, `join` waits for the thread."""
        self._stopping = True
        self._queue.put(None)

    def join(self, timeout: float) -> bool:
        """Whether the stopped thread has ended within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def to_json(self) -> dict[str, Any]:
        """What was compared so far, as `/variants` shows it."""
        with self._reading:
            found = self._found.to_json()
        return {"version": self.version, "percent": self.percent, "dropped": self._dropped, **found}

    def _work(self) -> None:
        while (offers := self._next()) is not None:
            self._compare(offers)
            self._rows_out += sum(rows for _, rows, *_ in offers)
            self._bytes_out += sum(size for *_, size, _ in offers)

    def _next(self) -> list[_Offer] | None:
        """What waits, up to a batch's rows: one call for many small requests leaves more of the machine to clients."""
        offers: list[_Offer] = []
        rows = 0
        while rows < _BATCH_ROWS:
            try:
                offer = self._queue.get(block=not offers)
            except Empty:
                break
            if offer is None or self._stopping:
                return None
            offers.append(offer)
            rows += offer[1]
        return offers

    def _compare(self, offers: list[_Offer]) -> None:
        scores = self._scores(offers)
        if scores is None and len(offers) > 1:
            # One bad request must not speak for its neighbours.
            for offer in offers:
                self._compare([offer])
        elif scores is None:
            with self._reading:
                self._found.failed += 1
        else:
            self._tell(offers, scores)
            stable = [prediction for _, _, predictions, *_ in offers for prediction in predictions]
            for first in range(0, len(stable), _BATCH_ROWS):
                last = first + _BATCH_ROWS
                with self._reading:
                    self._found.add(stable[first:last], scores[first:last], self._threshold)
                # Hand the interpreter to the requests: by itself it changes threads after 5 ms only.
                time.sleep(0)

    def _tell(self, offers: list[_Offer], scores: list[float]) -> None:
        if self._scored is None:
            return
        found, first = [], 0
        for _, rows, _, _, whose in offers:
            if whose is not None:
                found.append((whose, scores[first : first + rows]))
            first += rows
        if found:
            self._scored(self.version, found)

    def _scores(self, offers: list[_Offer]) -> list[float] | None:
        rows = sum(rows for _, rows, *_ in offers)
        try:
            read = [values if isinstance(values, array) else values() for values, *_ in offers]
            values = read[0] if len(read) == 1 else array("d", b"".join(read))
            scores = self._engine.predict(values, rows)
            if len(scores) != rows:
                raise ValueError(f"{len(scores)} predictions for {rows} rows")
        except Exception:  # whatever library or reader raise: a shadow has no client to tell, and must not end by it
            if not self._found.failed and len(offers) == 1:
                log.exception("shadow model %s failed on a request; later failures are counted only", self.version)
            return None
        return scores


class _Comparison:
    """How the predictions of both models differ, so far."""

    __slots__ = ("compared", "difference_sum", "disagreements", "failed", "largest", "shadow", "stable")

    def __init__(self) -> None:
        self.compared = self.disagreements = self.failed = 0
        self.difference_sum = self.largest = 0.0
        self.shadow, self.stable = Sketch(), Sketch()

    def add(self, stable: list[float], shadow: list[float], threshold: float | None) -> None:
        """Compare the predictions for the same rows."""
        for one, two in zip(stable, shadow, strict=True):
            difference = abs(one - two)
            if not difference < inf:
                self.disagreements += 1
                continue
            self.difference_sum += difference
            self.largest = max(self.largest, difference)
            if threshold is not None:
                self.disagreements += (one >= threshold) != (two >= threshold)
            else:
                self.disagreements += difference > _APART * max(abs(one), abs(two))
        self.compared += len(stable)
        self.stable.add_many(stable)
        self.shadow.add_many(shadow)

    def to_json(self) -> dict[str, Any]:
        """The fields of `/variants`."""
        return {
            "compared": self.compared,
            "failed": self.failed,
            "disagreements": self.disagreements,
            "difference_sum": self.difference_sum,
            "largest_difference": self.largest,
            "predictions": self.shadow.to_json(),
            "stable_predictions": self.stable.to_json(),
        }
