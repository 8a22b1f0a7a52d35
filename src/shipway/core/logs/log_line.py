"""One line that a service wrote, parsed as far as its format is known: JSON of a common logger, or an access log."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_TIMES = ("time", "timestamp", "ts", "@timestamp", "@t", "asctime", "datetime", "date", "t")
_LEVELS = ("level", "severity", "lvl", "levelname", "log.level", "@l", "loglevel")
_MESSAGES = ("msg", "message", "event", "@m", "@mt", "text")
_ERRORS = ("error", "err", "exception", "exc_info", "traceback", "error.message", "err.message", "@x")
_METHODS = ("method", "http_method", "verb", "req.method", "request.method", "http.request.method", "http.method",
            "httpRequest.requestMethod", "request_method")  # fmt: skip
_PATHS = ("path", "url.path", "req.url", "request.uri", "request.path", "uri", "url", "http.path", "http.target",
          "httpRequest.requestUrl", "request_path", "target", "route")  # fmt: skip
_STATUSES = ("status", "status_code", "statusCode", "res.statusCode", "response.status", "http.response.status_code",
             "http.status_code", "httpRequest.status", "http_status", "code")  # fmt: skip
_DURATIONS = ("duration_ms", "latency_ms", "elapsed_ms", "took_ms", "time_ms", "ms", "durationMs", "responseTime",
              "response_time_ms", "duration", "latency", "elapsed", "took", "response_time", "duration_s", "seconds",
              "elapsed_s", "httpRequest.latency", "event.duration")  # fmt: skip
_AGENTS = ("user_agent", "userAgent", "user-agent", "user_agent.original", "req.headers.user-agent", "agent",
           "httpRequest.userAgent", "http_user_agent")  # fmt: skip
_NUMBERED = ((60, "fatal"), (50, "error"), (40, "warning"), (30, "info"), (20, "debug"), (10, "trace"))
_NAMES = {"warn": "warning", "err": "error", "critical": "fatal", "crit": "fatal", "emerg": "fatal", "panic": "fatal",
          "notice": "info", "information": "info", "alert": "fatal"}  # fmt: skip
_UNITS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
_ACCESS = re.compile(r'"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (\S+)(?: HTTP/[\d.]+)?" (\d{3})\b')
_SAYS_LEVEL = re.compile(r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL|PANIC)\b")
_ISO = re.compile(r"\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?)")
_LONGEST_JSON = 64 * 1024


@dataclass(frozen=True, slots=True)
class LogLine:
    """What a line says; a field that it does not have is None or empty. `at` is Unix time, `level` a lower-case word.

    `structured` says that the line is JSON: then `message` is only a part of it.
    """

    message: str
    structured: bool = False
    at: float | None = None
    level: str = ""
    method: str = ""
    path: str = ""
    status: int | None = None
    ms: float | None = None
    error: str = ""
    agent: str = ""

    @property
    def bad(self) -> bool:
        """Whether it reports an error."""
        return self.level in ("error", "fatal") or (self.status is not None and self.status >= 500) or bool(self.error)

    def is_check(self, paths: Iterable[str]) -> bool:
        """Whether it is about a health check or probe that succeeded; `paths` are those that checks request."""
        if not self.path or self.bad or (self.status or 0) >= 400:
            return False
        asks = self.method in ("GET", "HEAD", "") and self.path.split("?")[0] in set(paths)
        return asks or self.agent.startswith("shipway-")


def understood(line: str) -> LogLine:
    """The line, parsed as far as its format is known.

    >>> understood('{"ts": "2026-11-26T10:00:00Z", "severity": "WARN", "msg": "slow", "path": "/a", "duration_ms": 7}').ms
    7.0
    >>> understood('INFO:     127.0.0.1:5 - "GET /health HTTP/1.1" 200 OK').status
    200
    """
    if line.lstrip().startswith("{") and len(line) <= _LONGEST_JSON:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict):
            return _of_json(found)
    access, level, time = _ACCESS.search(line), _SAYS_LEVEL.search(line[:200]), _ISO.match(line)
    return LogLine(
        line,
        at=_time(time[1]) if time else None,
        level=_level(level[1]) if level else "",
        method=access[1] if access else "",
        path=access[2] if access else "",
        status=int(access[3]) if access else None,
    )


def _of_json(found: Mapping[str, Any]) -> LogLine:
    message, error = _first(found, _MESSAGES), _first(found, _ERRORS)
    status = _first(found, _STATUSES)
    path = _text(_first(found, _PATHS))
    return LogLine(
        _text(message),
        structured=True,
        at=_time(_first(found, _TIMES)),
        level=_level(_first(found, _LEVELS)),
        method=_text(_first(found, _METHODS)).upper() if path else "",
        path=re.sub(r"^https?://[^/]*", "", path),
        status=_status(status),
        ms=_milliseconds(found),
        error=_text(error) if error not in (None, False, True, "", {}, []) else "",
        agent=_text(_first(found, _AGENTS)),
    )


def _first(found: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((value for name in names if (value := _at(found, name)) is not None), None)


def _at(found: Mapping[str, Any], name: str) -> Any:
    """The value of `a.b`, as one key or as a key inside of an object; of an object, its message."""
    value: Any = found.get(name)
    if value is None and "." in name:
        first, _, rest = name.partition(".")
        inner = found.get(first)
        return _at(inner, rest) if isinstance(inner, dict) else None
    if isinstance(value, dict):
        return value.get("message") or value.get("msg") or None
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _level(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return next((name for least, name in _NUMBERED if value >= least), "trace")
    name = _text(value).lower()
    return _NAMES.get(name, name)[:8]


def _status(value: Any) -> int | None:
    try:
        status = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return status if 100 <= status <= 599 else None


def _time(value: Any) -> float | None:
    """Unix time of a text in ISO 8601, or of a number of seconds, milliseconds, microseconds or nanoseconds."""
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value.strip().replace(",", ".")).timestamp()
        except (ValueError, OverflowError, OSError):
            pass
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    for size in (1e18, 1e15, 1e12):
        if number >= size:
            return number / (size / 1e9)
    return number if 1e8 < number < 1e11 else None


def _milliseconds(found: Mapping[str, Any]) -> float | None:
    """How long the request took; a bare number is milliseconds unless its name says otherwise."""
    for name in _DURATIONS:
        value = _at(found, name)
        if isinstance(value, str):
            match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?) ?(ns|us|µs|ms|s|m)?", value.strip())
            if match:
                return float(match[1]) * _UNITS[match[2] or "ms"]
        elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15:
            unit = "ns" if name == "event.duration" else "s" if name in ("duration_s", "seconds", "elapsed_s") else "ms"
            return float(value) * _UNITS[unit]
    return None
