"""Log lines as people read them."""

from __future__ import annotations

from typing import Any

from shipway.cli.render.text import clock_time, plain
from shipway.core.logs.log_line import understood

_LONGEST_ERROR = 300


def log_line(entry: dict[str, Any], now: float) -> str:
    """`prod backend-api-0 r42 | 12:03:04 info     GET /api/x  200  12.3 ms`."""
    return f"{_origin(entry)} | {said(entry['line'], now)}"


def raw_log_line(entry: dict[str, Any]) -> str:
    """The same origin, and the line as it was written."""
    return f"{_origin(entry)} | {plain(entry['line'])}"


def said(line: str, now: float) -> str:
    """What a line of JSON says: time, level, request, status, milliseconds, message, error. Others stay as they are.

    >>> said('{"level": "info", "event": "request", "method": "GET", "path": "/a", "status": 200, "ms": 3.14}', 0)
    'info     GET /a  200  3.1 ms'
    """
    found = understood(line)
    request = f"{found.method} {found.path}".strip()
    error = found.error.strip().splitlines()[-1][:_LONGEST_ERROR] if found.error.strip() else ""
    # Loggers of requests call the line just that; the request itself says more.
    message = "" if request and found.message.casefold() in _NAMES_OF_REQUESTS else found.message
    if not found.structured or not (request or message or error):
        return plain(line)
    parts = [
        request,
        str(found.status) if found.status is not None else "",
        _milliseconds(found.ms) if found.ms is not None else "",
        message,
        error,
    ]
    # Of a day's lines the time is enough; of others the date is shown as well.
    time = [clock_time(found.at, now)] if found.at is not None else []
    return plain(" ".join([*time, f"{found.level:8}", "  ".join(part for part in parts if part)]).rstrip())


_NAMES_OF_REQUESTS = frozenset(
    {"request", "http request", "access", "request completed", "request finished", "http_request", "handled request"}
)


def _milliseconds(ms: float) -> str:
    return f"{ms:.1f} ms" if ms < 100 else f"{ms:,.0f} ms"


def _origin(entry: dict[str, Any]) -> str:
    """Environment, service with its task's number, release."""
    number = str(entry["task"]).rpartition("-")[2]
    return plain(f"{entry['environment']} {entry['service']}-{number} {entry['release']}")
