"""Structured logs: one JSON object a line on standard output."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import Any

import structlog
from pydantic_core import to_json
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from backend_api.config.settings import Settings

Logger = FilteringBoundLogger


def task_logger(settings: Settings, descriptor: int | None = None) -> Logger:
    """Writes lines with the time and this task's name, by default to standard output."""
    task = {
        "service": "backend-api",
        "environment": settings.shipway_environment,
        "release": settings.shipway_release,
        "task": settings.shipway_task,
    }
    output = _Output(sys.stdout.fileno() if descriptor is None else descriptor, "wb", closefd=False)
    logger: Logger = structlog.wrap_logger(
        structlog.BytesLogger(output),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", key="time"),
            _as_json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    ).bind(**{name: value for name, value in task.items() if value})
    return logger


def _as_json(_logger: WrappedLogger, _method: str, fields: EventDict) -> bytes:
    return to_json(fields, fallback=str)


class _Output(io.FileIO):
    """A full disk or a closed pipe must fail no request, and there is nowhere left to say it."""

    def write(self, line: Any) -> int:
        with suppress(OSError):
            return super().write(line)
        return 0


class _LibraryLines(logging.Handler):
    def __init__(self, logger: Logger) -> None:
        super().__init__()
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """One line for one record, with the traceback where there is one."""
        fields = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info:
            fields["traceback"] = logging.Formatter().formatException(record.exc_info)
        # structlog knows the five levels alone.
        self._logger.log(min(record.levelno // 10 * 10, logging.CRITICAL), "log", **fields)


def log_libraries(logger: Logger) -> None:
    """Warnings and worse from every library as JSON lines."""
    logging.basicConfig(handlers=[_LibraryLines(logger)], level=logging.WARNING, force=True)
