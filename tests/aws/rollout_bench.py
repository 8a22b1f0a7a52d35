"""An environment on AWS in memory, and rollouts in it: time passes only when the rollout sleeps."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from shipway.aws.calls import Calls
from shipway.aws.moving import Moving
from shipway.aws.names import Names, names_of
from shipway.aws.one_off import OneOffs
from shipway.aws.parameters import Parameters
from shipway.aws.read_back import Answer
from shipway.aws.release_store import ReleaseStore
from shipway.aws.rollout import Order, Parts, Rollout
from shipway.aws.services import Services
from shipway.aws.shifting import EcsShifter
from shipway.aws.target_groups import TargetGroups
from shipway.core.description.app import App
from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import Side
from shipway.core.releases.release import Artifact, Release
from shipway.core.rollouts.records import EnvironmentRecord, PendingCommand
from tests.aws.descriptions import ontime
from tests.aws.doubles import S3, CloudWatch, Events, Ssm, Sts, Wire
from tests.aws.ecs_double import ARN, Ecs

GROUP = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup"
BACKEND, MODEL = "backend-api", "ml-model-service"


def release(id: str, app: App, fill: str) -> Release:
    """A release whose images have digests of one letter for each service."""
    names = names_of(app)
    digests = {name: format(int(fill, 16) ^ n, "x") * 64 for n, name in enumerate(app.services)}
    artifacts = {name: Artifact(name, digest, names.image(name, digest)) for name, digest in digests.items()}
    return Release(id, "c" * 40, app, artifacts, "v1.0", "d" * 64, "e" * 64, 1.0, dict.fromkeys(artifacts, "c" * 40))


def told(app: App, environment: str, service: str) -> dict[str, Any]:
    """What Terraform tells of a service."""
    names = names_of(app)
    routed = bool(app.services[service].routes)
    groups = {side: f"{GROUP}/{names.target_group(environment, service, side)}/0123" for side in ("blue", "green")}  # type: ignore[arg-type]
    secrets = "arn:aws:secretsmanager:us-east-1:123456789012:secret"
    return {
        "target_groups": groups if routed else {},
        "load_balancer": f"app/{names.cluster(environment)}/0123456789abcdef" if routed else None,
        "rule": f"arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/x/1/2/{service}" if routed else None,
        "host": f"{environment}.ontime.example",
        "cpu": 512,
        "memory": 1024,
        "architecture": "ARM64",
        "secrets": {name: f"{secrets}:{names.secret(environment, name)}-AbCdEf" for name in app.services[service].secrets},
        "database": {
            "address": "ontime-prod.abc.us-east-1.rds.amazonaws.com:5432",
            "name": "ontime",
            "secret": f"{secrets}:{names.database_secret(environment)}-AbCdEf",
        } if app.services[service].database else None,
    }  # fmt: skip


class Bench:
    """prod of the example app; r1 serves there, unless it is `fresh`."""

    environment = "prod"

    def __init__(self, *, fresh: bool = False, app: App | None = None, **rollout: Any) -> None:
        self.app = app or ontime(**rollout)
        self.names: Names = names_of(self.app)
        self.now = 1_000_000.0
        self.wire, self.s3, self.events = Wire(), S3(), Events()
        self.ecs = Ecs(self.names.cluster(self.environment), lambda: self.now)
        self.ssm = Ssm({self.names.model_version(self.environment): "v1.0"})
        self.candidate = (600.0, 0.0, 0.05)
        self.stable = (6000.0, 0.0, 0.05)
        self.model = "v1.0"
        self.said: list[str] = []
        self._seen: dict[tuple[str, float], tuple[float, float, float]] = {}
        sides: tuple[Side, ...] = ("blue", "green")
        self._groups = [
            self.names.target_group(self.environment, service, side)
            for service, described in self.app.services.items() if described.routes
            for side in sides
        ]  # fmt: skip
        self.cloudwatch = CloudWatch(self._recorded, lambda: self.now)
        doubles = {
            "s3": self.s3, "ssm": self.ssm, "ecs": self.ecs, "cloudwatch": self.cloudwatch,
            "sts": Sts(self.names.account), "events": self.events,
        }  # fmt: skip
        self.calls = Calls(
            "us-east-1", patience=60, sleep=self.sleep, client=lambda name: self.wire.client(name, doubles[name])
        )
        self.store = ReleaseStore(self.calls, self.names)
        self.r1, self.r2 = release("r1", self.app, "2"), release("r2", self.app, "8")
        for service in self.app.services:
            its = told(self.app, self.environment, service)
            self.ssm.values[self.names.told(self.environment, service)] = json.dumps(its)
            first = f"{ARN}:task-definition/{self.names.family(self.environment, service)}:0"
            group = its["target_groups"].get("blue")
            self.ecs.definitions[first] = {"containerDefinitions": [{"image": self.r1.artifacts[service].address}]}
            self.ecs.add(service, first, 0 if fresh else self.app.environments[self.environment].tasks.min, group)
        if not fresh:
            self.store.keep_history(EnvironmentRecord(self.environment, history=("r1",)), None)
        self.wire.calls.clear()

    # -- what happens -----------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        """The only way that time passes."""
        before, self.now = self.now, self.now + seconds
        self.ecs.tick()
        for minute in range(int(before // 60), int(self.now // 60) + 1):
            for group in self._groups:
                self._seen[group, 60.0 * minute] = self._figures(group)

    def rollout(self, wanted: Release | None = None, *, id: str = "e1", back: bool = False) -> Rollout:
        """A program of its own: nothing but the bucket and AWS connects it with another."""
        services = Services(self.calls, self.ecs.cluster)
        parts = Parts(
            self.names, services, EcsShifter(services, self.sleep), OneOffs(services, lambda: self.now, self.sleep),
            TargetGroups(self.calls), Parameters(self.calls), self.store, self._ask, lambda: self.now, self.sleep,
            self.said.append,
        )  # fmt: skip
        return Rollout(parts, Order(id, self.environment, wanted or self.r2, "ann", run=id, back=back))

    def outcome(self, wanted: Release | None = None, *, id: str = "e1", back: bool = False) -> tuple[int, str]:
        """The exit code of a rollout, and what it said at its end."""
        try:
            return 0, self.rollout(wanted, id=id, back=back).carry_out()
        except ShipwayError as error:
            return error.exit_code, error.what

    def ask(self, command: Any) -> None:
        """A person's command."""
        self.store.order(PendingCommand(self.environment, command, "bob", "why not"))

    # -- what is ----------------------------------------------------------------------------------------------------

    def serving(self) -> dict[str, str]:
        """Each service → the release whose image has its clients: "r1", "r2", or the digest."""
        found = {}
        for service in self.app.services:
            image = self.ecs.definitions[self.ecs.serving(service)]["containerDefinitions"][0]["image"]
            known = {one.artifacts[service].address: one.id for one in (self.r1, self.r2)}
            found[service] = known.get(image, image)
        return found

    def history(self) -> tuple[str, ...]:
        """The releases that the environment served, as recorded."""
        kept = self.store.history(self.environment)
        return kept.record.history if kept is not None else ()

    def current(self) -> Moving:
        """The recorded rollout."""
        kept = self.store.current(self.environment)
        assert kept is not None
        return kept.record

    def without_time(self, moving: Moving) -> Moving:
        """For comparisons."""
        return replace(moving, rollout=replace(moving.rollout, ended=None))

    def _ask(self, host: str, probe: Any) -> Answer:
        return Answer(200, self.model if probe.path == "/api/predict" else None)

    def _recorded(self, group: str, at: float) -> tuple[float, float, float]:
        return self._seen.get((group, at), (0.0, 0.0, 0.0))

    def _figures(self, group: str) -> tuple[float, float, float]:
        """What clients meet there at this moment."""
        for there in self.ecs.services.values():
            newest = there.deployments[-1]
            ours = newest.source is not None and newest.share > 0 and newest.status != "ROLLBACK_SUCCESSFUL"
            if ours and group in newest.groups[0]:
                return self.candidate
            if any(group in arn for arn in there.groups):
                return self.stable
        return (0.0, 0.0, 0.0)
