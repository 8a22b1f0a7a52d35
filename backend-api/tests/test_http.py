"""Probes, limits, logs, documents: everything around the predictions."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend import FLIGHT, Backend, wait_for
from conftest import Start
from standin import StandIn


@pytest.mark.parametrize("path", ["/health", "/api/health"])
def test_liveness_needs_nothing(start: Start, path: str, tmp_path: Path) -> None:
    """The process is alive without a database and without a model service."""
    backend = start(database_url=f"sqlite:///{tmp_path}/no/such/folder.db", model_service_url="http://127.0.0.1:1")
    assert (200, {"status": "ok"}) == ((answer := backend.call("GET", path)).status, answer.json)


def test_ready_tells_both(backend: Backend) -> None:
    """With database and model service there, both are reported ready."""
    answer = backend.call("GET", "/ready")
    expected = {
        "status": "ready",
        "database": {"status": "ready"},
        "model_service": {"status": "ready", "model_version": "v1.0"},
    }
    assert (200, expected) == (answer.status, answer.json)


def test_ready_without_the_model_service(start: Start) -> None:
    """A model service that is away is told but does not take this task out of traffic."""
    answer = start(model_service_url="http://127.0.0.1:1").call("GET", "/ready")
    assert (200, "unreachable") == (answer.status, answer.json["model_service"]["status"])


def test_not_ready_before_the_migration(start: Start, tmp_path: Path) -> None:
    """An empty database is reachable but not ready, and the answer says what to run."""
    answer = start(database_url=f"sqlite:///{tmp_path}/empty.db").call("GET", "/ready")
    assert 503 == answer.status
    assert "python -m backend_api.migrate" in answer.json["database"]["reason"]


def test_storage_away(start: Start, tmp_path: Path) -> None:
    """A prediction that can't be stored is not answered: 503, in the common shape, with Retry-After."""
    answer = start(database_url=f"sqlite:///{tmp_path}/no/such/folder.db").predict()
    assert (503, "storage_unavailable", "1") == (
        answer.status,
        answer.json["error"]["code"],
        answer.headers["retry-after"],
    )


def test_body_limit(start: Start, model: StandIn) -> None:
    """A body over the limit is a 413, announced or chunked, and the model service never hears of it."""
    backend = start(body_limit=1024)

    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    assert [413, 413] == [backend.predict(b" " * 1025).status, backend.predict(chunks()).status]
    assert 200 == backend.predict().status
    assert 1 == len(model.asked)


def test_body_that_never_ends(start: Start) -> None:
    """A body that trickles in is a 408 once its time is over."""
    backend = start(body_timeout=0.05)
    with socket.create_connection(("127.0.0.1", backend.port), timeout=10) as connection:
        connection.sendall(b"POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
        assert b"HTTP/1.1 408" == connection.recv(12)


def test_client_that_leaves_within_its_body(backend: Backend) -> None:
    """It is logged as such, and is no fault of this service."""
    with socket.create_connection(("127.0.0.1", backend.port), timeout=10) as connection:
        connection.sendall(b"POST /api/predict HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{")
    wait_for(lambda: backend.lines)
    (line,) = backend.lines
    assert (499, "client_left", "info") == (line["status"], line["error"], line["level"])


def test_unknown_path_and_method(backend: Backend) -> None:
    """Both are in the common shape and say what there is."""
    wrong_path, wrong_method = backend.call("GET", "/api/nothing"), backend.call("GET", "/api/predict")
    assert (404, "not_found") == (wrong_path.status, wrong_path.json["error"]["code"])
    assert (405, "POST") == (wrong_method.status, wrong_method.headers["allow"])
    assert "POST /api/predict" in wrong_method.json["error"]["message"]


def test_one_log_line_a_request(backend: Backend) -> None:
    """Each request is one line with its id, status and time; successful probes are silent."""
    backend.call("GET", "/health")
    answer = backend.predict()
    backend.predict(b"{")
    first, second = backend.lines
    assert ("POST", "/api/predict", 200) == (first["method"], first["path"], first["status"])
    assert (answer.json["id"], answer.headers["x-request-id"]) == (first["prediction_id"], first["request_id"])
    assert (400, "invalid_json") == (second["status"], second["error"])


def test_cors_by_setting(start: Start) -> None:
    """A named origin may send the headers the app needs, and errors carry the permission too."""
    backend = start(cors_origins="https://ontime.example, capacitor://localhost")
    asked = {"origin": "capacitor://localhost", "access-control-request-method": "POST"}
    allowed = backend.call(
        "OPTIONS",
        "/api/predict",
        headers=asked | {"access-control-request-headers": "content-type,idempotency-key,traceparent"},
    )
    refused = backend.call("OPTIONS", "/api/predict", headers=asked | {"origin": "https://evil.example"})
    assert (200, 400) == (allowed.status, refused.status)
    failed = backend.call("POST", "/api/predict", b"{", {"origin": "capacitor://localhost"})
    assert "capacitor://localhost" == failed.headers["access-control-allow-origin"]


def test_no_cors_by_default(backend: Backend) -> None:
    """Without the setting no other origin gets permission."""
    answer = backend.predict(FLIGHT, origin="https://evil.example")
    assert "access-control-allow-origin" not in answer.headers


def test_head_is_get_without_its_body(backend: Backend) -> None:
    """As probes of some load balancers and monitors ask."""
    answers = [backend.call("HEAD", path) for path in ("/health", "/ready", "/api/openapi.json")]
    assert [(200, b"")] * 3 == [(answer.status, answer.body) for answer in answers]


PROBLEMS = {"400", "408", "413", "422", "502", "503"}
OPERATIONS = {
    ("POST", "/api/predict"): ("predict", {"200", *PROBLEMS}),
    ("GET", "/api/predictions/{id}"): ("prediction", {"200", "404", "422", "503"}),
    ("POST", "/api/predictions/{id}/outcome"): (
        "outcome",
        {"200", "400", "401", "403", "404", "408", "409", "413", "422", "503"},
    ),
    ("GET", "/api/places"): ("places", {"200", "304", "422"}),
    ("GET", "/api/outlook"): ("outlook", {"200", "422", "502", "503"}),
    ("GET", "/health"): ("health", {"200"}),
    ("GET", "/api/health"): ("api_health", {"200"}),
    ("GET", "/ready"): ("ready", {"200", "503"}),
    ("GET", "/model-routes"): ("model_routes", {"200"}),
}


def test_openapi_describes_every_endpoint(backend: Backend) -> None:
    """Operations by names that generated clients can use, with every answer; all errors have the one shape."""
    document = backend.call("GET", "/api/openapi.json").json
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    described = {key: (value["operationId"], set(value["responses"])) for key, value in operations.items()}
    assert OPERATIONS == described
    schemas = {
        status: answer["content"]["application/json"]["schema"]
        for key in (("POST", "/api/predict"), ("GET", "/api/predictions/{id}"))
        for status, answer in operations[key]["responses"].items()
    }
    assert {"$ref": "#/components/schemas/Prediction"} == schemas.pop("200")
    assert [{"$ref": "#/components/schemas/Problem"}] * 7 == list(schemas.values())
    assert b"openapi.json" in backend.call("GET", "/api/docs").body


def test_openapi_describes_the_request(backend: Backend) -> None:
    """The flight, the headers that count, and the fields of a real answer."""
    document = backend.call("GET", "/api/openapi.json").json
    predict = document["paths"]["/api/predict"]["post"]
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/Flight"}}}
    assert (True, body) == (predict["requestBody"]["required"], predict["requestBody"]["content"])
    headers = {parameter["name"]: parameter["in"] for parameter in predict["parameters"]}
    assert dict.fromkeys(["Idempotency-Key", "x-request-id", "traceparent", "x-device-id"], "header") == headers
    components = document["components"]["schemas"]
    assert {"Flight", "Weather", "Prediction", "Problem"} <= components.keys()
    assert components["Prediction"]["properties"].keys() == backend.predict().json.keys()
