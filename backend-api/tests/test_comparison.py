"""Comparing the routes: off the client's path, bounded, and without any effect on answers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backend import Backend, Serving, wait_for
from backend_api.config.settings import Settings
from conftest import Start
from standin import PREDICTION, Reply, StandIn

# A build's rollout waits for its tests: these run where time matters less.
pytestmark = pytest.mark.slow

ALL: dict[str, Any] = {"sagemaker_endpoint": "ontime", "model_compare_percent": 100}


def compared(backend: Backend, requests: int) -> dict[str, Any]:
    """The comparison's figures once they cover so many requests."""

    def found() -> dict[str, Any]:
        comparison = backend.figures()["comparison"]
        assert isinstance(comparison, dict)
        return comparison

    wait_for(lambda: sum(found()[name] for name in ("compared", "failed", "dropped")) == requests)
    return found()


def counts(figures: dict[str, Any]) -> dict[str, int]:
    """Those that are not 0."""
    names = ("compared", "agreed", "disagreed", "other_version", "failed", "dropped")
    return {name: figures[name] for name in names if figures[name]}


@pytest.mark.parametrize("percent", [0, 100])
def test_agreement(start: Start, model: StandIn, endpoint: StandIn, percent: int) -> None:
    """Whichever route answers, the other is asked the same row, and equal answers agree without a log line."""
    backend = start(**ALL, model_sagemaker_percent=percent)
    for number in range(5):
        backend.predict(x_device_id=f"device-{number}")
    figures = compared(backend, 5)
    assert {"compared": 5, "agreed": 5} == counts(figures)
    assert 0 == figures["largest_difference"]
    assert sorted(asked.body for asked in model.asked) == sorted(asked.body for asked in endpoint.asked)
    assert [] == backend.logged("model_comparison")


@pytest.mark.parametrize(("difference", "agrees"), [(0.009, True), (0.011, False)])
def test_tolerance(start: Start, endpoint: StandIn, difference: float, agrees: bool) -> None:
    """A difference beyond the tolerance is counted and logged with both answers; the client has its own route's."""
    endpoint.default = Reply(body=PREDICTION | {"predictions": [0.31 + difference]})
    backend = start(**ALL, model_compare_tolerance=0.01)
    assert 0.31 == backend.predict(x_request_id="abc").json["probability"]
    figures = compared(backend, 1)
    assert {"compared": 1, "agreed" if agrees else "disagreed": 1} == counts(figures)
    assert difference == pytest.approx(figures["largest_difference"])
    told = [
        (line["outcome"], line["request_id"], line["http"]["probabilities"], line["sagemaker"]["probabilities"])
        for line in backend.logged("model_comparison")
    ]
    assert ([] if agrees else [("disagreed", "abc", [0.31], [0.31 + difference])]) == told


def test_another_version(start: Start, endpoint: StandIn) -> None:
    """The same probability of another model version is no agreement."""
    endpoint.default = Reply(body=PREDICTION | {"model_version": "v1.1"})
    backend = start(**ALL)
    assert "v1.0" == backend.predict().json["model_version"]
    assert {"compared": 1, "other_version": 1} == counts(compared(backend, 1))
    (line,) = backend.logged("model_comparison")
    versions = (line["http"]["model_version"], line["sagemaker"]["model_version"])
    assert ("other_version", ("v1.0", "v1.1")) == (line["outcome"], versions)


@pytest.mark.parametrize("reply", [Reply(503), Reply(302), Reply(body={}), Reply(hang_up=True, close_after=True)])
def test_failure_of_the_other_route(start: Start, endpoint: StandIn, reply: Reply) -> None:
    """It is counted, asked once, and no client's concern."""
    endpoint.default = reply
    backend = start(**ALL)
    assert 200 == backend.predict().status
    assert {"failed": 1} == counts(compared(backend, 1))
    assert 1 == len(endpoint.asked)
    assert ["failed"] == [line["outcome"] for line in backend.logged("model_comparison")]


def test_log_lines_are_few(start: Start, endpoint: StandIn) -> None:
    """Of many differences within a second one is logged; all are counted."""
    endpoint.default = Reply(body=PREDICTION | {"predictions": [0.9]})
    backend = start(**ALL)
    for _ in range(10):
        backend.predict()
    assert 10 == compared(backend, 10)["disagreed"]
    assert len(backend.logged("model_comparison")) < 4


def test_the_client_does_not_wait(start: Start, endpoint: StandIn) -> None:
    """The client has its answer while the other route still thinks, and what exceeds the bound is dropped."""
    gate = threading.Event()
    endpoint.default = Reply(gate=gate)
    backend = start(**ALL, model_connections=8)
    assert [200] * 5 == [backend.predict().status for _ in range(5)]
    assert {"dropped": 3} == counts(backend.figures()["comparison"])
    gate.set()
    assert {"compared": 2, "agreed": 2, "dropped": 3} == counts(compared(backend, 5))


def test_a_slow_other_route_has_its_time(start: Start, endpoint: StandIn) -> None:
    """A comparison ends after the read timeout, and makes room for the next."""
    gate = threading.Event()
    endpoint.default = Reply(gate=gate)
    backend = start(**ALL, model_read_timeout=0.5)
    backend.predict()
    assert {"failed": 1} == counts(compared(backend, 1))
    gate.set()


def test_what_fell_back_is_not_compared(start: Start, model: StandIn, endpoint: StandIn) -> None:
    """Where only one route has an answer there is nothing to compare."""
    model.default = Reply(503)
    backend = start(**ALL)
    assert 200 == backend.predict().status
    assert {} == counts(backend.figures()["comparison"])
    assert 1 == len(endpoint.asked)


def test_share_of_the_requests(start: Start, endpoint: StandIn) -> None:
    """About the percent of the requests is compared, each request by chance."""
    backend = start(sagemaker_endpoint="ontime", model_compare_percent=50)
    with ThreadPoolExecutor(4) as threads:
        assert {200} == {answer.status for answer in threads.map(lambda _: backend.predict(), range(100))}
    wait_for(lambda: counts(backend.figures()["comparison"]).get("compared", 0) == len(endpoint.asked))
    # Less likely than one in a million by chance.
    assert 25 < len(endpoint.asked) < 75


def test_shutdown_with_comparisons_under_way(database_url: str, model: StandIn, endpoint: StandIn) -> None:
    """They are given up: the process ends though the other route never answers, and tells its figures."""
    gate = threading.Event()
    endpoint.default = Reply(gate=gate)
    settings = Settings(**ALL, model_service_url=model.url, database_url=database_url, model_read_timeout=300)
    serving = Serving(settings.model_copy(update={"model_deadline": 300.0}))
    assert [200] * 3 == [serving.backend.predict().status for _ in range(3)]
    wait_for(lambda: len(endpoint.asked) == 3)
    serving.stop()
    serving.join()
    gate.set()
    (figures,) = serving.backend.logged("model_routes")
    assert ({}, 3) == (counts(figures["comparison"]), figures["routes"]["http"]["asked"])
