"""What can be asked about, and a flight's day by the hour."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest

from backend import FLIGHT, Answer, Backend
from conftest import Start
from standin import PREDICTION, Reply, StandIn

DAY = list(range(6, 24))
"""The hours in which something leaves JFK, by the reference file's delays."""


def outlook(backend: Backend, headers: dict[str, str] | None = None, **changes: object) -> Answer:
    """The usual flight's day, with changes of the query."""
    query = {name: value for name, value in (FLIGHT | changes).items() if value is not None}
    return backend.call("GET", f"/api/outlook?{urlencode(query)}", headers=headers)


def scored(count: int) -> Reply:
    """The model's answer for so many rows: 0.00, 0.01, 0.02 …"""
    return Reply(body=PREDICTION | {"predictions": [row / 100 for row in range(count)]})


def test_places_by_name(backend: Backend) -> None:
    """Airports and airlines with their codes, and each of them can be asked about."""
    places = backend.call("GET", "/api/places").json
    assert {"code": "JFK", "name": "John F Kennedy Intl"} in places["origins"]
    assert {"code": "LAX", "name": "Los Angeles Intl"} in places["destinations"]
    assert {"code": "B6", "name": "JetBlue Airways"} in places["carriers"]
    last = FLIGHT | {
        field: places[kind][-1]["code"]
        for field, kind in (("origin", "origins"), ("destination", "destinations"), ("carrier", "carriers"))
    }
    assert 200 == backend.predict(last).status


def test_places_are_kept_by_clients(backend: Backend) -> None:
    """A client that has them gets no body; one that has others, or none, gets all."""
    first = backend.call("GET", "/api/places")
    assert "public, max-age=3600" == first.headers["cache-control"]
    tag = first.headers["etag"]
    for names in (tag, f"W/{tag}", f'"old", {tag}', "*"):
        again = backend.call("GET", "/api/places", headers={"if-none-match": names})
        assert (304, b"", tag) == (again.status, again.body, again.headers["etag"])
    other = backend.call("GET", "/api/places", headers={"if-none-match": '"old"'})
    assert (200, first.body) == (other.status, other.body)


def test_day_by_the_hour_in_one_call(backend: Backend, model: StandIn) -> None:
    """Every hour in which something leaves, at the minute that was asked about, by one request of the model."""
    model.replies.append(scored(len(DAY)))
    answer = outlook(backend).json
    expected = [{"departure": f"2013-07-04T{hour:02}:15:00", "probability": row / 100} for row, hour in enumerate(DAY)]
    assert {"model_version": "v1.0", "hours": expected} == answer
    (asked,) = model.asked
    assert [hour * 60 + 15 for hour in DAY] == [row["departure_minute"] for row in asked.instances]


def test_own_hour_is_asked_as_its_prediction_is(backend: Backend, model: StandIn) -> None:
    """So both have the same probability, also at an hour in which nothing leaves."""
    for departure, count in ((FLIGHT["departure"], len(DAY)), ("2013-07-04T03:59", 1 + len(DAY))):
        model.reset()
        model.replies.append(scored(count))
        hours = outlook(backend, departure=departure).json["hours"]
        own = [hour["departure"] for hour in hours].index(f"{departure}:00")
        backend.predict(FLIGHT | {"departure": departure})
        assert model.asked[0].instances[own] == model.asked[1].instance


def test_model_learns_what_an_outlook_is_for(backend: Backend, model: StandIn) -> None:
    """The device keeps its model version; what is captured is told from questions, and no label can be joined to it."""
    model.replies.append(scored(len(DAY)))
    outlook(backend, {"x-device-id": "phone-7"})
    headers = model.asked[0].headers
    assert ("phone-7", "monitor=ignore") == (headers["x-device-id"], headers["x-amzn-sagemaker-custom-attributes"])
    assert "x-amzn-sagemaker-inference-id" not in headers


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"origin": "XXX"}, "origin"),
        ({"origin": "jfk"}, "origin"),
        ({"destination": "JFK"}, "destination"),
        ({"carrier": None}, "carrier"),
        ({"departure": "2013-07-04T08:15Z"}, "departure"),
        ({"departure": "2013-02-30T08:15"}, "departure"),
        ({"hour": "8"}, "hour"),
    ],
)
def test_wrong_query(backend: Backend, model: StandIn, changes: dict[str, object], path: str) -> None:
    """What a flight's question refuses, the query refuses in the same words; the model is not asked."""
    answer = outlook(backend, **changes)
    assert (422, "invalid_request") == (answer.status, answer.json["error"]["code"])
    assert path == answer.json["error"]["details"][0]["path"]
    assert [] == model.asked


@pytest.mark.parametrize(("reply", "status"), [(scored(1), 502), (scored(25), 502), (Reply(503), 503)])
def test_model_fails(start: Start, model: StandIn, reply: Reply, status: int) -> None:
    """An answer for another number of rows is not usable; a model that is away is a 503 that says when to come back."""
    model.default = reply
    answer = outlook(start())
    assert (status, "1" if status == 503 else None) == (answer.status, answer.headers.get("retry-after"))
