"""SageMaker Runtime's side of an invocation, so that its real clients work against any host of this service.

Protocol: `InvokeEndpoint` in the API reference of Amazon SageMaker Runtime (rest-json).
"""

from __future__ import annotations

import re

import msgspec

from ml_model_service.http.messages import Answer

_PATH = re.compile(rb"/endpoints/([A-Za-z0-9](?:-?[A-Za-z0-9]){0,62})/invocations")


def endpoint_in(path: bytes) -> str | None:
    """The endpoint's name in the path of an invocation; None for any other path."""
    found = _PATH.fullmatch(path)
    return found[1].decode() if found else None


def invalid(message: str) -> Answer:
    """What the API answers by itself, before any container is asked: no such endpoint, variant or target."""
    return _error(400, "ValidationError", {"message": message})


def as_seen_by_clients(answer: Answer) -> Answer:
    """The container's answer as the API passes it on: what is no success becomes a ModelError."""
    if answer.status < 400:
        return answer
    original = answer.body.decode(errors="replace")
    message = f"Received status {answer.status} from the model with message {original}"
    content = {"Message": message, "OriginalStatusCode": answer.status, "OriginalMessage": original, "LogStreamArn": ""}
    error = _error(424, "ModelError", content)
    error.model_version = answer.model_version
    return error


def _error(status: int, kind: str, content: dict[str, object]) -> Answer:
    return Answer(status, msgspec.json.encode(content), headers=f"x-amzn-errortype: {kind}\r\n".encode())
