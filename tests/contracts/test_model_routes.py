"""The backend on its way from the model service to a SageMaker endpoint, with the real model service as both."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.conftest import DAYS, ENDPOINT, VERSION
from tests.contracts.programs import Program, Service, publish
from tests.waiting import wait_for

FLIGHTS = [
    {"origin": origin, "destination": "LAX", "carrier": carrier, "departure": f"2013-07-04T{hour:02}:15"}
    for origin, carrier in (("JFK", "B6"), ("EWR", "UA"))
    for hour in range(6, 22, 2)
]
DEVICES = [f"device-{number}" for number in range(16)]


class Backends:
    """Starts backends that reach one service by HTTP and one as the endpoint."""

    def __init__(self, folder: Path) -> None:
        self._program, self._folder = Program("backend-api"), folder
        self._database = {"DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'ontime.db'}"}
        migrated = self._program.run("-m", "backend_api.migrate", **self._database)
        assert 0 == migrated.returncode, migrated.stderr

    def between(
        self, by_http: Service, endpoint: Service, name: str = ENDPOINT, **variables: str
    ) -> AbstractContextManager[Service]:
        given = {
            **self._database,
            "MODEL_SERVICE_URL": by_http.url,
            "SAGEMAKER_ENDPOINT": name,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint.url,
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **variables,
        }
        return self._program.serving(["-m", "backend_api"], self._folder / "backend.log", given, "/ready")


@pytest.fixture(scope="module")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Backends:
    return Backends(tmp_path_factory.mktemp("backend"))


@pytest.fixture(scope="module")
def other_model(
    training: Program, training_data: Path, model_service: Program, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """An endpoint with a model that learnt less, as v2.0."""
    folder = tmp_path_factory.mktemp("other")
    words = ["--data", str(training_data), "--output", str(folder / "model"), "--rounds", "5", "--learning-rate", "0.2"]
    done = training.run("-m", "training", *words, *DAYS)
    assert 0 == done.returncode, done.stderr
    version = publish(folder / "model", folder / "bucket", "v2.0")
    variables = {"MODEL_BAKED": str(version), "ENDPOINT_NAME": ENDPOINT}
    with model_service.serving(["-m", "ml_model_service"], folder / "service.log", variables) as running:
        yield running


@pytest.fixture(scope="module")
def one_model(model_service: Program, bucket: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """v1.0, by both of its interfaces."""
    folder = tmp_path_factory.mktemp("one")
    variables = {"MODEL_BAKED": str(bucket / VERSION), "ENDPOINT_NAME": ENDPOINT}
    with model_service.serving(["-m", "ml_model_service"], folder / "service.log", variables) as running:
        yield running


@contextmanager
def frozen(service: Service) -> Iterator[None]:
    """Takes connections and answers none, as a process that hangs does."""
    service.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        service.process.send_signal(signal.SIGCONT)


def predicted(backend: Service, flight: Mapping[str, str], **headers: str) -> dict[str, Any]:
    """What a client is answered."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = backend.ask("POST", "/api/predict", json.dumps(flight), named)
    assert 200 == answer.status, answer.body
    found: dict[str, Any] = answer.json()
    return found


def figures(backend: Service) -> dict[str, Any]:
    found: dict[str, Any] = backend.ask("GET", "/model-routes").json()
    return found


def comparison(backend: Service, requests: int) -> dict[str, Any]:
    """Its counts once they cover so many requests."""

    def found() -> dict[str, Any]:
        counts: dict[str, Any] = figures(backend)["comparison"]
        return counts

    wait_for(lambda: sum(found()[name] for name in ("compared", "failed", "dropped")) == requests)
    return found()


def test_same_flight_same_probability_by_both_routes(backends: Backends, one_model: Service) -> None:
    """Option A, the way, and option B answer alike: nobody can tell by what route the model was asked."""
    answers, asked = [], []
    for percent in ("0", "50", "100"):
        with backends.between(one_model, one_model, MODEL_SAGEMAKER_PERCENT=percent) as backend:
            answers.append(
                [
                    (answer["probability"], answer["model_version"])
                    for flight, device in zip(FLIGHTS, DEVICES, strict=True)
                    for answer in [predicted(backend, flight, x_device_id=device)]
                ]
            )
            routes = figures(backend)["routes"]
            asked.append((routes["http"]["asked"], routes["sagemaker"]["asked"]))
            assert (0, 0) == (routes["http"]["failed"], routes["sagemaker"]["failed"])
    assert answers[0] == answers[1] == answers[2]
    assert len({probability for probability, _ in answers[0]}) > 4
    assert ((16, 0), (0, 16)) == (asked[0], asked[2])
    assert asked[1][0] + asked[1][1] == 16
    assert 0 < asked[1][1] < 16


def test_endpoint_alone(backends: Backends, one_model: Service) -> None:
    """Option B needs no address of a model service."""
    variables = {"MODEL_SERVICE_URL": "", "MODEL_SAGEMAKER_PERCENT": "100"}
    with backends.between(one_model, one_model, **variables) as backend:
        assert VERSION == predicted(backend, FLIGHTS[0])["model_version"]
        ready = backend.ask("GET", "/ready").json()
        expected = {"status": "configured", "endpoint": ENDPOINT, "last": "answered"}
        assert (expected, False) == (ready["sagemaker_endpoint"], "model_service" in ready)


def test_comparison_finds_agreement(backends: Backends, one_model: Service) -> None:
    """The same model behind both routes agrees on every flight, exactly."""
    with backends.between(one_model, one_model, MODEL_COMPARE_PERCENT="100") as backend:
        for flight in FLIGHTS:
            predicted(backend, flight)
        counts = comparison(backend, len(FLIGHTS))
    assert (len(FLIGHTS), len(FLIGHTS), 0.0) == (counts["compared"], counts["agreed"], counts["largest_difference"])


def test_comparison_finds_another_model(backends: Backends, one_model: Service, other_model: Service) -> None:
    """Another model behind the endpoint is found out, while clients have the answers of their own route."""
    with backends.between(one_model, other_model, MODEL_COMPARE_PERCENT="100") as backend:
        assert {VERSION} == {predicted(backend, flight)["model_version"] for flight in FLIGHTS}
        counts = comparison(backend, len(FLIGHTS))
    assert 0 == counts["agreed"]
    assert len(FLIGHTS) == counts["other_version"]
    assert len(FLIGHTS) == counts["disagreed"]
    assert counts["largest_difference"] > 0.01


def test_an_endpoint_that_is_not_there_costs_no_request(backends: Backends, one_model: Service) -> None:
    """The API's own word that there is no such endpoint sends clients to the model service."""
    with backends.between(one_model, one_model, name="nowhere", MODEL_SAGEMAKER_PERCENT="100") as backend:
        assert VERSION == predicted(backend, FLIGHTS[0])["model_version"]
        assert 1 == figures(backend)["routes"]["sagemaker"]["fell_back"]


def test_an_endpoint_that_hangs_is_left_alone(backends: Backends, one_model: Service, other_model: Service) -> None:
    """Five clients wait for it, the others have the model service's answer at once."""
    variables = {"MODEL_SAGEMAKER_PERCENT": "100", "MODEL_READ_TIMEOUT": "1"}
    with backends.between(one_model, other_model, **variables) as backend:
        assert "v2.0" == predicted(backend, FLIGHTS[0])["model_version"]
        with frozen(other_model):
            began = time.monotonic()
            assert {VERSION} == {predicted(backend, flight)["model_version"] for flight in FLIGHTS}
            took = time.monotonic() - began
            found = figures(backend)["routes"]["sagemaker"]
        assert (6, 5, 16, "open") == tuple(found[name] for name in ("asked", "failed", "fell_back", "breaker"))
        assert took >= 5
    lines = [json.loads(line) for line in backend.log.read_text().splitlines()]
    assert ["open"] == [line["state"] for line in lines if line["event"] == "model_route_breaker"]


@pytest.mark.parametrize("percent", ["0", "100"])
def test_a_split_of_versions_keeps_to_the_device(backends: Backends, two_variants: Service, percent: str) -> None:
    """Behind either route each device has one model version, and both versions have devices."""
    with backends.between(two_variants, two_variants, MODEL_SAGEMAKER_PERCENT=percent) as backend:
        seen = {
            device: {predicted(backend, FLIGHTS[0], x_device_id=device)["model_version"] for _ in range(4)}
            for device in DEVICES
        }
    assert {1} == {len(versions) for versions in seen.values()}
    assert {"v1.0", "v1.1"} == set().union(*seen.values())
