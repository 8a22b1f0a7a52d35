"""HAProxy's access log: sampled latencies and the failures that clients saw, kept in bounded memory.

A latency is the time that the service needs: from the arrival of the whole request to the head of its answer. How long
a client takes to send its request or to read the answer, and how long a stream of events or a WebSocket lasts, says
nothing about the service. So a line has no latency where the router could not wait for the body (chunked, or larger
than its buffer) and where the answer is a 101. A client that gives up waiting still gives a latency: the router waits
for the answer in its place.
"""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from shipway.core.observations.observation import SIDES, Side

# The most recent ones: a candidate that becomes slow late must be noticed.
KEPT_LATENCIES = 4096
KEPT_FAILURES = 200
_LONGEST_PATH = 120
_PAUSE = 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Line:
    """One request at its end: `seconds` until the answer's head, None where they are not known.

    `failure` is empty for a request that did not fail on the side.
    """

    environment: str
    side: str
    seconds: float | None
    failure: str


@dataclass(slots=True)
class _Window:
    latencies: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=KEPT_LATENCIES))
    failures: Counter[str] = field(default_factory=Counter)


class AccessLog:
    """Receives the log's datagrams in one thread. Keeps only what it was told to watch."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], _Window] = {}
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def watch(self, environments: Iterable[str]) -> None:
        """Receive for these environments from now on. HAProxy finds the socket by its path."""
        with self._lock:
            wanted = [(name, side) for name in environments for side in SIDES]
            self._windows = {key: self._windows.get(key) or _Window() for key in wanted}
        if self._socket is not None and not self._path.exists():
            self.close()
        if self._socket is None:
            self._path.unlink(missing_ok=True)
            receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            receiver.bind(str(self._path))
            self._path.chmod(0o600)
            self._socket = receiver
            self._closing = threading.Event()
            self._thread = threading.Thread(
                target=self._receive, args=(receiver, self._closing), name="access-log", daemon=True
            )
            self._thread.start()

    def latencies(self, environment: str, side: Side, since: float = -math.inf) -> tuple[float, ...]:
        """Seconds of requests that did not fail, those that ended after `since` on the monotonic clock.

        A quick failure must not make a side look fast.
        """
        with self._lock:
            window = self._windows.get((environment, side))
            return tuple(seconds for at, seconds in window.latencies if at >= since) if window else ()

    def worst(self, environment: str, side: Side) -> str:
        """The most frequent failure, such as `POST /api/predict 500 ×12`; empty when there was none."""
        with self._lock:
            window = self._windows.get((environment, side))
            if window is None or not window.failures:
                return ""
            failure, count = window.failures.most_common(1)[0]
            return f"{failure} ×{count}"

    def forget(self, environment: str) -> None:
        """Drop what is known of the environment."""
        with self._lock:
            for side in SIDES:
                if (environment, side) in self._windows:
                    self._windows[environment, side] = _Window()

    def close(self) -> None:
        """Stop receiving. The path stays: a successor may already listen there."""
        receiver, thread = self._socket, self._thread
        self._socket = self._thread = None
        if receiver is not None and thread is not None:
            self._closing.set()
            receiver.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)
            receiver.close()

    def _receive(self, receiver: socket.socket, closing: threading.Event) -> None:
        while not closing.is_set():
            try:
                line = parse(receiver.recv(2048))
                if line is not None:
                    self._count(line)
            except Exception:
                # A lost line does no harm; if the reader ended, no candidate could be judged.
                if not closing.wait(_PAUSE):
                    _log.exception("a line of the access log was not read")

    def _count(self, line: Line) -> None:
        with self._lock:
            window = self._windows.get((line.environment, line.side))
            if window is None:
                return
            if not line.failure:
                if line.seconds is not None:
                    window.latencies.append((time.monotonic(), line.seconds))
            elif line.failure in window.failures or len(window.failures) < KEPT_FAILURES:
                window.failures[line.failure] += 1


def parse(data: bytes) -> Line | None:
    """One datagram; None for anything that is not a line of ours.

    After side, status and ending it has the microseconds until the answer's head, `-` for none.

    >>> parse(b"shipway prod green 500 -- 1500 POST /api/predict")
    Line(environment='prod', side='green', seconds=0.0015, failure='POST /api/predict 500')
    """
    fields = data.decode("utf-8", "replace").strip().split(" ", 7)
    if len(fields) != 8 or fields[0] != "shipway":
        return None
    _, environment, side, status, ending, head, method, path = fields
    micros = None if head == "-" else head
    figures = (micros or "0", status.removeprefix("-"))
    if not all(figure.isdecimal() and figure.isascii() for figure in figures) or len(ending) != 2:
        return None
    request = f"{method} {path[:_LONGEST_PATH]}"
    failure = ""
    if int(status) >= 500:
        failure = f"{request} {status}"
    elif ending[0] in "sS":
        failure = f"{request} {status}, answer cut off"
    return Line(environment, side, None if micros is None else int(micros) / 1e6, failure)
