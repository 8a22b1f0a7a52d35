"""boto3's own clients over a double: requests are checked by AWS's shapes, so are the double's answers, and all are noted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import boto3
from botocore import xform_name

from tests.aws.shapes import answer_findings, request_findings

_OK = SimpleNamespace(status_code=200)
_BAD = SimpleNamespace(status_code=400)
COMMON = frozenset({
    "AccessDeniedException", "AccessDenied", "ExpiredTokenException", "ThrottlingException", "UnrecognizedClientException",
    "InternalFailure", "403", "404",
})  # fmt: skip
"""Codes that every operation may answer, which botocore's models don't list."""
Answer = Callable[..., dict[str, Any]]


class Answered(Exception):
    """An error that AWS answers with."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.message = message or f"about {code}"


@dataclass
class _Made:
    """The clients of a region, and the double that answers them now: a client takes long to make."""

    clients: dict[str, Any] = field(default_factory=dict)
    now: Clients | None = None


_MADE: dict[str, _Made] = {}


class Clients:
    """Gives clients. What `double` has a method for (`ecs_describe_services`) it answers; moto answers the rest.

    `called` are the operations in order. There is one double at a time in a region.
    """

    def __init__(self, double: object, region: str) -> None:
        self.called: list[str] = []
        self.failing: dict[str, Answered] = {}
        self._double = double
        self._lock = threading.RLock()
        self._made = _MADE.setdefault(region, _Made())
        self._made.now = self
        self._region = region

    def __call__(self, service: str) -> Any:
        made = self._made
        with self._lock:
            if service not in made.clients:
                client = made.clients[service] = boto3.session.Session(region_name=self._region).client(service)
                client.meta.events.register("provide-client-params", self._keep)
                client.meta.events.register("before-call", lambda **given: made.now and made.now.answer(**given))
            return made.clients[service]

    def fail(self, operation: str, code: str | None, message: str = "") -> None:
        """From now on `service:Operation` answers this error; None ends that."""
        if code is None:
            del self.failing[operation]
        else:
            self.failing[operation] = Answered(code, message)

    @staticmethod
    def _keep(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["given"] = params

    def answer(self, model: Any, context: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]] | None:
        """The double's answer to a call; None where it has none."""
        with self._lock:
            return self._answer(model, context)

    def _answer(self, model: Any, context: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        service, given = model.service_model.service_name, context["given"]
        operation = f"{service}:{model.name}"
        self.called.append(operation)
        if wrong := request_findings(service, model.name, {name: _plain(value) for name, value in given.items()}):
            raise AssertionError(f"{operation} is asked wrongly: {wrong}")
        try:
            if operation in self.failing:
                raise self.failing[operation]
            method: Answer | None = getattr(self._double, f"{service}_{xform_name(model.name)}".replace("-", "_"), None)
            if method is None:
                return None
            answer = method(**given)
        except Answered as error:
            known = {shape.metadata.get("error", {}).get("code", shape.name) for shape in model.error_shapes}
            if error.code not in known | COMMON:
                raise AssertionError(f"{operation} never answers {error.code}") from error
            return _BAD, {
                "Error": {"Code": error.code, "Message": error.message}, "ResponseMetadata": {"HTTPStatusCode": 400},
            }  # fmt: skip
        # AWS leaves lists out that its own shapes allow only with something in them.
        shape = model.output_shape
        answer = {k: v for k, v in answer.items() if v != [] or not shape.members[k].metadata.get("min")}
        if wrong := answer_findings(service, model.name, answer):
            raise AssertionError(f"the double answers {operation} as AWS never would: {wrong}")
        return _OK, {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}


def _plain(value: Any) -> Any:
    """What botocore has made a stream of, as the bytes that it stands for."""
    return b"" if hasattr(value, "read") else value
