"""Structured logs: one JSON object a line on standard output."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from pydantic_core import to_json

from backend_api.config.settings import Settings

WriteLine = Callable[[Mapping[str, object]], None]


def line_writer(settings: Settings, descriptor: int | None = None) -> WriteLine:
    """A function that writes one line with the time and this task's name, whole and unbuffered."""
    task = {
        "service": "backend-api",
        "environment": settings.shipway_environment,
        "release": settings.shipway_release,
        "task": settings.shipway_task,
    }
    labels = {name: value for name, value in task.items() if value}
    output = sys.stdout.fileno() if descriptor is None else descriptor

    def write(fields: Mapping[str, object]) -> None:
        line = {"time": datetime.now(UTC), **labels, **fields}
        os.write(output, to_json(line, fallback=str) + b"\n")

    return write


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
