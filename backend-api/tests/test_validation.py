"""What is refused, and in which words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import to_json

from backend import FLIGHT, Backend
from backend_api.errors import ApiError, Problem, from_validation
from backend_api.models.prediction import Flight

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


def refused(body: bytes) -> ApiError | None:
    """Our error for this body, or None when it is a flight."""
    try:
        Flight.model_validate_json(body)
    except ValidationError as error:
        return from_validation(error)
    return None


@given(st.binary(max_size=60) | JSON.map(to_json) | NEARLY.map(to_json))
def test_any_body_is_a_flight_or_a_precise_refusal(body: bytes) -> None:
    """Whatever arrives, the answer is a flight, a 400, or a 422 with at least one path."""
    error = refused(body)
    if error is None:
        return
    assert error.status == 400 or (error.status == 422 and all(d.path and d.allowed for d in error.details))
    answer = Problem.model_validate_json(bytes(error.response("r").body))
    assert error.code == answer.error.code


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
def test_message_names_field_and_what_is_allowed(changes: dict[str, object], path: str, message: str) -> None:
    """The path points at the field, the message says what was found and what is allowed."""
    error = refused(to_json(FLIGHT | changes))
    assert error is not None
    assert (422, path) == (error.status, error.details[0].path)
    assert message in error.message


def test_missing_fields_are_all_named() -> None:
    """One answer tells everything that is missing."""
    error = refused(b"{}")
    assert error is not None
    assert ["origin", "destination", "carrier", "departure"] == [detail.path for detail in error.details]


def test_large_values_are_not_mirrored() -> None:
    """An answer shows at most 100 characters of what was sent."""
    error = refused(to_json(FLIGHT | {"origin": "x" * 10_000}))
    assert error is not None
    assert len(error.message) < 400


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"origin": }'])
def test_not_json(backend: Backend, body: bytes) -> None:
    """A body that is not JSON is a 400 in the common shape, with the request id."""
    answer = backend.predict(body)
    problem: dict[str, Any] = answer.json
    assert (400, "invalid_json") == (answer.status, problem["error"]["code"])
    assert answer.headers["x-request-id"] == problem["request_id"]
