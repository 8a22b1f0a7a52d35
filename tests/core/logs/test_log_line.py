"""What a line of a log says, whichever logger wrote it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.core.logs.log_line import LogLine, understood

AT = 1795687200.5
ISO = "2026-11-26T10:00:00.500Z"
REQUEST = LogLine("request", True, AT, "info", "GET", "/a?b=1", 200, 12.5)
LOGGERS: dict[str, dict[str, Any]] = {
    "ours": {"ts": ISO, "level": "info", "event": "request", "method": "GET", "path": "/a?b=1", "status": 200, "ms": 12.5},
    "structlog": {"timestamp": ISO, "level": "info", "event": "request", "method": "GET", "path": "/a?b=1", "status": 200, "duration_ms": 12.5},
    "python-json-logger": {"asctime": "2026-11-26T10:00:00,500+00:00", "levelname": "INFO", "message": "request", "method": "get", "path": "/a?b=1", "status_code": "200", "duration": "12.5ms"},
    "pino-http": {"level": 30, "time": 1795687200500, "msg": "request", "req": {"method": "GET", "url": "/a?b=1"}, "res": {"statusCode": 200}, "responseTime": 12.5},
    "zap": {"level": "INFO", "ts": AT, "msg": "request", "method": "GET", "uri": "/a?b=1", "status": 200, "latency": "12.5ms"},
    "ecs": {"@timestamp": ISO, "log.level": "info", "message": "request", "http": {"request": {"method": "GET"}, "response": {"status_code": 200}}, "url": {"path": "/a?b=1"}, "event": {"duration": 12500000}},
    "google": {"time": ISO, "severity": "NOTICE", "message": "request", "httpRequest": {"requestMethod": "GET", "requestUrl": "https://x.example/a?b=1", "status": 200, "latency": "0.0125s"}},
    "serilog": {"@t": ISO, "@l": "Information", "@m": "request", "method": "GET", "path": "/a?b=1", "status": 200, "elapsed": 12.5},
}  # fmt: skip


@pytest.mark.parametrize("logger", LOGGERS)
def test_common_loggers_say_the_same(logger: str) -> None:
    """Time, level, request, status and duration, under whatever keys they stand."""
    assert REQUEST == understood(json.dumps(LOGGERS[logger]))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"msg": "slow", "severity": "WARN"}', LogLine("slow", True, level="warning")),
        ('{"level": 50, "msg": "no", "err": {"type": "E", "message": "refused"}}', LogLine("no", True, level="error", error="refused")),
        ("INFO: up", LogLine("INFO: up", level="info")),
        ("{not json", LogLine("{not json")),
        ("[1, 2]", LogLine("[1, 2]")),
        ("", LogLine("")),
    ],
)  # fmt: skip
def test_other_lines_say_what_they_say(line: str, expected: LogLine) -> None:
    """Errors inside objects, plain text, and what only looks like JSON."""
    assert expected == understood(line)


@pytest.mark.parametrize(
    ("line", "left_out"),
    [
        ('INFO:     127.0.0.1:5 - "GET /ready HTTP/1.1" 200 OK', True),
        ('127.0.0.1 - - [26/Nov/2026 10:00:00] "GET /ready?full=1 HTTP/1.1" 200 -', True),
        ('127.0.0.1 - - [26/Nov/2026 10:00:00] "GET /ready HTTP/1.1" 503 -', False),
        ('{"method": "GET", "path": "/ready", "status": 200}', True),
        ('{"method": "GET", "path": "/ready", "status": 500}', False),
        ('{"method": "POST", "path": "/ready", "status": 200}', False),
        ('{"method": "POST", "path": "/a", "status": 200, "user_agent": "shipway-probe"}', True),
        ('{"method": "GET", "path": "/readymade", "status": 200}', False),
        ("ready", False),
    ],
)
def test_checks_that_went_well_are_told_from_requests(line: str, left_out: bool) -> None:
    """Health checks and the app's own probes; never one that failed."""
    assert left_out == understood(line).is_check(["/ready"])


@given(st.dictionaries(st.sampled_from(["time", "level", "msg", "path", "status", "ms", "error", "req"]),
       st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.integers()),
                 st.dictionaries(st.text(max_size=5), st.integers()))))  # fmt: skip
def test_any_json_is_understood_somehow(found: dict[str, Any]) -> None:
    """Whatever stands under the keys, no line breaks the listing."""
    assert understood(json.dumps(found)).structured
