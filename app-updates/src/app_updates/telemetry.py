"""OpenTelemetry's JSON (OTLP 1.x) as apps send it: uncaught errors, web vitals and spans, taken out of a body.

A body that is no OTLP is refused as a whole; in one that is, what is unknown is passed over. Texts are cut to what the
tables hold.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_RECORDS = 200
"""Of one body; the rest is passed over."""
_ERROR = 17
"""OTLP's number of the severity ERROR; above it are worse ones."""
VITALS = ("CLS", "FCP", "INP", "LCP", "TTFB")
_LONGEST_MESSAGE, _LONGEST_STACK, _LONGEST_KIND = 300, 4_000, 100
_PLACE = re.compile(r"[^\s(@]+:\d+:\d+")
_UNKEPT = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL can't store: NUL and halves of characters."""
STEPS = 20
"""Buckets of a vital for each doubling or halving: figures are right to 2 %."""


class WrongTelemetry(ValueError):
    """The body is no OTLP/JSON; the message says where."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who tells: the device, its session, and the bundle that runs there."""

    device: str
    session: str
    version: str


@dataclass(frozen=True, slots=True)
class Crash:
    """An uncaught error. `crash` names its kind and place, so that the same one is one."""

    kind: str
    message: str
    stack: str

    @property
    def crash(self) -> str:
        place = _PLACE.search(self.stack)
        where = place[0].rpartition("/")[2] if place else self.message
        return hashlib.sha256(f"{self.kind}\0{where}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Vital:
    """One of Google's web vitals: milliseconds, or the bare number that CLS is."""

    name: str
    value: float

    @property
    def bucket(self) -> int:
        return round(math.log2(max(self.value, 1e-4)) * STEPS)


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time; it goes into the log, where its trace is found."""

    trace: str
    span: str
    name: str
    ms: float
    status: int | None


def value_of(bucket: int) -> float:
    """The figure in the middle of a vital's bucket."""
    return float(2.0 ** (bucket / STEPS))


def read_logs(body: object) -> Iterator[tuple[Source, Crash | Vital]]:
    """The uncaught errors and web vitals of an `ExportLogsServiceRequest`. Raises WrongTelemetry."""
    for source, record in _records(body, "resourceLogs", "scopeLogs", "logRecords"):
        attributes = _attributes(record.get("attributes"))
        name, value = attributes.get("web_vital.name"), attributes.get("web_vital.value")
        severity = record.get("severityNumber", 0)
        if name in VITALS and isinstance(value, int | float) and 0 <= value < 1e7:
            yield source, Vital(str(name), float(value))
        elif isinstance(severity, int) and severity >= _ERROR:
            body_text = _value(record.get("body"))
            yield (
                source,
                Crash(
                    kind=_text(attributes.get("exception.type"), _LONGEST_KIND) or "Error",
                    message=_text(attributes.get("exception.message", body_text), _LONGEST_MESSAGE),
                    stack=_text(attributes.get("exception.stacktrace"), _LONGEST_STACK),
                ),
            )


def read_spans(body: object) -> Iterator[tuple[Source, Span]]:
    """The spans of an `ExportTraceServiceRequest`. Raises WrongTelemetry."""
    for source, record in _records(body, "resourceSpans", "scopeSpans", "spans"):
        began, ended = _nanoseconds(record.get("startTimeUnixNano")), _nanoseconds(record.get("endTimeUnixNano"))
        trace, span = _text(record.get("traceId"), 32), _text(record.get("spanId"), 16)
        if (
            not re.fullmatch(r"[0-9a-f]{32}", trace)
            or not re.fullmatch(r"[0-9a-f]{16}", span)
            or not 0 < began <= ended
        ):
            continue
        status = _attributes(record.get("attributes")).get("http.response.status_code")
        name, ms = _text(record.get("name"), 100), round((ended - began) / 1e6, 2)
        answered = int(status) if isinstance(status, int | float) and 100 <= status < 600 else None
        yield source, Span(trace, span, name, ms, answered)


def percentile(buckets: Mapping[int, int], share: float) -> float:
    """The value that this share of the counted ones does not exceed."""
    rest = share * sum(buckets.values())
    for bucket in sorted(buckets):
        rest -= buckets[bucket]
        if rest <= 0:
            return value_of(bucket)
    return 0.0


def _records(body: object, outer: str, middle: str, inner: str) -> Iterator[tuple[Source, dict[str, Any]]]:
    left = MOST_RECORDS
    for one in _objects(body, outer):
        resource = one.get("resource")
        source = _source(_attributes(resource.get("attributes")) if isinstance(resource, dict) else {})
        for scope in _objects(one, middle):
            for record in _objects(scope, inner):
                if left == 0:
                    return
                left -= 1
                yield source, record


def _objects(of: object, key: str) -> list[dict[str, Any]]:
    found = of.get(key, []) if isinstance(of, dict) else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise WrongTelemetry(f"{key}: expected an array of objects, as OTLP/JSON has it")
    return found


def _source(attributes: Mapping[str, object]) -> Source:
    return Source(
        device=_text(attributes.get("device.id"), 128),
        session=_text(attributes.get("session.id"), 64),
        version=_text(attributes.get("service.version"), 60),
    )


def _attributes(found: object) -> dict[str, object]:
    if not isinstance(found, list):
        return {}
    return {
        str(one.get("key"))[:100]: _value(one.get("value")) for one in found[:100] if isinstance(one, dict)
    }  # fmt: skip


def _value(found: object) -> object:
    """The value in OTLP's wrapper; whole numbers come as text."""
    if not isinstance(found, dict):
        return None
    if "intValue" in found:
        text = str(found["intValue"])
        return int(text) if re.fullmatch(r"-?\d{1,18}", text) else None
    return next((found[key] for key in ("stringValue", "doubleValue", "boolValue") if key in found), None)


def _text(found: object, longest: int) -> str:
    return _UNKEPT.sub("?", found)[:longest] if isinstance(found, str) else ""


def _nanoseconds(found: object) -> int:
    text = str(found)
    return int(text) if re.fullmatch(r"\d{1,20}", text) else 0
