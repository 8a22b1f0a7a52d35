"""The HTTP contract."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest

from conftest import FEATURES, ROW, Publish, score
from ml_model_service.contract.wanted import Shadow, Wanted
from ml_model_service.engines import EngineError
from ml_model_service.logs import JsonHandler
from ml_model_service.metadata import digest_of
from ml_model_service.settings import Settings
from ml_model_service.versions.counters import Variant
from ml_model_service.versions.model import Model, load
from ml_model_service.versions.reload import Served
from service import Service


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Service]:
    """A service without a model."""
    service = Service(Settings(max_body=2000, max_rows=3), Served(), tmp_path / "log")
    yield service
    service.stop()


@pytest.fixture
def client(empty: Service, model: Model) -> Service:
    """A service that serves v1.0."""
    empty.serve(model)
    return empty


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keeps log records out of the test's output."""
    logging.getLogger("ml_model_service").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("ml_model_service").setLevel(logging.NOTSET)


@pytest.mark.parametrize("path", ["/predict", "/ml/predict", "/invocations"])
def test_predictions_come_in_order_with_the_version(
    client: Service, boosters: list[lightgbm.Booster], path: str
) -> None:
    """All paths answer one prediction a row and name the model version."""
    rows = [ROW, ROW | {"airline": None}, ROW | {"minute": 1300.5}]
    answer = client.send("POST", path, json={"instances": rows})
    wanted = {"model_version": "v1.0", "predictions": [score(boosters[0], row) for row in rows]}
    assert (200, wanted) == (answer.status_code, answer.json())


def test_a_large_request_is_answered_alike(client: Service, boosters: list[lightgbm.Booster], tmp_path: Path) -> None:
    """Bodies that are worked on in a thread give the same answer."""
    service = Service(Settings(max_rows=2000), client.served, tmp_path / "log")
    answer = service.send("POST", "/predict", json={"instances": [ROW] * 2000})
    service.stop()
    assert [score(boosters[0], ROW)] * 2000 == answer.json()["predictions"]


def test_errors_have_one_shape(client: Service) -> None:
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
def test_refusals(client: Service, method: str, path: str, body: bytes, status: int, code: str) -> None:
    """Each kind of mistake has its status and its code."""
    answer = client.send(method, path, content=body, headers={"content-type": "application/json"})
    assert (status, code) == (answer.status_code, answer.json()["error"]["code"])


def test_without_a_model_nothing_is_predicted(empty: Service) -> None:
    """The service is alive but not ready, and says why."""
    empty.served.refuse("v1.0", "v1.0: cannot read model.txt")
    assert [200, 503, 503, 503, 200, 200] == [
        empty.send(method, path, content=b"{}").status_code
        for method, path in [
            ("GET", "/health"), ("GET", "/ready"), ("GET", "/ping"), ("POST", "/predict"),
            ("GET", "/openapi.json"), ("GET", "/docs")
        ]
    ]  # fmt: skip
    assert "v1.0: cannot read model.txt" in empty.send("GET", "/ready").json()["error"]["message"]


def test_ready_names_version_digests_and_what_is_pending(client: Service) -> None:
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
def test_request_ids_are_kept_when_sane(client: Service, given: str, kept: bool) -> None:
    """A sane id comes back and is logged; any other is replaced."""
    answer = client.send("GET", "/health", headers={"x-request-id": given})
    assert kept == (given == answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] == client.lines()[-1]["request_id"]


def test_each_request_is_one_log_line(client: Service) -> None:
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


@pytest.mark.parametrize("path", ["/%s%", "/100%25", '/"\\'])
def test_a_line_holds_whatever_was_asked(client: Service, path: str) -> None:
    """Percent signs and quotes in a path leave a line of JSON."""
    with client.connect() as connection:
        connection.sendall(b"GET %b HTTP/1.1\r\nconnection: close\r\n\r\n" % path.encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 404")
    _, asked = client.lines()
    assert path == asked["path"]


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        (b"POST /predict HTTP/1.1\r\nx-request-id: r-1\r\ncontent-length: 99999999\r\n\r\n", ("POST", "/predict", 413)),
        (b"GET /\xff HTTP/1.1\r\nx-request-id: r-1\r\n\r\n", ("", "", 400)),
        (b"POST /predict HTTP/1.1\r\nx-request-id: r-0\r\n\r\nnonsense", ("", "", 400)),
    ],
)
def test_what_is_turned_down_is_logged_and_counted(client: Service, sent: bytes, line: tuple[str, str, int]) -> None:
    """As any answer is, with the client's id if that was read."""
    with client.connect() as connection:
        connection.sendall(sent)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    request_id = re.findall(rb"x-request-id: (.*)\r\n", received)[-1].decode()
    assert (request_id == "r-1") == bool(line[0])
    assert f'model_http_requests_total{{status="{line[2]}"}} ' in client.send("GET", "/metrics").text
    (found,) = [found for found in client.lines() if found["request_id"] == request_id]
    assert line == (found["method"], found["path"], found["status"])


@pytest.mark.parametrize(
    ("target", "status", "word"),
    [("http://model.example:8080/ready?x=1", 200, '"v1.0"'), ("HTTP://x", 404, "no such path: /;")],
)
def test_a_target_in_a_proxy_s_form_is_taken(client: Service, target: str, status: int, word: str) -> None:
    """As every server must; where no path is named, that is the root."""
    with client.connect() as connection:
        connection.sendall(b"GET %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" % target.encode())
        received = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    assert (True, True) == (received.startswith(f"HTTP/1.1 {status} "), word in received)


def test_a_fault_is_a_500_with_its_traceback_logged(client: Service) -> None:
    """An unforeseen exception becomes a plain 500; the log has the traceback."""
    logger = logging.getLogger("ml_model_service.app")
    handler = JsonHandler(client.log)
    logger.addHandler(handler)
    logger.setLevel(logging.ERROR)
    client.app._reads[b"/health"] = lambda: 1 / 0  # type: ignore[assignment, return-value]
    try:
        answer = client.send("GET", "/health")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert (500, "internal_error") == (answer.status_code, answer.json()["error"]["code"])
    assert "ZeroDivisionError" in client.lines()[0]["traceback"]


def test_the_openapi_document_describes_the_loaded_model(client: Service) -> None:
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


def test_a_target_variant_and_a_cohort_choose_the_version(
    client: Service, boosters: list[lightgbm.Booster], tmp_path: Path, publish: Publish
) -> None:
    """Answers name version and variant; a device keeps its version; a variant can be asked for by name."""
    two = load(publish(tmp_path, "v1.1", 1))
    stable = client.served.model
    assert stable is not None
    client.serve(stable, two, wanted=Wanted("v1.0", (("v1.1", 50.0),)))
    wanted = {"v1.0": score(boosters[0], ROW), "v1.1": score(boosters[1], ROW)}
    met = set()
    for device in range(40):
        headers = {"x-device-id": f"device-{device}"}
        first, again = (client.send("POST", "/predict", json={"instances": [ROW]}, headers=headers) for _ in range(2))
        version = first.json()["model_version"]
        assert [wanted[version]] == first.json()["predictions"]
        assert (version, version.replace(".", "-")) == (
            first.headers["x-model-version"],
            first.headers["x-model-variant"],
        )
        assert first.json() == again.json()
        met.add(version)
    assert {"v1.0", "v1.1"} == met
    target = {"x-amzn-sagemaker-target-variant": "v1-1"}
    answer = client.send("POST", "/invocations", json={"instances": [ROW]}, headers=target)
    assert ("v1.1", "v1-1") == (answer.json()["model_version"], answer.headers["x-amzn-invoked-production-variant"])
    target = {"x-amzn-sagemaker-target-variant": "v9-9"}
    answer = client.send("POST", "/invocations", json={"instances": [ROW]}, headers=target)
    assert (400, "unknown_variant") == (answer.status_code, answer.json()["error"]["code"])
    variants = client.send("GET", "/variants").json()["variants"]
    assert 81 == sum(variant["requests"] for variant in variants) == sum(v["predictions"]["count"] for v in variants)


def test_a_shadow_sees_what_stable_answers(client: Service, tmp_path: Path, publish: Publish) -> None:
    """The shadow's predictions are compared off the client's path and never answered."""
    stable = client.served.model
    assert stable is not None
    client.serve(stable, load(publish(tmp_path, "v1.1", 1)), wanted=Wanted("v1.0", shadow=Shadow("v1.1", 100.0)))
    for _ in range(20):
        assert "v1.0" == client.send("POST", "/predict", json={"instances": [ROW, ROW]}).json()["model_version"]
    mirror = client.served.serving and client.served.serving.mirror
    assert mirror is not None
    mirror.stop()
    deadline = time.monotonic() + 10
    while mirror.to_json()["compared"] + mirror.to_json()["dropped"] < 40 and time.monotonic() < deadline:
        if mirror.join(0.01):
            break
    assert mirror.to_json()["largest_difference"] > 0


def test_metrics_count_across_a_swap(client: Service, tmp_path: Path, publish: Publish) -> None:
    """Counters by version only grow, also when the version changes."""
    client.send("POST", "/predict", json={"instances": [ROW]})
    client.serve(load(publish(tmp_path, "v1.1", 1)))
    client.send("POST", "/predict", json={"instances": [ROW, ROW]})
    text = client.send("GET", "/metrics").text
    for line in (
        'model_requests_total{version="v1.0"} 1.0',
        'model_rows_total{version="v1.1"} 2.0',
        'model_latency_seconds_count{version="v1.0"} 1.0',
        'model_http_requests_total{status="200"} 2.0',
    ):
        assert line in text.splitlines()


def test_metrics_count_what_is_answered_after_a_swap(client: Service, tmp_path: Path, publish: Publish) -> None:
    """A request under way when its version was replaced is one of that version's."""
    before = client.served.serving
    assert before is not None
    for version in ("v1.1", "v1.2"):
        client.serve(load(publish(tmp_path, version, 1)))
        if version == "v1.1":
            before.variants.all[0].answered(0.001, [0.5])
        assert 'model_rows_total{version="v1.0"} 1.0' in client.send("GET", "/metrics").text.splitlines()


def test_a_shadow_is_captured_beside_the_answer(
    tmp_path: Path, model: Model, publish: Publish, boosters: list[lightgbm.Booster]
) -> None:
    """Both under the same ids and each under its own variant, whatever share is captured: so they can be compared."""
    settings = Settings(capture=(tmp_path / "captured").as_uri(), endpoint="small-test", capture_percent=50.0)
    service = Service(settings, Served(), tmp_path / "log")
    shadow = load(publish(tmp_path / "models", "v1.1", 1))
    try:
        service.serve(model, shadow, wanted=Wanted("v1.0", shadow=Shadow("v1.1", 100.0)))
        for number in range(40):
            headers = {"x-amzn-sagemaker-inference-id": f"flight-{number}"}
            service.send("POST", "/predict", json={"instances": [ROW]}, headers=headers)
        mirror = service.served.serving and service.served.serving.mirror
        assert mirror is not None
        deadline = time.monotonic() + 10
        while mirror.to_json()["compared"] < 40 and time.monotonic() < deadline:
            time.sleep(0.002)
        service.send("GET", "/health")
    finally:
        service.stop()
    found: dict[str, dict[str, float]] = {}
    for path in (tmp_path / "captured" / "small-test").glob("*/*/*/*/*/*.jsonl"):
        for line in map(json.loads, path.read_text().splitlines()):
            answer = json.loads(line["captureData"]["endpointOutput"]["data"])
            variant = found.setdefault(path.parents[4].name, {})
            variant[line["eventMetadata"]["inferenceId"]] = answer["predictions"][0]
    assert 5 < len(found["v1-0"]) < 35
    assert found["v1-0"].keys() == found["v1-1"].keys()
    for variant, booster in (("v1-0", boosters[0]), ("v1-1", boosters[1])):
        assert [pytest.approx(score(booster, ROW))] * len(found[variant]) == list(found[variant].values())


def test_a_shadow_of_other_values_reads_requests_by_itself(
    client: Service, tmp_path: Path, publish: Publish, boosters: list[lightgbm.Booster]
) -> None:
    """As it would answer alone, whatever stable knows; rows of codes, which stand for stable's values, are left out."""
    values = ["AA", "ZZ", "B6"]
    schema = {"features": [FEATURES[0] | {"values": values}, *FEATURES[1:]], "output": {"name": "probability"}}
    row = ROW | {"airline": "ZZ"}
    # By the shadow's own list "ZZ" is the second value, as "B6" is by the one that `score` knows; stable knows no "ZZ".
    alone = score(boosters[1], row | {"airline": "B6"})
    changes = {"feature_schema": schema, "feature_schema_digest": digest_of(schema)}
    changes["golden"] = [{"instance": row, "prediction": alone}]
    stable = client.served.model
    assert stable is not None
    shadow = load(publish(tmp_path, "v1.1", 1, **changes))
    client.serve(stable, shadow, wanted=Wanted("v1.0", shadow=Shadow("v1.1", 100.0)))
    mirror = client.served.serving and client.served.serving.mirror
    assert mirror is not None
    codes = io.BytesIO()
    np.save(codes, np.array([[1.0, 1.0, 71.5, 480.0]]))
    client.send("POST", "/predict", content=codes.getvalue(), headers={"content-type": "application/x-npy"})
    client.send("POST", "/predict", json={"instances": [row]})
    deadline = time.monotonic() + 10
    while not mirror.to_json()["compared"] and time.monotonic() < deadline:
        time.sleep(0.002)
    found, apart = mirror.to_json(), abs(score(boosters[0], row) - alone)
    assert (1, pytest.approx(apart)) == (found["compared"], found["largest_difference"])


def test_answers_are_captured_with_their_requests(tmp_path: Path, model: Model) -> None:
    """One line an answer, below endpoint and variant, written whole once the service has stopped."""
    settings = Settings(capture=(tmp_path / "captured").as_uri(), endpoint="small-test")
    service = Service(settings, Served(), tmp_path / "log")
    service.serve(model)
    sent = {"content-type": "application/json", "x-amzn-sagemaker-inference-id": "i-1"}
    body = json.dumps({"instances": [ROW]})
    answer = service.send("POST", "/predict", content=body, headers=sent).text
    service.send("POST", "/predict", content="{}", headers=sent)
    service.stop()
    (path,) = (tmp_path / "captured" / "small-test" / "v1-0").glob("*/*/*/*/*.jsonl")
    (line,) = map(json.loads, path.read_text().splitlines())
    assert (body, answer) == (
        line["captureData"]["endpointInput"]["data"],
        line["captureData"]["endpointOutput"]["data"],
    )
    assert "i-1" == line["eventMetadata"]["inferenceId"]


class Failing:
    """An engine that fails, or predicts what is no number."""

    def __init__(self, prediction: float | None) -> None:
        self._prediction = prediction

    def predict(self, values: Any, rows: int) -> list[float]:
        """Whatever it was made for."""
        if self._prediction is None:
            raise EngineError("out of order")
        return [self._prediction] * rows

    def predict_one(self, values: Any) -> float:
        """The same for one row."""
        return self.predict(values, 1)[0]


@pytest.mark.parametrize("prediction", [None, float("nan")])
@pytest.mark.parametrize("rows", [1, 2, 1500])
def test_a_model_s_failures_are_counted_on_the_loop_s_thread(
    tmp_path: Path, model: Model, prediction: float | None, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request of any size that the model fails is its error; one that is wrong is the client's."""
    counted_in: set[str] = set()
    failed = Variant.failed

    def counting(self: Variant, seconds: float) -> None:
        counted_in.add(threading.current_thread().name)
        failed(self, seconds)

    monkeypatch.setattr(Variant, "failed", counting)
    service = Service(Settings(max_rows=2000), Served(), tmp_path / "log")
    service.serve(replace(model, engine=Failing(prediction)))
    answer = service.send("POST", "/predict", json={"instances": [ROW] * rows})
    assert (500, rows > 1000) == (answer.status_code, len(answer.request.content) > 64 * 1024)
    refused = service.send("POST", "/predict", json={"instances": [ROW] * rows + [{}]})
    (variant,) = service.send("GET", "/variants").json()["variants"]
    service.stop()
    assert (422, 1, 1) == (refused.status_code, variant["requests"], variant["errors"])
    assert {service.thread_name} == counted_in


@pytest.mark.parametrize("rows", [1, 2])
def test_a_compressed_body_is_415(client: Service, rows: int) -> None:
    """The message says what is allowed, rather than that some byte is no JSON; `identity` is none."""
    sent = json.dumps({"instances": [ROW] * rows})
    for encoding, status in (("gzip", 415), ("br", 415), ("identity", 200)):
        headers = {"content-encoding": encoding, "content-type": "application/json"}
        answer = client.send("POST", "/predict", content=sent, headers=headers)
        assert status == answer.status_code
        if status == 415:
            assert f"Content-Encoding: found '{encoding}', allowed: identity" == answer.json()["error"]["message"]


def test_what_json_cannot_say_is_shown_as_text(client: Service) -> None:
    """A number that is not finite is not told as null."""
    body = json.dumps({"instances": [ROW | {"temp": float("inf")}]})
    answer = client.send("POST", "/predict", content=body).json()
    assert ["inf"] == [detail["found"] for detail in answer["error"]["details"]]


def test_a_long_path_is_not_sent_back_whole(client: Service) -> None:
    """The answer stays short."""
    answer = client.send("GET", "/" + "a" * 10_000)
    assert (404, True) == (answer.status_code, len(answer.content) < 400)
