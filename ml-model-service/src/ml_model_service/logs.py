"""Structured logs: one JSON object a line on standard output."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode
_MOST_LINES = 500


class Log:
    """Writes lines that all carry the task's labels."""

    def __init__(self, labels: tuple[tuple[str, str], ...] = (), descriptor: int | None = None) -> None:
        self._labels = dict(labels)
        # the same as bytes, to be pasted into lines that are put together by hand
        self.labels = b"".join(b",%b:%b" % (_encode(name), _encode(value)) for name, value in labels)
        self._stream = open(sys.stdout.fileno() if descriptor is None else descriptor, "wb", 0, closefd=False)  # noqa: SIM115
        self._lock = threading.Lock()
        # whether a line's beginning was written and its end was not
        self._torn = False

    def write(self, level: str, message: str, **fields: Any) -> None:
        """One line."""
        moment = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
        line = _encode({"time": moment, "level": level, "message": message, **self._labels, **fields}) + b"\n"
        self.write_lines(line)

    def write_lines(self, lines: bytes) -> None:
        """Whole lines, as they are, which those of other threads do not mix with."""
        with self._lock:
            rest = memoryview(b"\n" + lines if self._torn else lines)
            # a full disk or a closed pipe must not fail requests, and there is nowhere left to say it
            with contextlib.suppress(OSError):
                # a signal or a disk that is nearly full ends a call early; a full pipe that does not block takes none
                while rest and (written := self._stream.write(rest)) is not None:
                    rest = rest[written:]
            self._torn = bool(rest) and (self._torn or len(rest) < len(lines))


class RequestLog:
    """One line a request, written a few times a second rather than one by one. Belongs to the event loop's thread."""

    def __init__(self, log: Log, every: float = 0.1) -> None:
        self._log, self._every = log, every
        self._lines: list[bytes] = []
        self._second, self._moment = 0, b""

    def add(
        self, method: bytes, path: bytes, status: int, seconds: float, request_id: bytes, version: str | None
    ) -> None:
        """A request was answered. `request_id` needs no escaping."""
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._moment = datetime.fromtimestamp(self._second, UTC).strftime("%Y-%m-%dT%H:%M:%S").encode()
        if not self._lines:
            asyncio.get_running_loop().call_later(self._every, self.flush)
        line = _line(self._log.labels, method, path, status, version)
        self._lines.append(line % (self._moment, int(now * 1000) % 1000, seconds * 1000, request_id))
        if len(self._lines) >= _MOST_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._lines:
            self._log.write_lines(b"".join(self._lines))
            self._lines.clear()


@lru_cache(maxsize=64)
def _line(labels: bytes, method: bytes, path: bytes, status: int, version: str | None) -> bytes:
    """A line with places for what differs from request to request."""
    told = b'"level":"%b","message":"request"%b,"method":"%b","path":%b,"status":%d' % (
        b"info" if status < 500 else b"error", labels, method, _encode(path.decode(errors="replace")), status
    )  # fmt: skip
    return b'{"time":"%%b.%%03d+00:00",%b,"ms":%%.3f,"request_id":"%%b","model_version":%b}\n' % (
        told.replace(b"%", b"%%"), _encode(version).replace(b"%", b"%%"),
    )  # fmt: skip


class JsonHandler(logging.Handler):
    """Sends the standard library's log records (the server's own, and ours) the same way."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log
        self._format = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, with its traceback as one field."""
        fields = {"traceback": self._format.formatException(record.exc_info)} if record.exc_info else {}
        self._log.write(record.levelname.lower(), record.getMessage(), logger=record.name, **fields)


def install(log: Log) -> None:
    """Make `log` the destination of every record from INFO up."""
    logging.basicConfig(level=logging.INFO, handlers=[JsonHandler(log)], force=True)
