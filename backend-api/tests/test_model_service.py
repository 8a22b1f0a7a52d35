"""The backend against a model service that is late, away, or lying."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from backend import Backend
from conftest import Start
from standin import PREDICTION, Reply, StandIn


def test_one_connection_serves_many_requests(backend: Backend, model: StandIn) -> None:
    """Connections are kept alive and used again."""
    assert {200} == {backend.predict().status for _ in range(5)}
    assert 1 == model.connections


@pytest.mark.parametrize("status", [502, 503, 504])
def test_passing_faults_are_retried(backend: Backend, model: StandIn, status: int) -> None:
    """Two bad gateways in a row are not seen by the client."""
    model.replies.extend([Reply(status), Reply(status)])
    assert 200 == backend.predict().status
    assert 3 == len(model.asked)


def test_retries_are_bounded(backend: Backend, model: StandIn) -> None:
    """A model service that stays unavailable is a 503 that says when to come back."""
    model.default = Reply(503)
    answer = backend.predict()
    assert (503, "model_unavailable", "1") == (
        answer.status,
        answer.json["error"]["code"],
        answer.headers["retry-after"],
    )
    assert 3 == len(model.asked)


def test_nobody_listens(start: Start) -> None:
    """A refused connection is a 503, and the log names the reason."""
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    backend = start(model_service_url=f"http://127.0.0.1:{port}")
    assert 503 == backend.predict().status
    assert "could not be reached" in backend.lines[-1]["message"]


def test_hanging_up_is_retried(backend: Backend, model: StandIn) -> None:
    """A connection that breaks before its answer costs the client nothing."""
    model.replies.extend([Reply(hang_up=True), Reply(hang_up=True)])
    assert 200 == backend.predict().status


def test_breaking_off_within_the_answer_is_retried(backend: Backend, model: StandIn) -> None:
    """Half an answer is no answer."""
    model.replies.append(Reply(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", close_after=True))
    assert 200 == backend.predict().status


@pytest.mark.parametrize("more", [Reply().render(), b"HTTP/1.1 2"])
def test_more_than_was_asked_for_is_thrown_away(backend: Backend, model: StandIn, more: bytes) -> None:
    """Whatever follows an answer is nobody's, the next request has its own."""
    model.replies.append(Reply(raw=Reply().render() + more))
    assert [200, 200] == [backend.predict().status for _ in range(2)]


def test_connections_that_died_idle_are_not_noticed(start: Start, model: StandIn) -> None:
    """After the model service's restart the first request succeeds, even without any retry to spend."""
    backend = start(model_retries=0)
    backend.predict()
    model.drop_connections()
    assert 200 == backend.predict().status


def test_slow_model_service(start: Start, model: StandIn) -> None:
    """A request waits no longer than the read timeout and is not sent again."""
    gate = threading.Event()
    model.default = Reply(gate=gate)
    backend = start(model_read_timeout=0.2)
    began = time.monotonic()
    answer = backend.predict()
    assert (503, "model_unavailable") == (answer.status, answer.json["error"]["code"])
    assert time.monotonic() - began < 5
    assert 1 == len(model.asked)
    gate.set()


def test_deadline_covers_all_attempts(start: Start, model: StandIn) -> None:
    """However many retries are allowed, the deadline ends them."""
    model.default = Reply(503)
    backend = start(model_retries=10, model_retry_pause=0.1, model_deadline=0.3)
    assert 503 == backend.predict().status
    assert len(model.asked) < 11


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(422, {"error": {"message": "instances[0].temp: unknown"}}), "it is a 422"),
        (Reply(500), "it is a 500"),
        (Reply(302), "it is a 302"),
        (Reply(body=b"<html>"), "Invalid JSON"),
        (Reply(body={}), "model_version: Field required"),
        (Reply(body=PREDICTION | {"predictions": []}), "predictions"),
        (Reply(body=PREDICTION | {"predictions": [0.1, 0.2]}), "predictions"),
        (Reply(body=PREDICTION | {"predictions": [1.5]}), "predictions.0"),
        (Reply(body=PREDICTION | {"predictions": ["0.3"]}), "predictions.0"),
        (Reply(body=b'{"model_version": "v1", "predictions": [NaN]}'), "predictions.0"),
        (Reply(raw=b"SMTP ready\r\n\r\n"), "not an HTTP/1.1 answer"),
        (Reply(body=b"x" * 300_000), "larger than"),
    ],
)
def test_lying_model_service(backend: Backend, model: StandIn, reply: Reply, reason: str) -> None:
    """Nonsense is a 502 that says what was wrong with it, is not stored, and the next request works."""
    model.replies.append(reply)
    answer = backend.predict()
    assert (502, "model_answer_invalid") == (answer.status, answer.json["error"]["code"])
    assert reason in answer.json["error"]["message"]
    assert 200 == backend.predict().status


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        b'2e\r\n{"model_version": "v2", "predictions": [0.25]}\r\n0\r\n\r\n',
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 46\r\nconnection: close\r\n\r\n"
        b'{"model_version": "v2", "predictions": [0.25]}',
    ],
)
def test_other_forms_of_an_answer(backend: Backend, model: StandIn, raw: bytes) -> None:
    """Chunked answers, interim answers and closing connections are understood."""
    model.replies.append(Reply(raw=raw))
    assert 0.25 == backend.predict().json["probability"]
    assert 0.31 == backend.predict().json["probability"]


def test_answer_after_the_answer_is_never_taken_for_the_next(backend: Backend, model: StandIn) -> None:
    """What the other side sends beyond its answer ends the connection."""
    second = Reply(body={"model_version": "evil", "predictions": [0.99]}).render()
    model.replies.append(Reply(raw=Reply().render() + second))
    assert ["v1.0", "v1.0"] == [backend.predict().json["model_version"] for _ in range(2)]
    assert 2 == model.connections


@pytest.mark.parametrize("status", [200, 503])
def test_answer_that_nobody_asked_for_is_never_taken(backend: Backend, model: StandIn, status: int) -> None:
    """One that comes while a connection is idle ends that connection, and the next request has its own answer."""
    backend.predict()
    model.say(Reply(status, {"model_version": "evil", "predictions": [0.99]}).render())
    assert ["v1.0", "v1.0"] == [backend.predict().json["model_version"] for _ in range(2)]
    assert 2 == model.connections
