"""What is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from backend import FLIGHT, Answer, Backend
from backend_api.errors import Fault, Problem

# Awkward strings by hand: tables of all of Unicode would cost a second at each build.
TEXT = st.sampled_from(["", "JFK", "jfk", " ", "\x00", "é中😀", '"', "\\", "2013-07-04T08:15", "origin", "x" * 200])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
NEARLY = st.fixed_dictionaries(
    {}, optional={name: JSON | st.just(value) for name, value in FLIGHT.items()} | {"weather": JSON, "arrival": JSON}
)


CONTENT_TYPES = [
    {},
    {"content_type": "application/json"},
    pytest.param({"content_type": "application/problem+json; charset=utf-8"}, marks=pytest.mark.slow),
    pytest.param({"content_type": "application/x-www-form-urlencoded"}, marks=pytest.mark.slow),
]


def fault(answer: Answer) -> Fault:
    """What the answer's body says, which has the common shape."""
    return Problem.model_validate_json(answer.body).error


@given(st.binary(max_size=60) | JSON.map(to_json) | NEARLY.map(to_json))
def test_any_body_is_a_flight_or_a_precise_refusal(shared_backend: Backend, body: bytes) -> None:
    """Whatever arrives, it is a flight, a 400, or a 422 with at least one path."""
    answer = shared_backend.predict(body)
    if answer.status == 200:
        return
    details = fault(answer).details
    assert answer.status == 400 or (answer.status == 422 and details)
    assert all(detail.path and detail.allowed for detail in details)


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"origin": 7}, "origin", "origin: expected a valid string, found 7"),
        ({"carrier": None}, "carrier", "carrier: expected a valid string, found nothing"),
        ({"gate": "A4"}, "gate", "gate: expected no such field, found 'A4'"),
        ({"weather": {"temp": "hot"}}, "weather.temp", "weather.temp: expected a valid number, found 'hot'"),
        ({"weather": {"humid": 101}}, "weather.humid", "weather.humid: expected less than or equal to 100, found 101"),
        ({"weather": {"snow": 1}}, "weather.snow", "weather.snow: expected no such field, found 1"),
        ({"departure": "2013-07-04"}, "departure", "a local date and time without an offset"),
        ({"departure": "2013-07-04T08:15Z"}, "departure", "a local date and time without an offset"),
        ({"departure": "2013-02-30T08:15"}, "departure", "a real local date and time"),
        ({"departure": 1372925700}, "departure", "a local date and time without an offset"),
        ({"arrival": "2013-07-09T08:15"}, "body", "an arrival within 24 hours of the departure"),
    ],
)
def test_message_names_field_and_what_is_allowed(
    backend: Backend, changes: dict[str, object], path: str, message: str
) -> None:
    """The path points at the field, the message says what was found and what is allowed."""
    answer = backend.predict(FLIGHT | changes)
    found = fault(answer)
    assert (422, path) == (answer.status, found.details[0].path)
    assert message in found.message


def test_missing_fields_are_all_named(backend: Backend) -> None:
    """One answer tells everything that is missing."""
    found = fault(backend.predict(b"{}"))
    assert ["origin", "destination", "carrier", "departure"] == [detail.path for detail in found.details]


@pytest.mark.parametrize("changes", [{"origin": "x" * 10_000}, {"x" * 10_000: 1}, {"weather": ["x" * 10_000]}])
def test_large_values_are_not_mirrored(backend: Backend, changes: dict[str, object]) -> None:
    """An answer shows at most 100 characters of what was sent."""
    answer = backend.predict(FLIGHT | changes)
    assert (422, True) == (answer.status, len(answer.body) < 800)


@pytest.mark.parametrize("body", [b"[]", b"null", b"7", b'"JFK"'])
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_json_that_is_no_object(backend: Backend, body: bytes, content_type: dict[str, str]) -> None:
    """It is a 422 that asks for one."""
    answer = backend.predict(body, **content_type)
    assert (422, "body") == (answer.status, fault(answer).details[0].path)
    assert "expected an object" in fault(answer).message


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_halves_of_characters(backend: Backend, content_type: dict[str, str]) -> None:
    """JSON can escape what is no text: such a name or value is refused, and the answer is JSON."""
    body = b'{"\\ud800": 1, "origin": "\\ud800", "destination": "LAX", "carrier": "B6", "departure": "\\udfff"}'
    answer = backend.predict(body, **content_type)
    assert answer.status in (400, 422)
    assert fault(answer).message


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_every_body_is_read_as_json(backend: Backend, content_type: dict[str, str]) -> None:
    """Whatever its content type says, as `curl -d` says something else."""
    assert 200 == backend.predict(FLIGHT, **content_type).status


DEEP = b"[" * 20_000


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"origin": }', DEEP, b"1" * 5_000])
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_not_json(backend: Backend, body: bytes, content_type: dict[str, str]) -> None:
    """A body that is not JSON is a 400 in the common shape, with the request id."""
    answer = backend.predict(body, **content_type)
    problem: dict[str, Any] = answer.json
    assert (400, "invalid_json") == (answer.status, problem["error"]["code"])
    assert answer.headers["x-request-id"] == problem["request_id"]
