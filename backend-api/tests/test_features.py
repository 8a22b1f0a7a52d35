"""From flight to features, as training/README.md says."""

from __future__ import annotations

import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend import FLIGHT
from backend_api.errors import ApiError
from backend_api.features import Reference
from backend_api.live import Known
from backend_api.models.prediction import Flight, Weather

REFERENCE = Reference.load()
WEATHER = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
FEATURES = {
    *("carrier", "origin", "dest", "distance", "day_of_week", "departure_minute", "arrival_minute", "clock_minutes"),
    *WEATHER,
    "wind_dir",
    *("airport_delay", "airport_late_share"),
}
FLIGHTS = st.builds(
    Flight,
    origin=st.sampled_from(sorted(REFERENCE.origins)),
    destination=st.sampled_from(sorted(set(REFERENCE.destinations) - set(REFERENCE.origins))),
    carrier=st.sampled_from(sorted(REFERENCE.carriers)),
    departure=st.datetimes(),
    weather=st.none() | st.builds(Weather, temp=st.none() | st.floats(-50, 130)),
)


def flight(**changes: object) -> Flight:
    """The usual flight with changes."""
    return Flight.model_validate(FLIGHT | changes)


@given(FLIGHTS)
def test_every_known_flight_has_every_feature(asked: Flight) -> None:
    """All 18 features are there; numbers are finite; only what the contract allows is null."""
    row = REFERENCE.features(asked, Known())
    assert row.keys() == FEATURES
    assert all(value is None or isinstance(value, str) or math.isfinite(value) for value in row.values())
    assert None not in (row["origin"], row["day_of_week"], row["departure_minute"])
    if asked.weather is not None and asked.weather.temp is not None:
        assert asked.weather.temp == row["temp"]


def test_schedule_and_route() -> None:
    """Thursday 4 July 2013, 08:15, from JFK to LAX, with the figures of the reference file."""
    row = REFERENCE.features(flight(), Known())
    route = REFERENCE.routes["JFK-LAX"]
    assert route.clock_minutes is not None
    expected = {
        "carrier": "B6",
        "origin": "JFK",
        "dest": "LAX",
        "day_of_week": 4,
        "departure_minute": 495,
        "distance": route.distance,
        "clock_minutes": route.clock_minutes,
        "arrival_minute": (495 + route.clock_minutes) % 1440,
        "airport_delay": REFERENCE.airport["JFK"].airport_delay[8],
    }
    assert expected == {name: row[name] for name in expected}


def test_climate_of_the_month_and_hour() -> None:
    """Without overrides the weather is the reference file's for origin, month and hour."""
    row = REFERENCE.features(flight(), Known())
    assert list(REFERENCE.weather["JFK"][6][8]) == [row[name] for name in WEATHER]


def test_weather_known_by_the_client() -> None:
    """What the client tells replaces the climate, one figure at a time; null is the same as not telling."""
    climate = REFERENCE.features(flight(), Known())
    row = REFERENCE.features(flight(weather={"wind_dir": 270, "temp": 95.5, "precip": None}), Known())
    assert (None, 270) == (climate["wind_dir"], row["wind_dir"])
    assert climate | {"wind_dir": 270, "temp": 95.5} == row


def test_arrival_given_by_the_client() -> None:
    """A scheduled arrival past midnight counts on the clock, not on the calendar."""
    row = REFERENCE.features(flight(departure="2013-07-04T23:30", arrival="2013-07-05T01:45"), Known())
    assert (105, 135) == (row["arrival_minute"], row["clock_minutes"])


def test_unknown_route_is_null_not_an_error() -> None:
    """Two known airports without a known route between them: distance and clock are missing values."""
    known = REFERENCE.routes
    pair = next((o, d) for o in REFERENCE.origins for d in REFERENCE.destinations if o != d and f"{o}-{d}" not in known)
    row = REFERENCE.features(flight(origin=pair[0], destination=pair[1]), Known())
    assert (None, None, None) == (row["distance"], row["clock_minutes"], row["arrival_minute"])


@pytest.mark.parametrize(
    ("changes", "path", "allowed"),
    [
        ({"origin": "SFO"}, "origin", "one of EWR, JFK, LGA"),
        ({"destination": "XXX"}, "destination", "known destinations"),
        ({"carrier": "ZZ"}, "carrier", "one of "),
    ],
)
def test_unknown_names_are_refused(changes: dict[str, object], path: str, allowed: str) -> None:
    """An airport or airline that the model never saw is a 422 that lists what is allowed."""
    with pytest.raises(ApiError) as refused:
        REFERENCE.features(flight(**changes), Known())
    assert (422, path) == (refused.value.status_code, refused.value.fault.details[0].path)
    assert allowed in refused.value.fault.details[0].allowed


def test_reference_file_is_recent_in_shape() -> None:
    """Departures at every hour of the year can be looked up."""
    for month in range(1, 13):
        for hour in range(24):
            REFERENCE.features(flight(departure=datetime(2013, month, 1, hour).isoformat()), Known())
