"""Structured logs: one JSON object a line on standard output."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from pydantic_core import to_json

from backend_api.config.settings import Settings

WriteLine = Callable[[Mapping[str, object]], None]
_PAUSE = 0.1
_MOST_LINES = 500


def line_writer(settings: Settings, descriptor: int | None = None) -> WriteLine:
    """A function that writes lines with the time and this task's name."""
    task = {
        "service": "backend-api",
        "environment": settings.shipway_environment,
        "release": settings.shipway_release,
        "task": settings.shipway_task,
    }
    labels = {name: value for name, value in task.items() if value}
    lines = _Lines(sys.stdout.fileno() if descriptor is None else descriptor)

    def write(fields: Mapping[str, object]) -> None:
        line = to_json({"time": datetime.now(UTC), **labels, **fields}, fallback=str)
        lines.add(line + b"\n", at_once=fields.get("level") != "info")

    return write


class _Lines:
    """Whole lines in their order, those that can wait together, ten times a second; all of them by the end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: list[bytes] = []
        self._lock = threading.Lock()
        atexit.register(self.flush)

    def add(self, line: bytes, *, at_once: bool) -> None:
        with self._lock:
            self._waiting.append(line)
            first = len(self._waiting) == 1
        if at_once or len(self._waiting) >= _MOST_LINES:
            self.flush()
        elif first:
            self._flush_soon()

    def _flush_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_later(_PAUSE, self.flush)
        except RuntimeError:  # no loop runs here: before the start, after the end, or in a thread
            self.flush()

    def flush(self) -> None:
        with self._lock:
            lines = b"".join(self._waiting)
            self._waiting.clear()
            # A full disk or a closed pipe must fail no request, and there is nowhere left to say it.
            with suppress(OSError):
                while lines:
                    lines = lines[os.write(self._descriptor, lines) :]


class JsonHandler(logging.Handler):
    """Sends what libraries log through the same writer."""

    def __init__(self, write: WriteLine) -> None:
        super().__init__()
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """One line for one record, with the traceback where there is one."""
        fields: dict[str, object] = {
            "level": record.levelname.lower(),
            "event": "log",
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._write(fields)


def configure(write: WriteLine) -> None:
    """Warnings and worse from every library as JSON lines."""
    logging.basicConfig(handlers=[JsonHandler(write)], level=logging.WARNING, force=True)
