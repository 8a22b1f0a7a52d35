"""The backend while it has both routes (option C): who goes where, and what happens when one route is away."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from backend import wait_for
from backend_api.model_client import client
from backend_api.model_client.share import in_share
from conftest import Start
from standin import PREDICTION, Reply, StandIn

# A build's rollout waits for its tests: these run where time matters less.
pytestmark = pytest.mark.slow

DEVICES = [f"device-{number}" for number in range(16)]
BOTH: dict[str, Any] = {"sagemaker_endpoint": "ontime"}
ROUTES = ["http", "sagemaker"]


def percent_for(route: str) -> int:
    """The setting that sends every client by this route."""
    return 100 if route == "sagemaker" else 0


def standins(route: str, model: StandIn, endpoint: StandIn) -> tuple[StandIn, StandIn]:
    """What is behind the clients' own route, and behind the other."""
    return (endpoint, model) if route == "sagemaker" else (model, endpoint)


@pytest.mark.parametrize("percent", [0, 50, 100])
def test_percent_of_the_devices(start: Start, model: StandIn, endpoint: StandIn, percent: int) -> None:
    """Each device goes by the route of its share, in every request, and the log line names the route."""
    backend = start(**BOTH, model_sagemaker_percent=percent)
    for device in DEVICES * 2:
        assert 200 == backend.predict(x_device_id=device).status
    chosen = [device for device in DEVICES if in_share(device, percent)]
    rest = [device for device in DEVICES if device not in chosen]
    assert chosen * 2 == [asked.headers["x-device-id"] for asked in endpoint.asked]
    assert rest * 2 == [asked.headers["x-device-id"] for asked in model.asked]
    expected = ["sagemaker" if in_share(device, percent) else "http" for device in DEVICES * 2]
    assert expected == [line["model_route"] for line in backend.logged("request")]


def test_without_a_device_the_request_decides(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """A client that tells no device, or a senseless one, is one of its requests: a repeated id goes the same way."""
    backend = start(**BOTH, model_sagemaker_percent=50)
    for number in range(20):
        backend.predict(x_request_id=f"request-{number}")
        backend.predict(x_request_id=f"request-{number}", x_device_id="x" * 129)
    expected = [f"request-{number}" for number in range(20) if in_share(f"request-{number}", 50)]
    found = [asked.headers["x-request-id"] for asked in endpoint.asked]
    assert expected == found[::2] == found[1::2]
    assert 40 == len(model.asked) + len(endpoint.asked)


FAULTS = [
    pytest.param(Reply(503), id="unavailable"),
    pytest.param(Reply(hang_up=True), id="hangs up"),
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_other_route_answers_for_one_that_is_away(
    start: Start, model: StandIn, endpoint: StandIn, route: str, fault: Reply
) -> None:
    """No client loses a request to a route that is away; it is counted and logged."""
    own, other = standins(route, model, endpoint)
    own.default = fault
    backend = start(**BOTH, model_sagemaker_percent=percent_for(route))
    assert [200] * 3 == [backend.predict().status for _ in range(3)]
    assert 3 == len(other.asked)
    (second,) = set(ROUTES) - {route}
    figures = backend.figures()["routes"]
    assert (3, 3, 3) == tuple(figures[route][name] for name in ("asked", "failed", "fell_back"))
    assert (3, 0, 0) == tuple(figures[second][name] for name in ("asked", "failed", "fell_back"))
    line = backend.logged("request")[0]
    assert (second, True) == (line["model_route"], bool(line["model_fell_back"]))


def test_nobody_listens_at_the_model_service(start: Start, endpoint: StandIn) -> None:
    """A refused connection is a route that is away."""
    backend = start(**BOTH, model_service_url="http://127.0.0.1:1")
    assert 200 == backend.predict().status
    assert "could not be reached" in backend.lines[-1]["model_fell_back"]


def test_an_endpoint_that_is_gone(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """SageMaker's own refusal says nothing about the request: the model service is asked."""
    endpoint.default = Reply(400, {"message": "Endpoint ontime not found"}, {"x-amzn-ErrorType": "ValidationError"})
    backend = start(**BOTH, model_sagemaker_percent=100)
    assert (200, 1, 1) == (backend.predict().status, len(endpoint.asked), len(model.asked))


@pytest.mark.usefixtures("found_anew")
def test_without_credentials(start: Start, model: StandIn, endpoint: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that can't be asked for want of credentials costs no client a request."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    backend = start(**BOTH, model_sagemaker_percent=100)
    assert (200, 0, 1) == (backend.predict().status, len(endpoint.asked), len(model.asked))


@pytest.mark.parametrize("route", ROUTES)
def test_the_other_route_answers_for_a_slow_one(start: Start, model: StandIn, endpoint: StandIn, route: str) -> None:
    """What is left of the deadline after the read timeout is the other route's."""
    gate = threading.Event()
    own, other = standins(route, model, endpoint)
    own.default = Reply(gate=gate)
    backend = start(**BOTH, model_sagemaker_percent=percent_for(route), model_read_timeout=0.1)
    assert (200, 1, 1) == (backend.predict().status, len(own.asked), len(other.asked))
    gate.set()


@pytest.mark.parametrize("route", ROUTES)
def test_the_last_route_is_waited_for_beyond_the_read_timeout(
    start: Start, model: StandIn, endpoint: StandIn, route: str
) -> None:
    """Giving it up would help nobody: a busy machine's late answer is an answer, also while a breaker is open."""
    own, other = standins(route, model, endpoint)
    gate = threading.Event()
    own.default, other.default = Reply(gate=gate), Reply(delay=0.2)
    backend = start(**BOTH, model_sagemaker_percent=percent_for(route), model_read_timeout=0.1, model_deadline=20)
    assert [200] * 6 == [backend.predict().status for _ in range(6)]
    assert "open" == backend.figures()["routes"][route]["breaker"]
    gate.set()


def test_deadline_covers_both_routes(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """With both routes slow the client has its 503 by the deadline, and it names both."""
    gate = threading.Event()
    model.default = endpoint.default = Reply(gate=gate)
    backend = start(**BOTH, model_read_timeout=0.2, model_deadline=1)
    began = time.monotonic()
    answer = backend.predict()
    # Both would hold it for ten seconds. The loop's clock may be a little behind.
    assert 0.95 < time.monotonic() - began < 9
    assert (503, "model_unavailable") == (answer.status, answer.json["error"]["code"])
    assert "the model service did not answer" in answer.json["error"]["message"]
    assert "and the SageMaker endpoint ontime did not answer" in answer.json["error"]["message"]
    gate.set()


def test_no_time_left_for_the_other_route(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """A route that took the whole deadline leaves nothing to ask the other one with."""
    gate = threading.Event()
    model.default = Reply(gate=gate)
    backend = start(**BOTH, model_read_timeout=0.2, model_deadline=0.2)
    assert (503, 0) == (backend.predict().status, len(endpoint.asked))
    gate.set()


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("lie", [Reply(302), Reply(body={}), Reply(body=PREDICTION | {"predictions": [2]})])
def test_nonsense_is_not_asked_again(start: Start, model: StandIn, endpoint: StandIn, route: str, lie: Reply) -> None:
    """An answer that is not usable is a 502, whatever the other route would say."""
    own, other = standins(route, model, endpoint)
    own.default = lie
    backend = start(**BOTH, model_sagemaker_percent=percent_for(route))
    assert (502, 1, 0) == (backend.predict().status, len(own.asked), len(other.asked))


def test_a_refused_row_is_not_asked_again(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """The model's own 4xx is about the row, on either route."""
    model.default = Reply(422, {"error": "instances[0].temp"})
    endpoint.default = Reply(424, {"OriginalStatusCode": 422, "OriginalMessage": "instances[0].temp"})
    by_http, by_endpoint = start(**BOTH), start(**BOTH, model_sagemaker_percent=100)
    assert [502, 502] == [by_http.predict().status, by_endpoint.predict().status]
    assert (1, 1) == (len(model.asked), len(endpoint.asked))


def test_ready_tells_both(start: Start, endpoint: StandIn) -> None:
    """The model service says how it is; of the endpoint the last outcome is told."""
    answer = start(**BOTH).call("GET", "/ready")
    assert 200 == answer.status
    assert {"status": "ready", "model_version": "v1.0"} == answer.json["model_service"]
    expected = {"status": "configured", "endpoint": "ontime", "last": "not asked yet"}
    assert expected == answer.json["sagemaker_endpoint"]


def test_figures_tell_latency(start: Start, endpoint: StandIn) -> None:
    """Each route that answered tells the median and the 95th percentile of its latency."""
    backend = start(**BOTH, model_sagemaker_percent=100)
    for _ in range(5):
        backend.predict()
    figures = backend.figures()
    assert 100 == figures["sagemaker_percent"]
    latency = figures["routes"]["sagemaker"]["latency_ms"]
    assert 0 < latency["p50"] <= latency["p95"] < 2000
    assert figures["routes"]["http"]["latency_ms"] is None


def test_figures_are_logged(start: Start, endpoint: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can ask a task for its figures, its log has them from time to time."""
    monkeypatch.setattr(client, "FIGURES_EVERY", 0.02)
    backend = start(**BOTH)
    backend.predict()
    wait_for(lambda: any(line["routes"]["http"]["asked"] == 1 for line in backend.logged("model_routes")))
