"""Asking, storing, and finding again."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from backend import FLIGHT, Backend
from conftest import Start
from standin import Reply, StandIn


def stored(database_url: str, request_id: str) -> set[str]:
    """The ids stored for this request id, as another process sees them."""
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as database:
        return {row[0] for row in database.execute("SELECT id FROM predictions WHERE request_id = ?", (request_id,))}


def test_answer_is_stored_and_found_by_its_id(backend: Backend) -> None:
    """What `POST` answered is what `GET` with its id answers later."""
    made = backend.predict()
    found = backend.call("GET", f"/api/predictions/{made.json['id']}")
    assert (200, 200) == (made.status, found.status)
    assert made.json == found.json
    expected = FLIGHT | {"departure": "2013-07-04T08:15:00", "probability": 0.31, "model_version": "v1.0"}
    assert expected == {name: made.json[name] for name in expected}


def test_committed_before_answered(backend: Backend, database_url: str, key: str) -> None:
    """Another connection sees the row as soon as the client has its answer."""
    for _ in range(5):
        made = backend.predict(x_request_id=key).json["id"]
        assert made in stored(database_url, key)


def test_unknown_id(backend: Backend) -> None:
    """An id that was never given is a 404 in the common shape."""
    answer = backend.call("GET", "/api/predictions/nothing")
    assert (404, "not_found") == (answer.status, answer.json["error"]["code"])


def test_late_from_the_threshold_on(start: Start) -> None:
    """A probability equal to the threshold is late."""
    assert [True, False] == [
        start(late_threshold=0.31).predict().json["late"],
        start(late_threshold=0.32).predict().json["late"],
    ]


def test_request_id_and_trace_go_along(backend: Backend, model: StandIn) -> None:
    """The caller's request id is echoed, stored, logged and passed on; so is the trace."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = backend.predict(x_request_id="abc-1", traceparent=trace)
    assert "abc-1" == answer.headers["x-request-id"] == answer.json["request_id"]
    assert ("abc-1", trace) == (model.asked[0].headers["x-request-id"], model.asked[0].headers["traceparent"])
    assert ("abc-1", trace) == (backend.lines[-1]["request_id"], backend.lines[-1]["traceparent"])


def test_insane_request_id_is_replaced(backend: Backend, model: StandIn) -> None:
    """An id with strange characters, or one that is too long, is never repeated anywhere."""
    for insane in ('a"b', "a" * 129, " "):
        answer = backend.predict(x_request_id=insane, traceparent="nonsense")
        assert 32 == len(answer.headers["x-request-id"])
        assert answer.headers["x-request-id"] == model.asked[-1].headers["x-request-id"]
        assert "traceparent" not in model.asked[-1].headers


def test_the_model_service_hears_of_the_device(backend: Backend, model: StandIn) -> None:
    """The service's split of versions is by device."""
    backend.predict(x_device_id="device 7/a")
    assert "device 7/a" == model.asked[0].headers["x-device-id"]


@pytest.mark.parametrize("device", ["", " ", "x" * 129, "caf\xe9"])
def test_a_senseless_device_is_not_passed_on(backend: Backend, model: StandIn, device: str) -> None:
    """Only bounded, printable ASCII goes further."""
    assert 200 == backend.predict(x_device_id=device).status
    assert "x-device-id" not in model.asked[0].headers


def test_same_idempotency_key_returns_the_stored_answer(backend: Backend, model: StandIn, key: str) -> None:
    """The second request with a key gets the first one's answer, and the model is not asked again."""
    first = backend.predict(idempotency_key=key)
    spaced = b" " + b'{"carrier": "B6", "origin":"JFK","destination":"LAX","departure":"2013-07-04T08:15"}'
    second = backend.predict(spaced, idempotency_key=key)
    assert first.json == second.json
    assert (None, "true") == (first.headers.get("idempotent-replayed"), second.headers.get("idempotent-replayed"))
    assert 1 == len(model.asked)


def test_idempotency_key_of_another_body(backend: Backend, key: str) -> None:
    """A key belongs to one request body."""
    backend.predict(idempotency_key=key)
    answer = backend.predict(FLIGHT | {"carrier": "AA"}, idempotency_key=key)
    assert (422, "idempotency_key_reused") == (answer.status, answer.json["error"]["code"])


def test_idempotency_key_of_a_failed_request_is_free(backend: Backend, model: StandIn, key: str) -> None:
    """What was never answered with success may be tried again under its key."""
    model.replies.append(Reply(500))
    assert [502, 200] == [backend.predict(idempotency_key=key).status for _ in range(2)]


def test_simultaneous_requests_with_one_key_get_one_answer(backend: Backend, database_url: str, key: str) -> None:
    """Of many at once one is stored and all get it; others in their transactions are not disturbed."""
    with ThreadPoolExecutor(16) as threads:
        keyed = [threads.submit(backend.predict, idempotency_key=key, x_request_id=key) for _ in range(12)]
        plain = [threads.submit(backend.predict, x_request_id=key) for _ in range(12)]
        assert 1 == len({answer.result().json["id"] for answer in keyed})
        assert 12 == len({answer.result().json["id"] for answer in plain})
    assert 13 == len(stored(database_url, key))


def test_malformed_idempotency_key(backend: Backend) -> None:
    """A key that is too long is refused by name."""
    answer = backend.predict(idempotency_key="k" * 256)
    assert (422, "Idempotency-Key") == (answer.status, answer.json["error"]["details"][0]["path"])
