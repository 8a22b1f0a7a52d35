"""The hosting platform's rules for an inference container, and what its runtime clients see.

Pages: "Custom Inference Code with Hosting Services" (SageMaker developer guide, your-algorithms-inference-code),
"InvokeEndpoint" (SageMaker Runtime API reference; its shapes as botocore carries them), "Testing models with
production variants" (developer guide, model-ab-testing).
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.contracts.conftest import ENDPOINT, HOSTED, VARIANT, VERSION, Holdout, Start, probability
from tests.contracts.images import Image
from tests.contracts.programs import ROOT, Service
from tests.waiting import wait_for

LIMIT = 6_291_456
PING_SECONDS = 2.0
ACCEPT_SECONDS = 0.25
KILL_SECONDS = 30.0
CLIENTS, BUSY = 8, 300


def runtime_client(service: Service) -> Any:
    """The platform's own client, sent to the service."""
    return boto3.client(
        "sagemaker-runtime", endpoint_url=service.url, region_name="eu-central-1",
        aws_access_key_id="test", aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=30, read_timeout=60),
    )  # fmt: skip


def ping(service: Service) -> int:
    """The status of a probe of its own connection, which has the time that the platform gives."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=ACCEPT_SECONDS) as connection:
        connection.settimeout(PING_SECONDS)
        connection.sendall(b"GET /ping HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        return int(connection.recv(4096).split(b" ")[1])


@pytest.fixture
def client(service: Service) -> Iterator[Any]:
    found = runtime_client(service)
    yield found
    found.close()


@pytest.fixture
def row(holdout: Holdout) -> dict[str, Any]:
    return holdout.instances[0]


@pytest.fixture
def body(row: dict[str, Any]) -> bytes:
    return json.dumps({"instances": [row]}).encode()


# -- the container ------------------------------------------------------------------------------------------------


def test_image_starts_one_program_in_exec_form() -> None:
    """“We recommend that you use the exec form of the ENTRYPOINT instruction”, as signals reach the program then."""
    lines = (ROOT / "ml-model-service" / "Dockerfile").read_text().splitlines()
    (entry,) = [line for line in lines if line.startswith("ENTRYPOINT")]
    assert ["python", "-m", "ml_model_service"] == json.loads(entry.removeprefix("ENTRYPOINT"))


def test_image_says_what_it_can() -> None:
    """Labels tell the platform: “capabilities.multi-models”, and “accept-bind-to-port” for SAGEMAKER_BIND_TO_PORT."""
    text = (ROOT / "ml-model-service" / "Dockerfile").read_text()
    assert "com.amazonaws.sagemaker.capabilities.multi-models=true" in text
    # the tests' processes get their port by that variable alone
    assert "com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true" in text


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["--user", "10001", "--read-only", "--cap-drop", "ALL"], {}),
        (["--user", "0"], {}),
        (["--user", "0", "--read-only"], {"SAGEMAKER_BIND_TO_PORT": "9123"}),
        ([], {"SAGEMAKER_BIND_TO_PORT": "9123"}),
    ],
)
def test_image_serves_for_any_user_on_any_port(
    image: Image, bucket: Path, tmp_path: Path, body: bytes, options: list[str], variables: dict[str, str]
) -> None:
    """As SageMaker's root or its own user, on the port that SAGEMAKER_BIND_TO_PORT names, writing nowhere."""
    mounts = {bucket / VERSION: HOSTED}
    with image.serving(tmp_path / "log", "serve", variables=variables, mounts=mounts, options=options) as service:
        assert 200 == service.ask("POST", "/invocations", body, {"content-type": "application/json"}).status
        assert 0 == service.stop()


def test_image_serves_its_baked_model(image: Image, tmp_path: Path, body: bytes) -> None:
    """Elsewhere than on SageMaker it is started by its own command: the model that it was built with, on PORT."""
    with image.serving(tmp_path / "log", variables={"PORT": "9124"}, mounts={}) as service:
        assert VERSION == service.ask("GET", "/ready").json()["model_version"]
        assert 200 == service.ask("POST", "/predict", body, {"content-type": "application/json"}).status
        assert 0 == service.stop()


def test_ping_answers_200(service: Service) -> None:
    """“The simplest requirement on the container is to respond with an HTTP 200 status code” to GET /ping."""
    assert 200 == ping(service)


def test_ping_answers_in_time_while_a_model_loads(start: Start, slow_model: Path, body: bytes) -> None:
    """“The request timeout on /ping attempts is 2 seconds”, and a slow start is no dead container: 503, then 200."""
    with start(slow_model, ready="/health") as service:
        assert 503 == ping(service)
        refused = service.ask("POST", "/invocations", body, {"content-type": "application/json"})
        assert (503, "no_model") == (refused.status, refused.json()["error"]["code"])
        wait_for(lambda: ping(service) != 503, "the model is loaded")
        assert 200 == service.ask("POST", "/invocations", body, {"content-type": "application/json"}).status


def test_ping_and_connections_are_in_time_while_large_requests_are_answered(service: Service, holdout: Holdout) -> None:
    """“Containers must accept socket connection requests within 250 ms”, and /ping answers within 2 s, under load."""
    large = json.dumps({"instances": holdout.instances[:5000]}).encode()
    finished = threading.Event()

    def ask() -> int:
        other = Service(service.process, service.port, service.log)
        return other.ask("POST", "/invocations", large, {"content-type": "application/json"}).status

    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(ask) for _ in range(8)]
        pool.submit(lambda: [one.result() for one in asked]).add_done_callback(lambda _: finished.set())
        statuses = [ping(service)]
        while not finished.is_set():
            statuses.append(ping(service))
    assert {200} == {one.result() for one in asked}
    assert {200} == set(statuses)


def test_invocations_answers_by_post(service: Service, row: dict[str, Any], holdout: Holdout) -> None:
    """The container “must accept POST requests to the /invocations … endpoint”."""
    assert holdout.predictions[0] == pytest.approx(probability(service.predict([row])), abs=1e-9)
    assert 405 == service.ask("GET", "/invocations").status


def test_unknown_headers_are_ignored(service: Service, row: dict[str, Any]) -> None:
    """“SageMaker AI might add additional headers. Inference containers must be able to safely ignore” them."""
    more = {"X_Amzn_SageMaker_Something_New": "1", "X_Amzn_Trace_Id": "Root=1-2-3", "X_Forwarded_For": "10.0.0.1"}
    assert probability(service.predict([row])) == probability(service.predict([row], **more))


def test_largest_body(service: Service, body: bytes) -> None:
    """InvokeEndpoint's Body: “Maximum length of 6291456”; one byte more is refused with 413."""
    headers = {"content-type": "application/json"}
    assert 200 == service.ask("POST", "/invocations", body.ljust(LIMIT), headers).status
    refused = service.ask("POST", "/invocations", body.ljust(LIMIT + 1), headers)
    assert (413, "body_too_large") == (refused.status, refused.json()["error"]["code"])


def test_sigterm_finishes_what_is_in_flight(start: Start, bucket: Path, body: bytes) -> None:
    """“SIGTERM … then SIGKILL after 30 seconds”: until then requests are answered, and the program ends with 0."""
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    with start(bucket / VERSION) as service:
        with socket.create_connection(("127.0.0.1", service.port), timeout=KILL_SECONDS) as connection:
            connection.sendall(head % len(body) + body[:10])
            # a request that is answered afterwards shows that the bytes before it have arrived
            assert 200 == ping(service)
            service.process.terminate()
            wait_for(lambda: "stopping" in service.log.read_text())
            connection.sendall(body[10:])
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
        assert 0 == service.process.wait(KILL_SECONDS)


def test_sigterm_does_not_wait_for_a_model_that_loads(start: Start, slow_model: Path) -> None:
    """“SIGTERM … then SIGKILL after 30 seconds”: a model that takes longer than that to load does not keep it."""
    with start(slow_model, ready="/health") as service:
        assert 503 == ping(service)
        assert 0 == service.stop()
        assert "serving model" not in service.log.read_text()


def test_sigterm_under_load_loses_no_request(start: Start, bucket: Path, body: bytes) -> None:
    """Clients on kept connections get every answer, the last one with “connection: close”; the program ends with 0."""
    answered, enough = [0] * CLIENTS, threading.Event()

    def ask_until_sent_away(client: int) -> None:
        connection = Service(service.process, service.port, service.log)
        told = None
        while told != "close":
            answer = connection.ask("POST", "/invocations", body, {"content-type": "application/json"})
            assert 200 == answer.status, answer.body
            answered[client] += 1
            told = answer.headers.get("connection")
            if sum(answered) > BUSY:
                enough.set()

    with start(bucket / VERSION) as service, ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(ask_until_sent_away, client) for client in range(CLIENTS)]
        assert enough.wait(KILL_SECONDS)
        service.process.terminate()
        assert 0 == service.process.wait(KILL_SECONDS)
        for client in clients:
            client.result(KILL_SECONDS)
        lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert sum(answered) == len([line for line in lines if line.get("path") == "/invocations"])


# -- what runtime clients see -------------------------------------------------------------------------------------


def invoke(client: Any, body: bytes, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.invoke_endpoint(
        **{"EndpointName": ENDPOINT, "Body": body, "ContentType": "application/json", **more}
    )
    return answer


def test_client_gets_the_prediction_and_the_variant(client: Any, body: bytes, holdout: Holdout) -> None:
    """InvokeEndpoint's response: Body, ContentType and InvokedProductionVariant, “the production variant … invoked”."""
    answer = invoke(client, body)
    (prediction,) = json.loads(answer["Body"].read())["predictions"]
    assert holdout.predictions[0] == pytest.approx(prediction, abs=1e-9)
    assert ("application/json", VARIANT) == (answer["ContentType"], answer["InvokedProductionVariant"])


def test_client_chooses_the_formats(client: Any, holdout: Holdout) -> None:
    """ContentType is “the MIME type of the input data”, Accept “the desired MIME type of the inference”."""
    line = ",".join(holdout.fields[0]).encode()
    answer = invoke(client, line, ContentType="text/csv", Accept="application/json")
    assert "application/json" == answer["ContentType"]
    (prediction,) = json.loads(answer["Body"].read())["predictions"]
    assert holdout.predictions[0] == pytest.approx(prediction, abs=1e-9)


def test_every_header_of_the_api_is_taken(client: Any, body: bytes) -> None:
    """CustomAttributes (1024 visible ASCII characters), InferenceId and SessionId do not change the answer."""
    plain = json.loads(invoke(client, body)["Body"].read())
    attributes = ("".join(map(chr, range(33, 127))) * 11)[:1024]
    session = "11111111-2222-3333-4444-555555555555"
    answer = invoke(client, body, CustomAttributes=attributes, InferenceId="flight-7", SessionId=session)
    assert plain == json.loads(answer["Body"].read())


def test_model_error_carries_the_containers_answer(client: Any, row: dict[str, Any]) -> None:
    """ModelError, HTTP 424: “Model … returned 4xx or 5xx error code”, with OriginalStatusCode and OriginalMessage."""
    bad = json.dumps({"instances": [row | {"carrier": 7}]}).encode()
    with pytest.raises(client.exceptions.ModelError) as caught:
        invoke(client, bad)
    response = caught.value.response
    assert (424, "ModelError") == (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"])
    assert 422 == response["OriginalStatusCode"]
    assert "instances[0].carrier" in json.loads(response["OriginalMessage"])["error"]["message"]
    assert response["Error"]["Message"]


def test_model_error_for_what_is_no_json(client: Any) -> None:
    """A container's 400 is a ModelError of the same shape."""
    with pytest.raises(client.exceptions.ModelError) as caught:
        invoke(client, b"{")
    assert 400 == caught.value.response["OriginalStatusCode"]


def test_unknown_endpoint_is_a_validation_error(client: Any, body: bytes) -> None:
    """ValidationError, HTTP 400: “Inspect your request and try again”; an endpoint that is not there is one."""
    with pytest.raises(ClientError) as caught:
        invoke(client, body, EndpointName="nowhere")
    error = caught.value.response["Error"]
    assert (400, "ValidationError") == (caught.value.response["ResponseMetadata"]["HTTPStatusCode"], error["Code"])
    assert "nowhere" in error["Message"]


def test_client_body_beyond_the_limit_is_refused(client: Any, body: bytes) -> None:
    """InvokeEndpoint's Body: “Maximum length of 6291456”; the client learns of it."""
    with pytest.raises(ClientError) as caught:
        invoke(client, body.ljust(LIMIT + 1))
    assert 413 == caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize("variant", ["v1-0", "v1-1"])
def test_target_variant_is_invoked(two_variants: Service, body: bytes, variant: str) -> None:
    """“TargetVariant … overrides the default behavior for the endpoint, which is to distribute … by weights”."""
    client = runtime_client(two_variants)
    answers = [invoke(client, body, TargetVariant=variant) for _ in range(10)]
    assert {variant} == {answer["InvokedProductionVariant"] for answer in answers}
    versions = {json.loads(answer["Body"].read())["model_version"] for answer in answers}
    assert {variant.replace("-", ".")} == versions


def test_unknown_target_variant_is_a_validation_error(two_variants: Service, body: bytes) -> None:
    """The API, not the container, resolves TargetVariant: a wrong one is a ValidationError, HTTP 400."""
    with pytest.raises(ClientError) as caught:
        invoke(runtime_client(two_variants), body, TargetVariant="v9-9")
    assert "ValidationError" == caught.value.response["Error"]["Code"]


def test_target_model_is_invoked(two_variants: Service, body: bytes) -> None:
    """“TargetModel: the model to request for inference when invoking a multi-model endpoint”, by its key's name.

    “InvokedProductionVariant: identifies the production variant that was invoked”, which is one for all its models.
    """
    client = runtime_client(two_variants)
    for target in ("v1.0.tar.gz", "v1.1.tar.gz", "v1.1.tar.gz"):
        response = invoke(client, body, TargetModel=target)
        assert "AllTraffic" == response["InvokedProductionVariant"]
        answer = json.loads(response["Body"].read())
        assert target.removesuffix(".tar.gz") == answer["model_version"]


@pytest.mark.parametrize("target", ["v7.7.tar.gz", "../v1.0", "nobody"])
def test_unknown_target_model_is_an_error_of_the_api(two_variants: Service, body: bytes, target: str) -> None:
    """A target that is not there is told as an error that clients can parse, and never as the service's fault."""
    with pytest.raises(ClientError) as caught:
        invoke(runtime_client(two_variants), body, TargetModel=target)
    response = caught.value.response
    assert response["Error"]["Code"] in ("ValidationError", "ModelError")
    assert response.get("OriginalStatusCode", 400) < 500


def test_a_session_stays_with_its_variant(two_variants: Service, body: bytes) -> None:
    """Requests of one SessionId go to one variant; weights spread the sessions over all variants."""
    client = runtime_client(two_variants)
    seen: dict[str, set[str]] = {}
    for _ in range(3):
        for session in range(40):
            answer = invoke(client, body, SessionId=f"session-{session}")
            seen.setdefault(f"session-{session}", set()).add(answer["InvokedProductionVariant"])
    assert {1} == {len(variants) for variants in seen.values()}
    assert {"v1-0", "v1-1"} == set().union(*seen.values())
