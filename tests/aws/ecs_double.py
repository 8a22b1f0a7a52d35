"""ECS as far as a rollout sees it: deployments that go from stage to stage as time passes, hooks, revisions, tasks.

It follows botocore's shapes (every answer is held to them) and AWS's description of the stages. That AWS behaves so is
not proved by it.
"""
# ruff: noqa: N803 - the arguments are called as AWS calls them

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.aws.doubles import refused

ARN = "arn:aws:ecs:us-east-1:123456789012"
TWO_SIDES = ("BLUE_GREEN", "CANARY", "LINEAR")


@dataclass
class Deployment:
    arn: str
    service: str
    task_definition: str
    source: str | None
    configuration: dict[str, Any]
    desired: int
    created: float
    groups: list[str]
    status: str = "IN_PROGRESS"
    stage: str = "SCALE_UP"
    share: float = 0.0
    running: int = 0
    hook: str | None = None
    expires: float = 0.0
    hooks: int = 0
    reason: str = ""
    visible_from: int = 0

    @property
    def strategy(self) -> str:
        return self.configuration.get("strategy", "ROLLING")

    @property
    def live(self) -> bool:
        return self.status in ("PENDING", "IN_PROGRESS")

    @property
    def revision(self) -> str:
        return self.arn.replace("service-deployment", "service-revision")


@dataclass
class Service:
    name: str
    task_definition: str
    desired: int
    deployments: list[Deployment] = field(default_factory=list)
    configuration: dict[str, Any] = field(default_factory=dict)
    groups: list[str] = field(default_factory=list)


class Ecs:
    """A cluster. `tick` lets time pass; `fails(service, stage, share)` says why a deployment turns back there, or ''."""

    def __init__(self, cluster: str, clock: Callable[[], float]) -> None:
        self.cluster, self._clock = cluster, clock
        self.services: dict[str, Service] = {}
        self.definitions: dict[str, dict[str, Any]] = {}
        self.one_offs: dict[str, dict[str, Any]] = {}
        self.fails: Callable[[str, str, float], str] = lambda service, stage, share: ""
        self.migration_code = 0
        self.lag = 0
        self.slowness: Callable[[str], int] = lambda service: 1
        self._calls = self._ticks = self._number = 0

    # -- time -------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Every deployment goes one stage on, unless it waits at a hook."""
        self._ticks += 1
        for service in self.services.values():
            for deployment in service.deployments:
                if self._ticks % self.slowness(service.name) == 0 or not deployment.live:
                    self._advance(service, deployment)

    def _advance(self, service: Service, it: Deployment) -> None:
        if it.status == "ROLLBACK_REQUESTED":
            it.status, it.hook = "ROLLBACK_IN_PROGRESS", None
        elif it.status == "ROLLBACK_IN_PROGRESS":
            it.status, it.share, it.running, it.stage = "ROLLBACK_SUCCESSFUL", 0.0, 0, "CLEAN_UP"
            if it is service.deployments[-1]:
                service.task_definition = self.serving(service.name)
        if not it.live:
            return
        if it.hook is not None:
            if self._clock() >= it.expires:
                action = it.configuration["lifecycleHooks"][0]["timeoutConfiguration"]["action"]
                self._leave(it) if action == "CONTINUE" else self._turn(it, "a lifecycle hook timed out")
            return
        if reason := self.fails(it.service, it.stage, it.share):
            self._turn(it, reason)
        elif it.stage == "SCALE_UP":
            it.running = it.desired
            if it.strategy not in TWO_SIDES:
                self._succeed(service, it)
            else:
                it.stage = "PRODUCTION_TRAFFIC_SHIFT"
                self._pause(it)
        elif it.stage == "PRODUCTION_TRAFFIC_SHIFT":
            it.share = min(100.0, self._next(it))
            it.stage = "POST_PRODUCTION_TRAFFIC_SHIFT" if it.share == 100 else it.stage
            self._pause(it)
        else:
            self._succeed(service, it)

    def _next(self, it: Deployment) -> float:
        if it.strategy == "CANARY":
            return it.configuration["canaryConfiguration"]["canaryPercent"] if it.share == 0 else 100.0
        if it.strategy == "LINEAR":
            return round(it.share + it.configuration["linearConfiguration"]["stepPercent"], 6)
        return 100.0

    def _pause(self, it: Deployment) -> None:
        if hooks := it.configuration.get("lifecycleHooks"):
            it.hooks += 1
            it.hook = f"{it.arn.rpartition('/')[2]}-hook-{it.hooks}"
            it.expires = self._clock() + 60 * hooks[0]["timeoutConfiguration"]["timeoutInMinutes"]

    @staticmethod
    def _leave(it: Deployment) -> None:
        it.hook = None
        if it.stage == "POST_PRODUCTION_TRAFFIC_SHIFT":
            it.stage = "CLEAN_UP"

    @staticmethod
    def _turn(it: Deployment, reason: str) -> None:
        it.status, it.reason = "ROLLBACK_REQUESTED", reason

    @staticmethod
    def _succeed(service: Service, it: Deployment) -> None:
        it.status, it.share, it.stage = "SUCCESSFUL", 100.0, "CLEAN_UP"
        service.groups = it.groups

    # -- what tests ask ---------------------------------------------------------------------------------------------

    def add(self, name: str, definition: str, desired: int, group: str | None) -> None:
        """A service that runs since long, or (0 desired) has never run."""
        self.services[name] = Service(name, definition, desired, groups=[group] if group else [])
        self._begin(self.services[name], {}, definition, desired, [group] if group else [])
        first = self.services[name].deployments[0]
        first.status, first.running, first.share = "SUCCESSFUL", desired, 100.0

    def serving(self, name: str) -> str:
        """The task definition that has the service's clients."""
        return next(
            one.task_definition for one in reversed(self.services[name].deployments) if one.status == "SUCCESSFUL"
        )

    def newest(self, name: str) -> Deployment:
        return self.services[name].deployments[-1]

    # -- boto3's client ---------------------------------------------------------------------------------------------

    def register_task_definition(self, **request: Any) -> dict[str, Any]:
        known = sum(1 for arn in self.definitions if arn.rpartition("/")[2].rpartition(":")[0] == request["family"])
        arn = f"{ARN}:task-definition/{request['family']}:{known + 1}"
        self.definitions[arn] = request
        return {"taskDefinition": {**request, "taskDefinitionArn": arn, "revision": known + 1}}

    def update_service(self, cluster: str, service: str, **request: Any) -> dict[str, Any]:
        there = self._service(service)
        definition = request.get("taskDefinition", there.task_definition)
        if "deploymentConfiguration" in request:
            there.configuration = request["deploymentConfiguration"]
        desired = request.get("desiredCount", there.desired)
        changed = (definition, desired) != (there.task_definition, there.desired)
        groups = there.groups
        if balancers := request.get("loadBalancers"):
            groups = [balancers[0]["targetGroupArn"]]
            if advanced := balancers[0].get("advancedConfiguration"):
                pair = [groups[0], advanced["alternateTargetGroupArn"]]
                groups = [next((arn for arn in pair if arn not in there.groups), pair[0])]
        there.task_definition, there.desired = definition, desired
        if changed:
            for other in there.deployments:
                if other.live:
                    other.status, other.reason = "STOPPED", "replaced by another deployment"
            self._begin(there, there.configuration, definition, desired, groups)
        return {"service": self._told(there)}

    def describe_services(self, cluster: str, services: list[str]) -> dict[str, Any]:
        return {"services": [self._told(self.services[name]) for name in services if name in self.services]}

    def list_service_deployments(self, cluster: str, service: str, maxResults: int = 20) -> dict[str, Any]:
        self._calls += 1
        seen = [one for one in self._service(service).deployments if one.visible_from <= self._calls]
        return {
            "serviceDeployments": [
                {"serviceDeploymentArn": one.arn, "createdAt": _time(one.created), "status": one.status}
                for one in reversed(seen)
            ][:maxResults]
        }

    def describe_service_deployments(self, serviceDeploymentArns: list[str]) -> dict[str, Any]:
        return {"serviceDeployments": [self._deployment(arn) for arn in serviceDeploymentArns]}

    def describe_service_revisions(self, serviceRevisionArns: list[str]) -> dict[str, Any]:
        every = {one.revision: one for service in self.services.values() for one in service.deployments}
        return {
            "serviceRevisions": [
                {
                    "serviceRevisionArn": arn,
                    "taskDefinition": every[arn].task_definition,
                    "resolvedConfiguration": {
                        "loadBalancers": [{"targetGroupArn": group} for group in every[arn].groups]
                    },
                }
                for arn in serviceRevisionArns
                if arn in every
            ]
        }

    def continue_service_deployment(self, serviceDeploymentArn: str, hookId: str, action: str) -> dict[str, Any]:
        it = self._by_arn(serviceDeploymentArn)
        if it.hook != hookId:
            raise refused("InvalidParameterException", "the hook does not await an action")
        assert action == "CONTINUE"
        self._leave(it)
        return {"serviceDeploymentArn": it.arn}

    def stop_service_deployment(self, serviceDeploymentArn: str, stopType: str) -> dict[str, Any]:
        it = self._by_arn(serviceDeploymentArn)
        assert stopType == "ROLLBACK"
        if not it.live:
            raise refused("ConflictException", f"the deployment is {it.status}")
        self._turn(it, "stopped by a request")
        return {"serviceDeploymentArn": it.arn}

    def list_tasks(self, cluster: str, serviceName: str, desiredStatus: str) -> dict[str, Any]:
        assert desiredStatus == "RUNNING"
        return {"taskArns": [f"{ARN}:task/{cluster}/{serviceName}-{n}-{tag}" for n, tag, _ in self._tasks(serviceName)]}

    def describe_tasks(self, cluster: str, tasks: list[str]) -> dict[str, Any]:
        told = []
        for arn in tasks:
            id = arn.rpartition("/")[2]
            if id in self.one_offs:
                told.append(self.one_offs[id])
                self.one_offs[id] = self._ended(self.one_offs[id])
            for name in self.services:
                told += [self._task(arn, name, definition) for n, tag, definition in self._tasks(name)
                         if id == f"{name}-{n}-{tag}"]  # fmt: skip
        return {"tasks": told}

    def run_task(self, cluster: str, taskDefinition: str, clientToken: str, **_: Any) -> dict[str, Any]:
        task = {
            "taskArn": f"{ARN}:task/{cluster}/{clientToken}",
            "taskDefinitionArn": taskDefinition,
            "lastStatus": "PENDING",
        }
        known = self.one_offs.setdefault(clientToken, task)
        if known["taskDefinitionArn"] != taskDefinition:
            raise refused("ConflictException", "the token was used for another request")
        return {"tasks": [known]}

    # -- within -----------------------------------------------------------------------------------------------------

    def _begin(
        self, service: Service, configuration: dict[str, Any], definition: str, desired: int, groups: list[str]
    ) -> None:
        self._number += 1
        arn = f"{ARN}:service-deployment/{self.cluster}/{service.name}/{self._number:04d}"
        source = next((one.revision for one in reversed(service.deployments) if one.status == "SUCCESSFUL"), None)
        created = self._clock() + self._number / 1000
        new = Deployment(arn, service.name, definition, source, configuration, desired, created, groups)
        new.visible_from = self._calls + self.lag
        service.deployments.append(new)

    def _service(self, name: str) -> Service:
        if name not in self.services:
            raise refused("ServiceNotFoundException", name)
        return self.services[name]

    def _by_arn(self, arn: str) -> Deployment:
        every = (one for service in self.services.values() for one in service.deployments)
        return next(one for one in every if one.arn == arn)

    def _tasks(self, name: str) -> list[tuple[int, str, str]]:
        """The running tasks: of what serves, and of the candidate beside it."""
        found: list[tuple[int, str, str]] = []
        deployments = self.services[name].deployments
        stable = [one for one in deployments if one.status == "SUCCESSFUL"][-1:]
        for one in [*stable, *(one for one in deployments if one.live or one.status.startswith("ROLLBACK_REQ"))]:
            tag = one.arn.rpartition("/")[2]
            found += [(n, tag, one.task_definition) for n in range(one.running)]
        return found

    def _task(self, arn: str, name: str, definition: str) -> dict[str, Any]:
        image = self.definitions.get(definition, {}).get("containerDefinitions", [{}])[0].get("image", "")
        return {
            "taskArn": arn,
            "taskDefinitionArn": definition,
            "lastStatus": "RUNNING",
            "containers": [{"name": name, "imageDigest": f"sha256:{image.rpartition('sha256:')[2]}"}],
        }

    def _ended(self, task: dict[str, Any]) -> dict[str, Any]:
        return {**task, "lastStatus": "STOPPED", "containers": [{"name": "x", "exitCode": self.migration_code}]}

    def _told(self, service: Service) -> dict[str, Any]:
        return {
            "serviceName": service.name,
            "status": "ACTIVE",
            "taskDefinition": service.task_definition,
            "desiredCount": service.desired,
            "runningCount": len(self._tasks(service.name)),
            "deploymentConfiguration": service.configuration,
            "currentServiceRevisions": [
                {"arn": one.revision} for one in service.deployments if one.status == "SUCCESSFUL"
            ][-1:],
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}},
        }

    def _deployment(self, arn: str) -> dict[str, Any]:
        it = self._by_arn(arn)
        told = {
            "serviceDeploymentArn": it.arn,
            "serviceArn": f"{ARN}:service/{self.cluster}/{it.service}",
            "status": it.status,
            "statusReason": it.reason,
            "lifecycleStage": it.stage,
            "createdAt": _time(it.created),
            "sourceServiceRevisions": [{"arn": it.source}] if it.source else [],
            "targetServiceRevision": {
                "arn": it.revision,
                "requestedTaskCount": it.desired,
                "runningTaskCount": it.running,
                "requestedProductionTrafficWeight": it.share,
            },
            "deploymentConfiguration": it.configuration,
        }
        if it.hook is not None:
            told["lifecycleHookDetails"] = [
                {
                    "hookId": it.hook,
                    "targetType": "PAUSE",
                    "status": "AWAITING_ACTION",
                    "expiresAt": _time(it.expires),
                    "timeoutAction": it.configuration["lifecycleHooks"][0]["timeoutConfiguration"]["action"],
                }
            ]
        return told


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
