"""The HTTP contract, asked of the application without a socket."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import lightgbm
import pytest

from conftest import ROW, Publish, score
from ml_model_service.app import App
from ml_model_service.logs import JsonHandler, Log
from ml_model_service.model import load
from ml_model_service.reload import Served
from ml_model_service.settings import Settings


class Client:
    """Sends requests to an App and reads the log lines it wrote."""

    def __init__(self, settings: Settings, served: Served, log: Path) -> None:
        self.served, self._log = served, log
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.app = App(settings, served, Log((("task", "t-1"),), descriptor))

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request."""

        async def run() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
                return await client.request(method, path, **options)

        return asyncio.run(run())

    def lines(self) -> list[dict[str, Any]]:
        """What was logged, in order."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]


@pytest.fixture
def empty(tmp_path: Path) -> Client:
    """A service without a model."""
    return Client(Settings(max_body=2000, max_rows=3), Served(), tmp_path / "log")


@pytest.fixture
def client(empty: Client, tmp_path: Path, publish: Publish) -> Client:
    """A service that serves v1.0."""
    empty.served.take(load(publish(tmp_path, "v1.0")))
    return empty


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keeps log records out of the test's output."""
    logging.getLogger("ml_model_service").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("ml_model_service").setLevel(logging.NOTSET)


@pytest.mark.parametrize("path", ["/predict", "/ml/predict"])
def test_predictions_come_in_order_with_the_version(
    client: Client, boosters: list[lightgbm.Booster], path: str
) -> None:
    """Both paths answer one prediction a row and name the model version."""
    rows = [ROW, ROW | {"airline": None}, ROW | {"minute": 1300.5}]
    answer = client.send("POST", path, json={"instances": rows})
    wanted = {"model_version": "v1.0", "predictions": [score(boosters[0], row) for row in rows]}
    assert (200, wanted) == (answer.status_code, answer.json())


def test_a_large_request_is_answered_alike(client: Client, boosters: list[lightgbm.Booster]) -> None:
    """Bodies that are worked on in a thread give the same answer."""
    client.app._settings = replace(client.app._settings, max_body=1 << 20, max_rows=2000)
    answer = client.send("POST", "/predict", json={"instances": [ROW] * 2000})
    assert [score(boosters[0], ROW)] * 2000 == answer.json()["predictions"]


def test_errors_have_one_shape(client: Client) -> None:
    """A refused row answers code, message, details and the request's id."""
    sent = {"instances": [ROW, ROW | {"temp": "hot"}]}
    answer = client.send("POST", "/predict", json=sent, headers={"x-request-id": "abc-1"})
    allowed = "number from -50 up to 150 or null"
    wanted = {
        "error": {
            "code": "invalid_request",
            "message": f"instances[1].temp: expected {allowed}, found 'hot'",
            "details": [{"path": "instances[1].temp", "found": "hot", "allowed": allowed}],
        },
        "request_id": "abc-1",
    }
    assert (422, wanted) == (answer.status_code, answer.json())


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/predict", b"{", 400, "invalid_json"),
        ("POST", "/predict", b" " * 2001, 413, "body_too_large"),
        ("POST", "/predict", json.dumps({"instances": [ROW] * 4}).encode(), 422, "invalid_request"),
        ("GET", "/predict", b"", 405, "method_not_allowed"),
        ("POST", "/health", b"", 405, "method_not_allowed"),
        ("GET", "/nowhere", b"", 404, "not_found"),
    ],
)
def test_refusals(client: Client, method: str, path: str, body: bytes, status: int, code: str) -> None:
    """Each kind of mistake has its status and its code."""
    answer = client.send(method, path, content=body)
    assert (status, code) == (answer.status_code, answer.json()["error"]["code"])


def test_a_chunked_body_is_bounded_too(client: Client) -> None:
    """A body of undeclared length is refused once it grows too large, without being read to its end."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b" " * 500

    assert 413 == client.send("POST", "/predict", content=chunks()).status_code
    assert sent < 10


def test_without_a_model_nothing_is_predicted(empty: Client) -> None:
    """The service is alive but not ready, and says why."""
    empty.served.refuse("v1.0", "v1.0: cannot read model.txt")
    assert [200, 503, 503, 200, 200] == [
        empty.send(method, path, content=b"{}").status_code
        for method, path in [
            ("GET", "/health"), ("GET", "/ready"), ("POST", "/predict"), ("GET", "/openapi.json"), ("GET", "/docs")
        ]
    ]  # fmt: skip
    assert "v1.0: cannot read model.txt" in empty.send("GET", "/ready").json()["error"]["message"]


def test_ready_names_version_digests_and_what_is_pending(client: Client) -> None:
    """Readiness tells the version and digests in service, and a wanted version that is not served."""
    model = client.served.model
    assert model is not None
    ready = {
        "status": "ready",
        "model_version": "v1.0",
        "model_digest": model.digest,
        "schema_digest": model.schema_digest,
    }
    assert ready == client.send("GET", "/ready").json()
    client.served.refuse("v1.1", "altered")
    assert ready | {"pending": {"version": "v1.1", "error": "altered"}} == client.send("GET", "/ready").json()


@pytest.mark.parametrize(
    ("given", "kept"), [("a.b:c/d-1", True), ("x" * 128, True), ("x" * 129, False), ("a b", False)]
)
def test_request_ids_are_kept_when_sane(client: Client, given: str, kept: bool) -> None:
    """A sane id comes back and is logged; any other is replaced."""
    answer = client.send("GET", "/health", headers={"x-request-id": given})
    assert kept == (given == answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] == client.lines()[-1]["request_id"]


def test_each_request_is_one_log_line(client: Client) -> None:
    """The line tells path, status, time, request id, model version and task."""
    client.send("POST", "/predict", json={"instances": [ROW]}, headers={"x-request-id": "r1"})
    (line,) = client.lines()
    assert line.pop("ms") >= 0
    assert line.pop("time").endswith("+00:00")
    assert {
        "level": "info",
        "message": "request",
        "task": "t-1",
        "method": "POST",
        "path": "/predict",
        "status": 200,
        "request_id": "r1",
        "model_version": "v1.0",
    } == line


def test_a_fault_is_a_500_with_its_traceback_logged(client: Client) -> None:
    """An unforeseen exception becomes a plain 500; the log has the traceback."""
    logger = logging.getLogger("ml_model_service.app")
    handler = JsonHandler(client.app._log)
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    client.app._reads["/health"] = lambda: 1 / 0  # type: ignore[assignment, return-value]
    try:
        answer = client.send("GET", "/health")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert (500, "internal_error") == (answer.status_code, answer.json()["error"]["code"])
    assert "ZeroDivisionError" in client.lines()[0]["traceback"]


def test_the_openapi_document_describes_the_loaded_model(client: Client) -> None:
    """Features, bounds, nullability and categories come from the model's metadata."""
    schemas = client.send("GET", "/openapi.json").json()["components"]["schemas"]
    assert {
        "type": "object",
        "required": ["airline", "origin", "temp", "minute"],
        "additionalProperties": False,
        "properties": {
            "airline": {"type": ["string", "null"], "examples": ["AA", "B6", "UA"]},
            "origin": {"type": "string", "enum": ["EWR", "JFK"]},
            "temp": {"type": ["number", "null"], "minimum": -50, "maximum": 150},
            "minute": {"type": "number", "minimum": 0, "maximum": 1439},
        },
    } == schemas["Instance"]
    assert 3 == schemas["PredictRequest"]["properties"]["instances"]["maxItems"]
