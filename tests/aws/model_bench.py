"""An app on AWS whose tasks follow their model parameter: S3, Parameter Store and ECS are moto's, the tasks play-acted."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from shipway.aws.calls import Calls
from shipway.aws.model_desk import AwsModelDesk
from shipway.aws.model_moves import ModelParts
from shipway.aws.model_trials import AwsExperiments
from shipway.aws.names import Names
from shipway.aws.read_back import Answer
from shipway.aws.release_store import ReleaseStore
from shipway.aws.version_store import S3VersionStore
from shipway.core.contract.wanted import parse
from shipway.core.description.app import App, Probe
from shipway.registry.registry import ModelRegistry
from tests.aws.shapes import request_findings
from tests.doubles.source import FakeSource
from tests.model_folders import write_model

ENVIRONMENTS = ("dev", "prod")


@cache
def client(service: str) -> Any:
    """One for all tests, as it takes a sixth of a second to make; whose answers it gets is each test's own moto."""
    return Checked(service)


class Checked:
    """A client of boto3 whose requests are held to AWS's own shapes first."""

    def __init__(self, service: str) -> None:
        self._service = service
        keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
        self._client = boto3.client(service, "us-east-1", **keys)

    def __getattr__(self, operation: str) -> Any:
        found = getattr(self._client, operation)
        if operation == "get_paginator":
            return found

        def call(**request: Any) -> Any:
            shown = {key: b"" if hasattr(value, "read") else value for key, value in request.items()}
            assert [] == request_findings(self._service, operation, shown)
            return found(**request)

        return call


@dataclass
class Clock:
    """Passes only where somebody sleeps."""

    now: float = 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def __call__(self) -> float:
        return self.now


@dataclass
class Tasks:
    """What answers name: tasks take a version `lag` seconds after it was told, unless they refuse it."""

    calls: Calls
    names: Names
    clock: Clock
    lag: float = 5.0
    refused: set[str] = field(default_factory=set)
    failure: OSError | None = None
    nameless: bool = False
    failing_until: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    _looked: dict[str, tuple[float, str]] = field(default_factory=dict)
    _seen: dict[str, tuple[str, float]] = field(default_factory=dict)
    _serves: dict[str, str] = field(default_factory=dict)

    def __call__(self, host: str, probe: Probe) -> Answer:
        if self.failure is not None:
            raise self.failure
        self.asked.append((host, probe.path))
        if self.clock.now < self.failing_until:
            return Answer(503)
        if self.nameless:
            return Answer(200)
        return Answer(200, self._turn(host.partition(".")[0]))

    def _turn(self, environment: str) -> str | None:
        text = self._parameter(environment)
        before, since = self._seen.setdefault(environment, (text, self.clock.now - self.lag))
        if before != text:
            self._seen[environment] = since = text, self.clock.now
            since = self.clock.now
        wanted = parse(text)
        if self.clock.now - since >= self.lag and not self.refused & {version for version, _ in wanted.variants}:
            self._serves[environment] = text
        serves = parse(self._serves[environment])
        place, total = len(self.asked) * 37 % 100, 0.0
        for version, percent in serves.variants:
            total += percent
            if place < total:
                return version
        return serves.version

    def _parameter(self, environment: str) -> str:
        """Looked at once a moment."""
        looked, text = self._looked.get(environment, (0.0, ""))
        if looked != self.clock.now:
            name = self.names.model_version(environment)
            text = self.calls.call("ssm", "get_parameter", Name=name)["Parameter"]["Value"]
            self._looked[environment] = self.clock.now, text
        return text


@dataclass
class Bench:
    """The verbs, and what lies behind them."""

    models: AwsModelDesk
    experiments: AwsExperiments
    registry: ModelRegistry
    tasks: Tasks
    clock: Clock
    store: ReleaseStore
    calls: Calls
    names: Names
    folder: Path

    def parameter(self, environment: str) -> str:
        """What its tasks are told."""
        name = self.names.model_version(environment)
        return str(self.calls.call("ssm", "get_parameter", Name=name)["Parameter"]["Value"])

    def tell(self, environment: str, text: str) -> None:
        """Somebody writes the parameter by hand."""
        name = self.names.model_version(environment)
        self.calls.call("ssm", "put_parameter", Name=name, Value=text, Overwrite=True)


def bench(names: Names, app: App, folder: Path) -> Bench:
    """Terraform has made dev and prod; v1.0, v1.1 and v1.2 are published, nothing is promoted."""
    clock = Clock()
    calls = Calls("us-east-1", sleep=clock.sleep, client=client)
    for bucket in (names.models_bucket, names.releases_bucket):
        calls.call("s3", "create_bucket", Bucket=bucket)
    for environment in ENVIRONMENTS:
        cluster = names.cluster(environment)
        calls.call("ecs", "create_cluster", clusterName=cluster)
        put = {"Name": names.model_version(environment), "Value": "none", "Type": "String"}
        calls.call("ssm", "put_parameter", **put)
        (service,) = app.model_services()
        container = {"name": service, "image": "none", "memory": 512}
        calls.call("ecs", "register_task_definition", family=service, containerDefinitions=[container])
        calls.call(
            "ecs", "create_service", cluster=cluster, serviceName=service, taskDefinition=service, desiredCount=2
        )
        told = {"host": f"{environment}.ontime.example.com", "cpu": 256, "memory": 512, "architecture": "ARM64"}
        name = names.told(environment, "backend-api")
        calls.call("ssm", "put_parameter", Name=name, Value=json.dumps(told), Type="String")
    registry = ModelRegistry(S3VersionStore(calls, names.models_bucket), work_tree=folder)
    for n in range(3):
        for file in write_model(folder / f"trained-{n}", f"tree {n}\n".encode(), version=f"v1.{n}").iterdir():
            calls.call(
                "s3", "put_object", Bucket=names.models_bucket, Key=f"v1.{n}/{file.name}", Body=file.read_bytes()
            )
    tasks, store = Tasks(calls, names, clock), ReleaseStore(calls, names)
    parts = ModelParts(app, names, calls, registry, store, tasks, clock, clock)
    return Bench(
        AwsModelDesk(parts, FakeSource(folder)),
        AwsExperiments(parts),
        registry,
        tasks,
        clock,
        store,
        calls,
        names,
        folder,
    )
