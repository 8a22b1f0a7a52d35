"""What the app's program tells is believed in nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shipway.core.errors import UsageError
from shipway.replay.events import MonthOver, Outcome, Records, Request, Upload, read


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            {"event": "upload", "month": "2020-02", "table": "parcels", "file": "parcels/a.csv"},
            Upload("2020-02", "parcels", "parcels/a.csv"),
        ),
        (
            {"event": "records", "at": "noon", "group": "scale", "records": [{"scale": "a"}]},
            Records("scale", ({"scale": "a"},), "noon"),
        ),
        ({"event": "request", "id": "7", "device": "d-1", "body": {"x": 1}}, Request("7", "d-1", b'{"x":1}')),
        ({"event": "outcome", "id": "7", "body": True, "label": 1}, Outcome("7", b"true", 1)),
        ({"event": "month", "month": "2020-02"}, MonthOver("2020-02")),
    ],
)
def test_events_are_read(told: dict[str, Any], expected: object) -> None:
    """Each kind, from its line."""
    assert expected == read(json.dumps(told).encode(), 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 3: Expecting property name"),
        ("[]", "expected a JSON object"),
        ('{"event": "reqest"}', "event: found 'reqest', allowed are upload, records, request, outcome, month"),
        ('{"event": "request", "id": "7"}', "body is missing"),
        ('{"event": "request", "id": 7, "body": 1}', "id: expected a text"),
        ('{"event": "request", "id": "7", "device": "a\\r\\nx: y", "body": 1}', "device: expected 1 to 128 visible"),
        ('{"event": "outcome", "id": "7", "body": 1, "label": 2}', "label: found 2, allowed are 0 and 1"),
        ('{"event": "month", "month": "2020-13"}', "month: '2020-13' is none"),
        ('{"event": "records", "group": "scale", "records": []}', "records: expected a list of 1 to 100 objects"),
        ('{"event": "records", "group": "scale", "records": [1]}', "records: expected a list of objects"),
        ('{"event": "upload", "month": "2020-02", "table": "p", "file": "../p"}', "does not lie below the folder"),
        ('{"event": "upload", "month": "2020-02", "table": "p/q", "file": "p"}', "table: 'p/q' is no name"),
    ],
)
def test_a_mistake_is_named_with_its_line(line: str, said: str) -> None:
    """What was found, what is allowed, and the line itself."""
    with pytest.raises(UsageError) as raised:
        read(line.encode(), 3)
    assert said in raised.value.what
    assert raised.value.what.startswith("the replay's program, line 3: ")
