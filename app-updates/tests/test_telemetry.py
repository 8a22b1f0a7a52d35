"""OTLP/JSON as an app sends it."""

from __future__ import annotations

from typing import Any

import pytest

from app_updates.contract.bundles import Offer
from app_updates.telemetry import (
    MOST_RECORDS,
    Crash,
    Span,
    Vital,
    WrongTelemetry,
    percentile,
    read_logs,
    read_spans,
    value_of,
)
from tests.bundles import Bucket
from tests.conftest import Task
from tests.test_updates import given, says


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def logs(version: str, *records: dict[str, Any], session: str = "s1", device: str = "d1") -> dict[str, Any]:
    resource = [text("device.id", device), text("session.id", session), text("service.version", version)]
    return {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": list(records)}]}]}


def error(message: str = "boom", line: int = 1) -> dict[str, Any]:
    stack = f"TypeError: {message}\n    at f (https://localhost/assets/index-a.js:{line}:42)"
    attributes = [
        text("exception.type", "TypeError"),
        text("exception.message", message),
        text("exception.stacktrace", stack),
    ]
    return {
        "timeUnixNano": "1785000000000000000",
        "severityNumber": 17,
        "body": {"stringValue": message},
        "attributes": attributes,
    }


def vital(name: str, value: float) -> dict[str, Any]:
    return {
        "severityNumber": 9,
        "attributes": [text("web_vital.name", name), {"key": "web_vital.value", "value": {"doubleValue": value}}],
    }


def test_uncaught_error_marks_its_session_and_is_grouped(task: Task, bucket: Bucket) -> None:
    """A session with three is one of the bundle's errors, and three of a crash on one device."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    task.check_in("d1")
    says(task, "d1", bundle.version, "s1")
    sent = logs(bundle.version, error("a is undefined"), error("b is undefined"), error("c is undefined"))
    assert 200 == task.ask("POST", "/ota/v1/logs", sent).status
    counts = task.told()["versions"][bundle.version]
    assert (1, 1) == (counts["sessions"], counts["errors"])
    (crash,) = task.ask("GET", "/crashes").json()["crashes"]
    assert ("TypeError", "a is undefined", 3, 1) == (crash["kind"], crash["message"], crash["times"], crash["devices"])


def test_vitals_come_back_as_percentiles(task: Task, bucket: Bucket) -> None:
    """The 75th percentile, right to 2 %."""
    bundle = bucket.put("a")
    given(task, bucket, Offer(stable=bundle.version))
    task.ask("POST", "/ota/v1/logs", logs(bundle.version, *(vital("LCP", 100.0 * n) for n in range(1, 21))))
    told = task.ask("GET", "/crashes").json()["vitals"][bundle.version]["LCP"]
    assert (20, pytest.approx(1500, rel=0.02)) == (told["times"], told["p75"])


def test_body_of_several_devices_is_refused(task: Task) -> None:
    """One device can't speak for others by the way."""
    both = {
        "resourceLogs": logs("1.0.0-aaaaaaaaaaaa", error())["resourceLogs"]
        + logs("1.0.0-aaaaaaaaaaaa", error(), device="d2")["resourceLogs"]
    }
    assert 400 == task.ask("POST", "/ota/v1/logs", both).status


def test_records_are_bounded() -> None:
    """Two hundred of a body."""
    found = list(read_logs(logs("v", *(error(line=n) for n in range(MOST_RECORDS * 2)))))
    assert MOST_RECORDS == len(found)


@pytest.mark.parametrize(
    "body", [[], 7, None, {"resourceLogs": 7}, {"resourceLogs": [7]}, {"resourceLogs": [{"scopeLogs": "x"}]}]
)
def test_what_is_no_otlp_is_refused(body: object) -> None:
    """With the key that is wrong."""
    with pytest.raises(WrongTelemetry, match=r"resourceLogs|scopeLogs"):
        list(read_logs(body))


def test_place_of_an_error_is_its_first_frame_without_the_host() -> None:
    """Android's and iOS's pages have other origins, and Firefox and Safari write frames otherwise."""
    chrome = Crash(
        "E", "m", "E: m\n    at f (https://localhost/assets/i.js:1:7)\n    at g (https://localhost/assets/i.js:9:9)"
    )
    safari = Crash("E", "n", "f@capacitor://localhost/assets/i.js:1:7\ng@capacitor://localhost/assets/i.js:8:8")
    assert chrome.crash == safari.crash
    assert Crash("E", "m", "").crash != Crash("E", "n", "").crash


def test_span_has_its_trace_its_time_and_its_answer() -> None:
    """Times are strings of nanoseconds; a status that is none is left out."""
    span: dict[str, object] = {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "attributes": [{"key": "http.response.status_code", "value": {"intValue": "503"}}],
        "name": "POST /api/predict",
        "startTimeUnixNano": "1785000000000000000",
        "endTimeUnixNano": "1785000000120000000",
    }
    body = {
        "resourceSpans": [{"resource": {"attributes": [text("device.id", "d")]}, "scopeSpans": [{"spans": [span, {}]}]}]
    }
    ((source, found),) = read_spans(body)
    assert ("d", Span("ab" * 16, "cd" * 8, "POST /api/predict", 120.0, 503)) == (source.device, found)
    span["attributes"] = [{"key": "http.response.status_code", "value": {"doubleValue": float("nan")}}]
    ((_, found),) = read_spans(body)
    assert found.status is None


def test_figures_of_buckets_are_right_to_two_percent() -> None:
    """From CLS's hundredths to a slow page's seconds."""
    for value in (0.001, 0.05, 0.1, 12.0, 800.0, 30_000.0):
        bucket = Vital("CLS", value).bucket
        assert value == pytest.approx(value_of(bucket), rel=0.02)
        assert value == pytest.approx(percentile({bucket: 3}, 0.75), rel=0.02)
    assert 0.0 == percentile({}, 0.75)
