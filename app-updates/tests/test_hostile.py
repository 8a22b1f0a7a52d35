"""Every `/ota` route under bodies that are malformed, huge or made up: an answer below 500, and nothing kept of it."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app_updates.contract.bundles import read_told
from app_updates.requests import LARGEST_BODY
from tests.conftest import Task

POSTS = ("/ota/updates", "/ota/stats", "/ota/started", "/ota/channel", "/ota/v1/logs", "/ota/v1/traces")
TEXT = st.text(max_size=20) | st.sampled_from(
    ["", "\x00", "\ud800", "builtin", "1.0.0-aaaaaaaaaaaa", "app_crash", "checksum_fail", "' OR 1=1 --", "d" * 200]
)  # fmt: skip
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["device_id", "custom_id", "version_name", "version", "version_build", "version_code", "action", "timestamp",
     "session_id", "file", "resourceLogs", "resourceSpans", "old_version_name"]
)  # fmt: skip
MESSAGE = st.dictionaries(NAMES, VALUE, max_size=8) | st.fixed_dictionaries({"device_id": TEXT, "version_name": TEXT})


def attributes(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = [
        "device.id",
        "session.id",
        "service.version",
        "exception.type",
        "exception.stacktrace",
        "web_vital.name",
        "web_vital.value",
    ]
    kinds = st.sampled_from(["stringValue", "intValue", "doubleValue", "boolValue", "x"])
    one = st.fixed_dictionaries({"key": st.sampled_from(names), "value": st.dictionaries(kinds, values, max_size=2)})
    return st.lists(one | VALUE, max_size=5)


OTLP = st.builds(
    lambda resource, records: {
        "resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": records}]}],
        "resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [{"spans": records}]}],
    },
    attributes(VALUE),
    st.lists(
        st.fixed_dictionaries(
            {"severityNumber": VALUE | st.just(17), "attributes": attributes(VALUE)},
            optional={"body": VALUE, "traceId": VALUE, "startTimeUnixNano": VALUE},
        ),
        max_size=3,
    ),
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(POSTS), body=MESSAGE | st.lists(MESSAGE, max_size=3) | VALUE | OTLP)
def test_made_up_bodies(task: Task, path: str, body: object) -> None:
    """Whatever JSON it is: taken or refused, and the counts can still be read."""
    sent = json.dumps(body).encode()
    answer = task.ask("POST", path, sent)
    assert answer.status in (200, 400, 429), (path, sent, answer.body)
    assert answer.status != 400 or {"kind", "error", "message"} == set(answer.json())


MALFORMED = [
    b"", b"{", b"\xff\xfe", b"null", b"[]", b"0", b'"x"', b"[" * 100_000, b'{"a":' * 50_000, b"NaN", b"1" * 10_000,
    b'{"device_id": "d", "device_id": 7}', b'{"device_id":"d","version_name":"\\ud800"}',
]  # fmt: skip


def test_malformed_bodies(task: Task) -> None:
    """Each is answered, with a 400 where nothing can be made of it."""
    answers = {(path, body[:40]): task.ask("POST", path, body).status for path in POSTS for body in MALFORMED}
    assert {200, 400} == set(answers.values())
    assert all(answers[path, body[:40]] == 400 for path in POSTS for body in MALFORMED[:3] if path != "/ota/channel")


def test_counts_stay_readable(task: Task) -> None:
    """After all that a device may call itself and its bundles."""
    for number, name in enumerate(["x" * 60, "1.0.0-aaaaaaaaaaaa", "builtin", "../..", "\ud800", ""]):
        task.check_in(f"d{number}", name)
    told = read_told(task.ask("GET", "/bundles").body)
    assert {"1.0.0-aaaaaaaaaaaa", "builtin"} == set(told.running)


def test_huge_body_is_refused_unread(task: Task) -> None:
    """413, whether it says its size or not."""
    assert 413 == task.ask("POST", "/ota/stats", b" " * (LARGEST_BODY + 1)).status
    with socket.create_connection(("127.0.0.1", task.port), timeout=10) as connection:
        connection.sendall(b"POST /ota/stats HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        with suppress(OSError):
            for _ in range(LARGEST_BODY // 65536 + 2):
                connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        assert b" 413 " in connection.recv(1000).split(b"\r\n")[0]


def test_no_path_leads_out_of_the_bundles(task: Task) -> None:
    """Only names of bundles that are offered lead to a file."""
    for version in ["", "..", "%2e%2e%2fsecret", "a%00b", "x" * 3000, "builtin", "1.0.0-aaaaaaaaaaaa"]:
        assert task.ask("GET", f"/ota/bundles/{version}.zip").status in (404, 400)
