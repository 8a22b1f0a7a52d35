"""A route that does not answer is left alone for a while, so that its clients don't wait for it one after another."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend import Backend, wait_for
from backend_api.model_client import route as route_module
from backend_api.model_client.route import FAILURES_TO_OPEN
from conftest import Start
from standin import Reply, StandIn
from test_two_routes import BOTH, ROUTES, percent_for, standins

# A build's rollout waits for its tests: these run where time matters less.
pytestmark = pytest.mark.slow

AWAY = Reply(503)
QUICK: dict[str, Any] = {**BOTH, "model_retries": 0}


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds answers back until it is set, which it is at the end."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Probes follow one another closely."""
    monkeypatch.setattr(route_module, "COOL_DOWN", 0.3)


def breakers(backend: Backend) -> tuple[str, str]:
    """The states of both routes, HTTP first."""
    routes = backend.figures()["routes"]
    return routes["http"]["breaker"], routes["sagemaker"]["breaker"]


def state(backend: Backend, route: str) -> str:
    return breakers(backend)[ROUTES.index(route)]


def told(backend: Backend) -> list[tuple[str, str, str]]:
    """What the log has of breakers."""
    return [(line["level"], line["route"], line["state"]) for line in backend.logged("model_route_breaker")]


def predictions(backend: Backend) -> list[dict[str, Any]]:
    """The log lines of `predict`."""
    return [line for line in backend.logged("request") if line["path"] == "/api/predict"]


def predicted(backend: Backend, times: int) -> list[int]:
    return [backend.predict().status for _ in range(times)]


@pytest.mark.parametrize("route", ROUTES)
def test_a_slow_route_costs_few_clients_the_read_timeout(
    start: Start, model: StandIn, endpoint: StandIn, gate: threading.Event, route: str
) -> None:
    """Five clients in a row wait for it; all others have the other one's answer at once, and the log says why."""
    own, other = standins(route, model, endpoint)
    own.default = Reply(gate=gate)
    backend = start(**BOTH, model_sagemaker_percent=percent_for(route), model_read_timeout=0.2)
    assert [200] * 20 == predicted(backend, 20)
    assert (FAILURES_TO_OPEN, 20) == (len(own.asked), len(other.asked))
    assert all(line["ms"] > 199 for line in predictions(backend)[:FAILURES_TO_OPEN])
    spared = ["was not asked" in line["model_fell_back"] for line in predictions(backend)]
    assert [False] * FAILURES_TO_OPEN + [True] * 15 == spared
    figures = backend.figures()["routes"][route]
    assert (5, 5, 20, "open") == tuple(figures[name] for name in ("asked", "failed", "fell_back", "breaker"))
    assert [("warning", route, "open")] == told(backend)
    assert "did not answer within 0.2 s" in backend.logged("model_route_breaker")[0]["message"]
    assert "was not asked: its breaker is open" in predictions(backend)[-1]["model_fell_back"]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("route", ROUTES)
def test_one_client_probes(start: Start, model: StandIn, endpoint: StandIn, gate: threading.Event, route: str) -> None:
    """After the cool-down one client waits for the route, nobody else does, and its answer brings all of them back."""
    own, other = standins(route, model, endpoint)
    own.default = AWAY
    backend = start(**QUICK, model_sagemaker_percent=percent_for(route), model_read_timeout=8, model_deadline=9)
    assert [200] * 5 == predicted(backend, 5)
    own.default = Reply(gate=gate)
    with ThreadPoolExecutor(1) as thread:
        # One after the other, until one of them is the probe, which waits.
        probing = thread.submit(wait_for, lambda: backend.predict() and len(own.asked) > 5)
        wait_for(lambda: len(own.asked) == 6)
        assert ([200] * 10, "half_open") == (predicted(backend, 10), state(backend, route))
        assert 6 == len(own.asked)
        gate.set()
        probing.result(10)
    asked = len(other.asked)
    assert ([200] * 10, "closed") == (predicted(backend, 10), state(backend, route))
    assert (16, asked) == (len(own.asked), len(other.asked))
    assert {200} == {line["status"] for line in predictions(backend)}
    assert [("warning", route, "open"), ("info", route, "closed")] == told(backend)


@pytest.mark.usefixtures("soon")
def test_a_slow_route_costs_one_client_each_cool_down(
    start: Start, model: StandIn, endpoint: StandIn, gate: threading.Event
) -> None:
    """While it stays slow, as many clients wait as there were cool-downs, and the log says nothing more."""
    model.default = Reply(gate=gate)
    backend = start(**BOTH, model_read_timeout=0.1, model_deadline=60)
    began = time.monotonic()
    assert [200] * 5 == predicted(backend, 5)
    with ThreadPoolExecutor(4) as threads:
        while len(model.asked) < 8:
            assert {200} == {answer.status for answer in threads.map(lambda _: backend.predict(), range(4))}
            assert time.monotonic() < began + 60
    # Eight read timeouts and a cool-down before each of the last three, less what the loop's clock rounds.
    assert time.monotonic() - began > 8 * 0.1 + 3 * 0.3 - 0.05
    assert [("warning", "http", "open")] == told(backend)


def test_both_routes_away(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """With both left alone a client's own route is still asked, then the other; an answer brings either back."""
    model.default = endpoint.default = AWAY
    backend = start(**QUICK)
    assert [503] * 10 == predicted(backend, 10)
    assert ("open", "open") == breakers(backend)
    asked = len(model.asked), len(endpoint.asked)
    messages = [backend.predict().json["error"]["message"] for _ in range(10)]
    assert (asked[0] + 10, asked[1] + 10) == (len(model.asked), len(endpoint.asked))
    assert {True} == {message.startswith("the model service answered 503, and the Sage") for message in messages}
    endpoint.default = Reply()
    assert (200, ("open", "closed")) == (backend.predict().status, breakers(backend))
    model.default = Reply()
    assert (200, ("open", "closed")) == (backend.predict().status, breakers(backend))
    endpoint.default = AWAY
    assert (200, ("closed", "closed")) == (backend.predict().status, breakers(backend))
    assert "http" == predictions(backend)[-1]["model_route"]


def test_the_own_route_is_asked_when_the_other_fails(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """A client who was spared an open route is sent to it after all where the other one is away."""
    model.default = AWAY
    backend = start(**QUICK)
    predicted(backend, 5)
    model.default, endpoint.default = Reply(), AWAY
    answer = backend.predict()
    assert (200, ("closed", "closed")) == (answer.status, breakers(backend))
    line = predictions(backend)[-1]
    reason = "the SageMaker endpoint ontime answered 503 (without an error type)"
    assert ("http", reason) == (line["model_route"], line["model_fell_back"])
    assert 5 == backend.figures()["routes"]["http"]["fell_back"]


def test_an_answer_that_is_no_use_is_an_answer(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """Neither nonsense nor the model's own "no" opens, and either ends a row of failures."""
    backend = start(**QUICK)
    for reply in (Reply(302), Reply(body={}), Reply(422, {"error": "instances[0].temp"})):
        model.default = reply
        assert [502] * 6 == predicted(backend, 6)
        model.default = AWAY
        assert [200] * 4 == predicted(backend, 4)
    assert (30, ("closed", "closed")) == (len(model.asked), breakers(backend))
    assert [] == told(backend)


def test_a_failure_as_the_second_does_not_count(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """What a route can't answer in the time that another one left says little about it."""
    model.default = endpoint.default = AWAY
    backend = start(**QUICK)
    assert [503] * 5 == predicted(backend, 5)
    assert ("open", "closed") == breakers(backend)


@pytest.mark.parametrize("route", ROUTES)
def test_one_route_alone_has_no_breaker(start: Start, model: StandIn, endpoint: StandIn, route: str) -> None:
    """Where there is no other route each request asks the one that there is, however often that failed."""
    alone = {
        "http": {"model_retries": 0},
        "sagemaker": {**QUICK, "model_service_url": None, "model_sagemaker_percent": 100},
    }
    own, _ = standins(route, model, endpoint)
    own.default = AWAY
    backend = start(**alone[route])
    assert [503] * 12 == predicted(backend, 12)
    assert 12 == len(own.asked)
    assert "breaker" not in backend.figures()["routes"][route]
    assert [] == told(backend)


def test_failed_comparisons_open_nothing(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """However many fail, the endpoint's breaker stays closed: they change no client's answer."""
    endpoint.default = AWAY
    backend = start(**QUICK, model_compare_percent=100)
    for _ in range(10):
        backend.predict()
    wait_for(lambda: backend.figures()["comparison"]["failed"] == 10)
    assert ("closed", "closed") == breakers(backend)


def test_comparisons_leave_an_open_route_alone(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """In the cool-down no comparison asks it."""
    model.default = AWAY
    # By the hash of their names the endpoint answers the one and the model service the other.
    backend = start(**QUICK, model_compare_percent=100, model_sagemaker_percent=50)
    assert [200] * 5 == [backend.predict(x_device_id="device-0").status for _ in range(5)]
    assert ("open", "closed") == breakers(backend)
    assert [200] * 10 == [backend.predict(x_device_id="device-1").status for _ in range(10)]
    assert (5, 10) == (len(model.asked), backend.figures()["comparison"]["dropped"])


@pytest.mark.usefixtures("soon")
def test_a_comparison_may_probe(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """A route that no client asks first is closed again by a comparison; one that fails leaves it open."""
    model.default = AWAY
    backend = start(**QUICK, model_compare_percent=100, model_sagemaker_percent=50)
    assert [200] * 5 == [backend.predict(x_device_id="device-0").status for _ in range(5)]

    def asked_by_a_comparison(more_than: int) -> bool:
        backend.predict(x_device_id="device-1")
        return len(model.asked) > more_than

    wait_for(lambda: asked_by_a_comparison(more_than=5))
    wait_for(lambda: state(backend, "http") == "open")
    model.default = Reply()
    asked = len(model.asked)
    wait_for(lambda: asked_by_a_comparison(more_than=asked))
    wait_for(lambda: state(backend, "http") == "closed")
    assert [("warning", "http", "open"), ("info", "http", "closed")] == told(backend)
