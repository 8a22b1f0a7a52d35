"""S3, Parameter Store, CloudWatch and STS in memory, for tests that call them ten thousand times.

Each call is held to botocore's shapes, the answer as well. What S3 itself does with conditions is tested with moto
(test_release_store.py).
"""
# ruff: noqa: N803 - the arguments are called as AWS calls them

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from tests.aws.shapes import answer_findings, request_findings


class Killed(BaseException):
    """The program was killed at this call."""


def refused(code: str, message: str = "", status: int = 400) -> ClientError:
    """An error as AWS answers it."""
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, "X"
    )


@dataclass
class Wire:
    """Every call goes through it. `before` may raise in the place of the call, `after` once it was carried out."""

    before: Callable[[str, str], None] = lambda service, operation: None
    after: Callable[[str, str], None] = lambda service, operation: None
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def client(self, service: str, double: Any) -> Client:
        return Client(self, service, double)

    def carried_out(self, operation: str) -> list[dict[str, Any]]:
        """The requests of an operation, in order."""
        return [request for _, name, request in self.calls if name == operation]


class Client:
    """boto3's client of one service over a double."""

    def __init__(self, wire: Wire, service: str, double: Any) -> None:
        self._wire, self._service, self._double = wire, service, double

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> dict[str, Any]:
            wrong = request_findings(self._service, operation, request)
            assert not wrong, f"{self._service} {operation}: {wrong}"
            self._wire.calls.append((self._service, operation, request))
            self._wire.before(self._service, operation)
            answer: dict[str, Any] = getattr(self._double, operation)(**request)
            told = {name: value for name, value in answer.items() if name != "Body"}
            wrong = answer_findings(self._service, operation, told)
            assert not wrong, f"the double's {operation}: {wrong}"
            self._wire.after(self._service, operation)
            return answer

        return call

    def get_paginator(self, operation: str) -> Any:
        client = self

        class Pages:
            def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
                yield getattr(client, operation)(**request)

        return Pages()


class S3:
    """One namespace of objects, with If-None-Match and If-Match."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def put_object(
        self,
        Bucket: str,
        Key: str,
        Body: bytes,
        IfNoneMatch: str = "",
        IfMatch: str = "",
        **_: Any,
    ) -> dict[str, Any]:
        there = self.objects.get((Bucket, Key))
        if (IfNoneMatch and there is not None) or (IfMatch and (there is None or IfMatch != _mark(there))):
            raise refused("PreconditionFailed", status=412)
        self.objects[Bucket, Key] = bytes(Body)
        return {"ETag": _mark(bytes(Body))}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if (Bucket, Key) not in self.objects:
            raise refused("NoSuchKey", status=404)
        body = self.objects[Bucket, Key]
        return {"Body": io.BytesIO(body), "ETag": _mark(body)}

    def head_object(self, Bucket: str, Key: str, ChecksumMode: str) -> dict[str, Any]:
        if (Bucket, Key) not in self.objects:
            raise refused("404", status=404)
        digest = hashlib.sha256(self.objects[Bucket, Key]).digest()
        return {"ChecksumSHA256": base64.b64encode(digest).decode(), "ContentLength": len(self.objects[Bucket, Key])}

    def list_objects_v2(self, Bucket: str, Prefix: str) -> dict[str, Any]:
        keys = sorted(key for bucket, key in self.objects if bucket == Bucket and key.startswith(Prefix))
        return {"Contents": [{"Key": key} for key in keys]}


class Sts:
    """Whose credentials they are."""

    def __init__(self, account: str) -> None:
        self.account = account

    def get_caller_identity(self) -> dict[str, Any]:
        arn = f"arn:aws:sts::{self.account}:assumed-role/ontime-prod-rollout/build"
        return {"UserId": "AROAEXAMPLE:build", "Account": self.account, "Arn": arn}


class Ssm:
    """Parameters by name."""

    def __init__(self, values: dict[str, str]) -> None:
        self.values = values

    def get_parameter(self, Name: str) -> dict[str, Any]:
        if Name not in self.values:
            raise refused("ParameterNotFound")
        now = datetime.now(UTC)
        return {"Parameter": {"Name": Name, "Value": self.values[Name], "Version": 1, "LastModifiedDate": now}}

    def put_parameter(self, Name: str, Value: str, Overwrite: bool) -> dict[str, Any]:
        assert Overwrite
        assert Name in self.values
        self.values[Name] = Value
        return {"Version": 2}


class Events:
    """Which schedules are on."""

    def __init__(self) -> None:
        self.on: set[str] = set()

    def enable_rule(self, Name: str) -> dict[str, Any]:
        self.on.add(Name)
        return {}

    def disable_rule(self, Name: str) -> dict[str, Any]:
        self.on.discard(Name)
        return {}


Figures = Callable[[str, float], tuple[float, float, float]]
"""A target group's name and a minute (Unix time) → its requests, the share that fails, the seconds of an answer."""


class CloudWatch:
    """The load balancer's figures: minutes that are over, as long as clients meet the group."""

    def __init__(self, figures: Figures, clock: Callable[[], float]) -> None:
        self.figures, self._clock = figures, clock
        self.late = 0.0

    def get_metric_data(
        self,
        MetricDataQueries: list[dict[str, Any]],
        StartTime: datetime,
        EndTime: datetime,
        **_: Any,
    ) -> dict[str, Any]:
        begin, end = StartTime.timestamp(), EndTime.timestamp() - self.late
        minutes = [begin + 60 * n for n in range(int((end - begin) // 60))]
        return {"MetricDataResults": [self._result(query, minutes) for query in MetricDataQueries]}

    def _result(self, query: dict[str, Any], minutes: list[float]) -> dict[str, Any]:
        metric = query["MetricStat"]["Metric"]
        group = next(one["Value"] for one in metric["Dimensions"] if one["Name"] == "TargetGroup").split("/")[1]
        seen = {at: self.figures(group, at) for at in minutes}
        values = {
            at: {
                "RequestCount": requests,
                "HTTPCode_Target_5XX_Count": requests * failing,
                "TargetConnectionErrorCount": 0.0,
                "TargetResponseTime": seconds,
            }[metric["MetricName"]]
            for at, (requests, failing, seconds) in seen.items()
            if requests
        }
        return {
            "Id": query["Id"],
            "Label": metric["MetricName"],
            "Timestamps": [datetime.fromtimestamp(at, UTC) for at in values],
            "Values": list(values.values()),
            "StatusCode": "Complete",
        }


def _mark(body: bytes) -> str:
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
