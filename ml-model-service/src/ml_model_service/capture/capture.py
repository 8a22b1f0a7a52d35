"""Data capture: what was asked and answered, sampled, for the monitors; off the path of requests."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from random import random

import msgspec

from ml_model_service.capture.lines import Exchange, lines
from ml_model_service.capture.mask import Mask
from ml_model_service.capture.sinks import Sink

log = logging.getLogger(__name__)
# what an entry weighs besides what the client sent and got
_OVERHEAD = 500
# The lines of small requests are made where these were answered, in 2 µs: two threads that take turns with the
# interpreter would cost more. Larger ones, and those to be masked, are left to the writer.
_SMALL = 4 << 10
_INTERVAL = 0.1
# The writer holds the interpreter for some 0.2 ms, then lets requests go on.
_AT_ONCE, _BYTES_AT_ONCE, _PAUSE = 512, 512 << 10, 0.0005
_COMPLAIN_EVERY = 60.0

# lines, and how many these are
_Text = tuple[bytes, int]
# moment, variant, requests, bytes that these take while they wait, text or how it is made
_Entry = tuple[float, str, int, int, _Text | Callable[[], _Text]]


class Capture:
    """Takes requests from the event loop's thread and writes them from its own.

    `captured` and `dropped` count requests. Dropped are those that memory or the sink had no room for, and those that
    could not be masked. Only requests that were answered with 2xx may be offered, as on SageMaker.
    """

    def __init__(
        self,
        sink: Sink,
        percent: float = 100.0,
        mask: Collection[str] = (),
        memory: int = 64 << 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """At most `memory` bytes wait, those that the sink holds included."""
        self._share, self._memory, self._clock = percent / 100, memory, clock
        self._mask = Mask(frozenset(mask)) if mask else None
        self._checked: set[tuple[str, ...]] = set()
        self._sink = sink
        self._entries: deque[_Entry] = deque()
        # Each of these is written by one thread alone.
        self._offered_bytes = self._handled_bytes = 0
        self._no_memory = self._no_line = 0
        self._complained_at = float("-inf")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Begin to write; what killed processes left is given its name first."""
        self._thread.start()

    def chooses(self) -> bool:
        """Whether the next request is captured. Asked once, whoever else answers it besides."""
        return self._share >= 1 or random() < self._share

    def offer(self, exchanges: Iterable[Exchange]) -> None:
        """Capture requests that were just answered."""
        moment = self._clock()
        small: dict[str, tuple[list[Exchange], list[int]]] = {}
        for exchange in exchanges:
            size = _OVERHEAD + len(exchange.request[1]) + len(exchange.request[2]) + len(exchange.answer[2])
            size += len(exchange.inference_id) + len(exchange.custom_attributes)
            if self.waiting + size > self._memory:
                self._no_memory += 1
                continue
            self._offered_bytes += size
            if self._mask is None and size <= _SMALL:
                alike, sizes = small.setdefault(exchange.variant, ([], []))
                alike.append(exchange)
                sizes.append(size)
            else:
                self._entries.append((moment, exchange.variant, 1, size, partial(self._text, moment, [exchange])))
        for variant, (alike, sizes) in small.items():
            self._entries.append((moment, variant, len(alike), sum(sizes), self._text(moment, alike)))

    @property
    def captured(self) -> int:
        """Requests whose lines are where they belong."""
        return self._sink.stored

    @property
    def dropped(self) -> int:
        """Requests that should have been captured and were not."""
        return self._no_memory + self._no_line + self._sink.lost

    @property
    def waiting(self) -> int:
        """Bytes in memory that are not written yet."""
        return self._offered_bytes - self._handled_bytes + self._sink.held

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits, within `timeout` seconds. Nothing may be offered afterwards."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join(timeout)
            if self._thread.is_alive():
                log.error("%d bytes of captured requests were not written before the end", self.waiting)

    def _run(self) -> None:
        closing = False
        while not closing:
            self._tend()
            closing = self._closing.wait(_INTERVAL)
            while self._entries:
                self._write_some()
                self._closing.wait(_PAUSE)
        self._attempt(self._sink.close)

    def _tend(self) -> None:
        now = self._clock()
        self._attempt(lambda: self._sink.tend(now))

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except OSError as error:
            self._complain(f"captured requests are not yet where they belong: {error}")

    def _write_some(self) -> None:
        """The next entries, those of a variant and an hour together."""
        groups: dict[tuple[str, float], tuple[float, list[bytes], list[int]]] = {}
        handled = size = 0
        while self._entries and handled < _AT_ONCE and size < _BYTES_AT_ONCE:
            moment, variant, count, taken, text = self._entries.popleft()
            handled, size = handled + count, size + taken
            found, kept = text() if callable(text) else text
            _, texts, counts = groups.setdefault((variant, moment // 3600), (moment, [], []))
            texts.append(found)
            counts.append(kept)
            self._no_line += count - kept
        for (variant, _), (moment, texts, counts) in groups.items():
            try:
                self._sink.write(variant, moment, b"".join(texts), sum(counts))
            except OSError as error:
                self._complain(f"requests are not captured: {error}")
        self._handled_bytes += size

    def _text(self, moment: float, exchanges: Sequence[Exchange]) -> _Text:
        """Their lines, and how many these are, with a complaint where there can be none."""
        try:
            kept = exchanges if self._mask is None else list(map(self._masked, exchanges))
            return lines(moment, kept), len(kept)
        except Exception as error:
            if len(exchanges) == 1:
                # a request that has no line, or cannot be masked, is left out; it must not end the thread
                self._complain(f"a request is not captured: {type(error).__name__}")
                return b"", 0
        texts = [self._text(moment, [exchange]) for exchange in exchanges]
        return b"".join(text for text, _ in texts), sum(count for _, count in texts)

    def _masked(self, exchange: Exchange) -> Exchange:
        assert self._mask is not None
        self._check(exchange.features)
        kind, content_type, body = exchange.request
        masked = kind, content_type, self._mask.masked(kind, body, exchange.features)
        return msgspec.structs.replace(exchange, request=masked)

    def _check(self, features: tuple[str, ...]) -> None:
        """Warn of names in the mask that no feature has: what they were to keep out is captured."""
        if features not in self._checked and self._mask is not None:
            self._checked.add(features)
            if unknown := self._mask.unknown(features):
                names = ", ".join(sorted(unknown))
                log.warning("CAPTURE_MASK: the model has no feature %s; nothing is masked for that", names)

    def _complain(self, message: str) -> None:
        """Log at most once a minute: a full disk is full for a while."""
        now = self._clock()
        if _due(now, self._complained_at, _COMPLAIN_EVERY):
            self._complained_at = now
            log.error("%s (captured so far %d, dropped %d)", message, self.captured, self.dropped)


def _due(now: float, last: float, every: float) -> bool:
    """Whether `every` seconds have passed since `last`, or the clock was set back."""
    return not 0 <= now - last < every
