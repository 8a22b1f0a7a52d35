"""Structured logs: one JSON object a line on standard output."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime


class _Lines(logging.Formatter):
    def __init__(self, task: Mapping[str, str]) -> None:
        super().__init__()
        self._task = dict(task)

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(), **self._task, "message": record.getMessage(), **fields,
        }  # fmt: skip
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def start_logging(task: Mapping[str, str]) -> None:
    """Everything from INFO on, with the task's name."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Lines(task))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # botocore tells each call, uvicorn each connection
    for name in ("botocore", "uvicorn", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)
