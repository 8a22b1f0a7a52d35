"""The backend against a SageMaker endpoint alone (option B): how it asks, what it makes of the answers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.credentials import RefreshableCredentials

from backend import Backend, Serving, logger_into, wait_for
from backend_api.config.settings import Settings
from backend_api.model_client import aws
from conftest import AWS, RETRY_PAUSE, Start, set_aws_variables
from signature import signed_by
from standin import Reply, StandIn

# They load botocore.
pytestmark = pytest.mark.slow

SECRET = AWS["AWS_SECRET_ACCESS_KEY"]


ALONE: dict[str, Any] = {"model_service_url": None, "sagemaker_endpoint": "ontime", "model_sagemaker_percent": 100}


@pytest.fixture(scope="module")
def shared_backend(shared_endpoint: StandIn, database_url: str) -> Iterator[Backend]:
    """One backend for this module: use `backend`."""
    with pytest.MonkeyPatch.context() as patch:
        set_aws_variables(patch, shared_endpoint.url)
        serving = Serving(Settings(**ALONE, database_url=database_url, model_retry_pause=RETRY_PAUSE))
        yield serving.backend
        serving.stop()
        serving.join()


@pytest.fixture
def backend(shared_backend: Backend, endpoint: StandIn) -> Backend:
    """A backend that knows no model service, logged nothing yet and holds no connection."""
    shared_backend.lines.clear()
    return shared_backend


def refusal(status: int, kind: str, message: str | None = None) -> Reply:
    """An error of the API itself, with its type as AWS writes it."""
    domain = "http://internal.amazon.com/coral/com.amazonaws.sagemaker.runtime/"
    return Reply(status, {"message": message}, {"x-amzn-ErrorType": f"{kind}:{domain}"})


def model_error(status: int, message: str = "") -> Reply:
    """What becomes of a container's answer that is no success."""
    content = {"Message": "Received an error", "OriginalStatusCode": status, "OriginalMessage": message}
    return Reply(424, content, {"x-amzn-ErrorType": "ModelError"})


def test_asks_as_the_api_wants_it(backend: Backend, endpoint: StandIn) -> None:
    """The row goes to the endpoint's path, with the prediction's id for the captured data, and no session."""
    answer = backend.predict(x_request_id="abc-1")
    assert (200, 0.31) == (answer.status, answer.json["probability"])
    (asked,) = endpoint.asked
    assert ("POST", "/endpoints/ontime/invocations") == (asked.method, asked.path)
    assert "JFK" == asked.instance["origin"]
    expected = {
        "content-type": "application/json",
        "accept": "application/json",
        "x-amzn-sagemaker-inference-id": answer.json["id"],
        "x-amz-security-token": "a-session",
    }
    assert expected == {name: asked.headers[name] for name in expected}
    assert not {"x-amzn-sagemaker-session-id", "x-amzn-sagemaker-target-variant"} & asked.headers.keys()
    assert "sagemaker" == backend.lines[-1]["model_route"]


def test_signature_is_right(backend: Backend, endpoint: StandIn) -> None:
    """AWS comes to the same signature from what arrives, and to another one from anything else."""
    backend.predict()
    (asked,) = endpoint.asked
    assert "AKIDEXAMPLE" == signed_by(asked, SECRET)
    assert signed_by(asked, "another") is None
    for changed in (
        replace(asked, body=asked.body + b" "),
        replace(asked, path=asked.path.replace("ontime", "other")),
        replace(asked, headers=asked.headers | {"x-amzn-sagemaker-inference-id": "other"}),
    ):
        assert signed_by(changed, SECRET) is None


@pytest.mark.usefixtures("found_anew")
def test_signature_below_a_prefix(start: Start, endpoint: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint URL with a path, as a gateway in front has it, is signed with that path."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", f"{endpoint.url}/aws/")
    backend = start(**ALONE)
    assert 200 == backend.predict().status
    (asked,) = endpoint.asked
    assert ("/aws/endpoints/ontime/invocations", "AKIDEXAMPLE") == (asked.path, signed_by(asked, SECRET))


def test_variant_is_asked_for(start: Start, endpoint: StandIn) -> None:
    """A variant in the settings overrides the endpoint's weights, and is part of what is signed."""
    backend = start(**ALONE, sagemaker_variant="v1-2")
    backend.predict()
    (asked,) = endpoint.asked
    assert ("v1-2", "AKIDEXAMPLE") == (asked.headers["x-amzn-sagemaker-target-variant"], signed_by(asked, SECRET))


def test_one_connection_serves_many_requests(backend: Backend, endpoint: StandIn) -> None:
    """Connections are kept alive and used again."""
    assert {200} == {backend.predict().status for _ in range(5)}
    assert 1 == endpoint.connections


@pytest.mark.parametrize(
    "reply",
    [
        refusal(400, "ThrottlingException"),
        refusal(429, "ModelNotReadyException"),
        refusal(500, "InternalFailure"),
        refusal(503, "ServiceUnavailable"),
        refusal(530, "InternalDependencyException"),
        Reply(502, b"<html>"),
        model_error(502),
        model_error(503),
    ],
)
def test_passing_faults_are_retried(backend: Backend, endpoint: StandIn, reply: Reply) -> None:
    """Two of them in a row are not seen by the client; a fault that stays is a 503."""
    endpoint.replies.extend([reply, reply])
    assert 200 == backend.predict().status
    endpoint.default = reply
    answer = backend.predict()
    assert (503, "model_unavailable", "1") == (
        answer.status,
        answer.json["error"]["code"],
        answer.headers["retry-after"],
    )
    assert 6 == len(endpoint.asked)


def test_hanging_up_is_retried(backend: Backend, endpoint: StandIn) -> None:
    """A connection that breaks before its answer costs the client nothing."""
    endpoint.replies.extend([Reply(hang_up=True), Reply(hang_up=True)])
    assert 200 == backend.predict().status


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (refusal(400, "ValidationError", "Endpoint ontime of account 111122223333 not found."), "ValidationError"),
        (refusal(403, "AccessDeniedException", "arn:aws:sts::111122223333:role is not authorized"), "AccessDenied"),
        (refusal(403, "ExpiredTokenException", "for 111122223333"), "ExpiredToken"),
        (model_error(0, "Your invocation timed out while waiting for a response"), "in time"),
    ],
)
def test_refusals_are_not_retried(backend: Backend, endpoint: StandIn, reply: Reply, reason: str) -> None:
    """An endpoint that can't be used, or was too slow, is a 503 at once; AWS's words stay in the log."""
    endpoint.default = reply
    answer = backend.predict()
    assert (503, 1) == (answer.status, len(endpoint.asked))
    assert reason in answer.json["error"]["message"]
    assert b"111122223333" not in answer.body
    if reply.status != 424:
        assert "111122223333" in backend.lines[-1]["model_detail"]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (model_error(422, "instances[0].temp: unknown"), "it is a 422: instances[0].temp"),
        (model_error(500), "it is a 500"),
        (Reply(424, b"<html>"), "no ModelError"),
        (Reply(424, []), "no ModelError"),
        (Reply(302), "it is a 302"),
        (Reply(body=b"<html>"), "Invalid JSON"),
        (Reply(body={"model_version": "v1", "predictions": [1.5]}), "predictions.0"),
        (Reply(raw=b"SMTP ready\r\n\r\n"), "not an HTTP/1.1 answer"),
    ],
)
def test_lying_endpoint(backend: Backend, endpoint: StandIn, reply: Reply, reason: str) -> None:
    """Nonsense is a 502 that says what was wrong with it, and the next request works."""
    endpoint.replies.append(reply)
    answer = backend.predict()
    assert (502, "model_answer_invalid") == (answer.status, answer.json["error"]["code"])
    assert reason in answer.json["error"]["message"]
    assert 200 == backend.predict().status
    assert 2 == len(endpoint.asked)


def test_slow_endpoint(start: Start, endpoint: StandIn) -> None:
    """A request waits no longer than the read timeout and is not sent again."""
    gate = threading.Event()
    endpoint.default = Reply(gate=gate)
    backend = start(**ALONE, model_read_timeout=0.1)
    assert (503, 1) == (backend.predict().status, len(endpoint.asked))
    gate.set()


def test_ready_tells_the_last_outcome(start: Start, endpoint: StandIn) -> None:
    """The endpoint can't be asked how it is, so the last request's outcome is told; it decides nothing."""
    backend = start(**ALONE)

    def told() -> tuple[int, dict[str, Any]]:
        answer = backend.call("GET", "/ready")
        assert "model_service" not in answer.json
        return answer.status, answer.json["sagemaker_endpoint"]

    configured = {"status": "configured", "endpoint": "ontime"}
    assert (200, configured | {"last": "not asked yet"}) == told()
    backend.predict()
    assert (200, configured | {"last": "answered"}) == told()
    endpoint.replies.append(refusal(403, "AccessDeniedException"))
    backend.predict()
    assert (200, configured | {"last": "refused to be asked: 403 (AccessDeniedException)"}) == told()


@pytest.mark.slow
@pytest.mark.usefixtures("found_anew")
def test_without_credentials(start: Start, endpoint: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent unsigned: a 503 and `/ready` say what is missing."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    backend = start(**ALONE)
    answer = backend.predict()
    assert (503, 0) == (answer.status, len(endpoint.asked))
    assert "no AWS credentials were found" in answer.json["error"]["message"]
    state = backend.call("GET", "/ready").json["sagemaker_endpoint"]
    assert ("no credentials", "no AWS credentials were found") == (state["status"], state["reason"])
    assert ["no AWS credentials were found"] == [line["message"] for line in backend.logged("credentials")]


def container_credentials(key: str, lives: timedelta, gate: threading.Event | None = None) -> Reply:
    """What a task role's credentials service answers."""
    content = {
        "AccessKeyId": key,
        "SecretAccessKey": f"secret of {key}",
        "Token": f"token of {key}",
        "Expiration": (datetime.now(UTC) + lives).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return Reply(body=content, gate=gate)


@pytest.mark.slow
@pytest.mark.usefixtures("found_anew")
def test_credentials_of_a_task_role_are_renewed_beside_the_requests(
    start: Start, endpoint: StandIn, model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While new credentials take their time, requests go on with the old ones; then they are signed with the new."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{model.url}/credentials")
    monkeypatch.setattr(aws, "RENEW_EVERY", 0.02)
    gate = threading.Event()
    model.replies.append(container_credentials("OLD", timedelta(hours=6)))
    model.default = container_credentials("NEW", timedelta(hours=6), gate)
    backend = start(**ALONE)
    try:
        assert 200 == backend.predict().status
        # From how long before the end botocore renews: from now on.
        monkeypatch.setattr(RefreshableCredentials, "_advisory_refresh_timeout", 7 * 3600)
        wait_for(lambda: len(model.asked) == 2)
        assert 200 == backend.predict().status
        assert "OLD" == signed_by(endpoint.asked[-1], "secret of OLD")
    finally:
        gate.set()

    def newly_signed() -> bool:
        assert 200 == backend.predict().status
        return endpoint.asked[-1].headers["x-amz-security-token"] == "token of NEW"

    wait_for(newly_signed)
    assert "NEW" == signed_by(endpoint.asked[-1], "secret of NEW")


def test_a_fault_that_comes_back_is_told_again(endpoint: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once each time, not at every look."""
    looks = iter([False, False, True, False, True])
    over = threading.Event()

    class Session:
        def get_credentials(self) -> aws.ReadOnlyCredentials | None:
            if (found := next(looks, None)) is None:
                over.set()
            return self if found in (True, None) else None  # type: ignore[return-value]

        def get_frozen_credentials(self) -> aws.ReadOnlyCredentials:
            return aws.ReadOnlyCredentials("key", "secret", None)

    monkeypatch.setattr(aws, "RENEW_EVERY", 0.001)
    lines: list[dict[str, Any]] = []
    credentials = aws.Credentials(Session(), logger_into(lines))
    asyncio.run(credentials.start())
    assert over.wait(10)
    credentials.stop()
    assert 2 == len(lines)
