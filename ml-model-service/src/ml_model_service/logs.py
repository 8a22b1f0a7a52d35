"""Structured logs: one JSON object a line on standard output."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

import msgspec

_encode = msgspec.json.Encoder().encode


class Log:
    """Writes lines that all carry the task's labels."""

    def __init__(self, labels: tuple[tuple[str, str], ...] = (), descriptor: int | None = None) -> None:
        self._labels = dict(labels)
        self._stream = open(sys.stdout.fileno() if descriptor is None else descriptor, "wb", 0, closefd=False)  # noqa: SIM115

    def write(self, level: str, message: str, **fields: Any) -> None:
        """One line, in one system call, so that lines of several threads do not mix."""
        moment = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
        line = _encode({"time": moment, "level": level, "message": message, **self._labels, **fields}) + b"\n"
        # a full disk or a closed pipe must not fail requests, and there is nowhere left to say it
        with contextlib.suppress(OSError):
            self._stream.write(line)


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
