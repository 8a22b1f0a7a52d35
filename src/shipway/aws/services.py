"""ECS: what a service runs, its deployments and tasks, in our types. Requests come as values from pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from shipway.aws.calls import AwsError, Calls
from shipway.core.errors import ShipwayError, UsageError

DeploymentStatus = Literal[
    "PENDING", "SUCCESSFUL", "STOPPED", "STOP_REQUESTED", "IN_PROGRESS", "ROLLBACK_REQUESTED", "ROLLBACK_IN_PROGRESS",
    "ROLLBACK_SUCCESSFUL", "ROLLBACK_FAILED",
]  # fmt: skip
"""As ECS names them."""
Request = Mapping[str, Any]
_PAGE = 100  # as many tasks as one call describes


@dataclass(frozen=True, slots=True)
class EcsService:
    """A service as it is: the task definition it is to run, and how many tasks of it run.

    `hooks` says whether deployments of it stop at hooks; `network` is its network configuration as ECS gives it.
    """

    name: str
    task_definition: str
    desired: int
    running: int
    pending: int
    deployment: str | None
    revisions: tuple[str, ...]
    strategy: str
    hooks: bool
    target_groups: tuple[str, ...]
    network: Mapping[str, Any] = field(default_factory=dict)
    capacity: tuple[Mapping[str, Any], ...] = ()
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """Where a deployment waits to be continued; when ECS acts by itself (Unix time), and how."""

    id: str
    expires: float | None
    then: str


@dataclass(frozen=True, slots=True)
class Deployment:
    """A service deployment. `share` is the percentage of the clients that meet the target revision.

    `source` is the revision that served before, `target` the one that it brings.
    """

    arn: str
    service: str
    status: DeploymentStatus
    reason: str
    stage: str
    source: str | None
    target: str | None
    requested: int
    running: int
    share: float
    hook: Hook | None
    strategy: str
    created: float
    ended: float | None
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revision:
    """A service revision: its task definition, the digests of its images (64 hex digits), and its target groups."""

    arn: str
    task_definition: str
    digests: tuple[str, ...]
    target_groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EcsTask:
    """A task: the digest that each container runs (64 hex digits, by container), and how it ended if it did."""

    id: str
    task_definition: str
    status: str
    health: str
    digests: Mapping[str, str]
    started: float | None
    stopped: float | None
    reason: str
    exit_code: int | None
    zone: str = ""


class Services:
    """The services of one cluster."""

    def __init__(self, calls: Calls, cluster: str) -> None:
        self._calls = calls
        self.cluster = cluster

    def describe(self, names: Sequence[str]) -> dict[str, EcsService]:
        """The services of these names (10 at a time are asked for). Raises UsageError when one is not there."""
        found: dict[str, EcsService] = {}
        for n in range(0, len(names), 10):
            answer = self._call("describe_services", services=list(names[n : n + 10]))
            active = [entry for entry in answer["services"] if entry.get("status") != "INACTIVE"]
            found |= {entry["serviceName"]: _service(entry) for entry in active}
        if missing := [name for name in names if name not in found]:
            raise UsageError(
                f"the cluster {self.cluster} has no service {', '.join(missing)}",
                fix="apply the environment's Terraform first (infra/README.md): it makes a service for each of shipway.yaml",
            )
        return found

    def register(self, request: Request) -> str:
        """Register a task definition; its ARN."""
        return str(
            self._calls.call("ecs", "register_task_definition", **request)["taskDefinition"]["taskDefinitionArn"]
        )

    def task_definition(self, arn: str) -> Mapping[str, Any]:
        """A registered task definition, as ECS gives it."""
        answer: Mapping[str, Any] = self._calls.call("ecs", "describe_task_definition", taskDefinition=arn)
        return dict(answer["taskDefinition"])

    def update(self, request: Request) -> EcsService:
        """Change a service; where that starts a deployment, it is the answer's."""
        return _service(self._call("update_service", **request)["service"])

    def newest_deployment(self, service: str) -> Deployment | None:
        """The deployment that began last, or None where there was none."""
        return next(iter(self.deployments(service, 1)), None)

    def deployments(self, service: str, limit: int) -> list[Deployment]:
        """The newest deployments of a service, newest first."""
        answer = self._call("list_service_deployments", service=service, maxResults=max(1, min(limit, 100)))
        briefs = sorted(answer.get("serviceDeployments", ()), key=lambda entry: entry["createdAt"], reverse=True)
        return self.look([brief["serviceDeploymentArn"] for brief in briefs[:limit]])

    def look(self, arns: Sequence[str]) -> list[Deployment]:
        """These deployments (20 at most), in this order. Raises AwsError when ECS does not know one of them yet."""
        if not arns:
            return []
        answer = self._calls.call("ecs", "describe_service_deployments", serviceDeploymentArns=list(arns))
        found = {entry["serviceDeploymentArn"]: _deployment(entry) for entry in answer.get("serviceDeployments", ())}
        if missing := [arn for arn in arns if arn not in found]:
            reasons = ", ".join(sorted({str(entry.get("reason", "")) for entry in answer.get("failures", ())}))
            raise AwsError(f"ECS does not know the deployment {missing[0]} ({reasons or 'no reason given'})", "MISSING")
        return [found[arn] for arn in arns]

    def revisions(self, arns: Sequence[str]) -> dict[str, Revision]:
        """These service revisions, as far as ECS knows them."""
        if not arns:
            return {}
        answer = self._calls.call("ecs", "describe_service_revisions", serviceRevisionArns=list(arns))
        return {entry["serviceRevisionArn"]: _revision(entry) for entry in answer.get("serviceRevisions", ())}

    def go_on(self, deployment: str, hook: str) -> None:
        """Let a deployment go on from the hook at which it waits."""
        self._calls.call(
            "ecs", "continue_service_deployment", serviceDeploymentArn=deployment, hookId=hook, action="CONTINUE"
        )

    def stop(self, deployment: str) -> None:
        """Roll a deployment back. One that has ended, or is on its way back, is left alone."""
        try:
            self._calls.call("ecs", "stop_service_deployment", serviceDeploymentArn=deployment, stopType="ROLLBACK")
        except AwsError as error:
            if error.code not in ("ConflictException", "ServiceDeploymentNotFoundException"):
                raise

    def tasks(self, service: str, status: Literal["RUNNING", "STOPPED"] = "RUNNING") -> list[EcsTask]:
        """The service's tasks that are to run (or have stopped within the last hour)."""
        arns = list(
            self._calls.pages(
                "ecs", "list_tasks", "taskArns", cluster=self.cluster, serviceName=service, desiredStatus=status
            )
        )
        return list(self._described(arns))

    def run(self, request: Request) -> EcsTask:
        """Start a task of its own. Raises ShipwayError when ECS has no place for it."""
        answer = self._call("run_task", **request)
        if failures := answer.get("failures"):
            reasons = ", ".join(str(entry.get("reason", "")) for entry in failures)
            raise ShipwayError(f"ECS did not start the task: {reasons}", fix="repeat the rollout")
        return _task(answer["tasks"][0])

    def task(self, id: str) -> EcsTask | None:
        """One task, or None when ECS does not know it (any more, or yet)."""
        return next(iter(self._described([id])), None)

    def _described(self, arns: Sequence[str]) -> Iterator[EcsTask]:
        for n in range(0, len(arns), _PAGE):
            answer = self._call("describe_tasks", tasks=list(arns[n : n + _PAGE]))
            yield from map(_task, answer.get("tasks", ()))

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            return self._calls.call("ecs", operation, **{"cluster": self.cluster, **request})
        except AwsError as error:
            if error.code == "ClusterNotFoundException":
                raise UsageError(
                    f"there is no cluster {self.cluster} in {self._calls.region}",
                    fix="apply the environment's Terraform first (infra/README.md), or correct aws.region in shipway.yaml",
                ) from error
            raise


def digest_of(text: str) -> str:
    """The 64 hex digits of `…@sha256:…` or `sha256:…`; empty where there are none."""
    return text.rpartition("sha256:")[2] if "sha256:" in text else ""


def _service(entry: Mapping[str, Any]) -> EcsService:
    configuration = entry.get("deploymentConfiguration", {})
    return EcsService(
        name=entry["serviceName"],
        task_definition=entry.get("taskDefinition", ""),
        desired=int(entry.get("desiredCount", 0)),
        running=int(entry.get("runningCount", 0)),
        pending=int(entry.get("pendingCount", 0)),
        deployment=entry.get("currentServiceDeployment"),
        revisions=tuple(revision["arn"] for revision in entry.get("currentServiceRevisions", ())),
        strategy=configuration.get("strategy", "ROLLING"),
        hooks=bool(configuration.get("lifecycleHooks")),
        target_groups=_groups(entry.get("loadBalancers", ())),
        network=entry.get("networkConfiguration", {}),
        capacity=tuple(entry.get("capacityProviderStrategy", ())),
        messages=tuple(event["message"] for event in entry.get("events", ())[:5]),
    )


def _deployment(entry: Mapping[str, Any]) -> Deployment:
    target = entry.get("targetServiceRevision") or {}
    sources = entry.get("sourceServiceRevisions") or [{}]
    waiting = [hook for hook in entry.get("lifecycleHookDetails", ()) if hook.get("status") == "AWAITING_ACTION"]
    ended = entry.get("finishedAt") or entry.get("stoppedAt")
    return Deployment(
        arn=entry["serviceDeploymentArn"],
        service=entry["serviceArn"].rpartition("/")[2],
        status=entry["status"],
        reason=entry.get("statusReason") or (entry.get("rollback") or {}).get("reason", ""),
        stage=entry.get("lifecycleStage", ""),
        source=sources[0].get("arn"),
        target=target.get("arn"),
        requested=int(target.get("requestedTaskCount", 0)),
        running=int(target.get("runningTaskCount", 0)),
        share=float(target.get("requestedProductionTrafficWeight", 0.0)),
        hook=_hook(waiting[0]) if waiting else None,
        strategy=(entry.get("deploymentConfiguration") or {}).get("strategy", "ROLLING"),
        created=_time(entry.get("createdAt")) or 0.0,
        ended=_time(ended),
        alarms=tuple((entry.get("alarms") or {}).get("triggeredAlarmNames", ())),
    )


def _hook(entry: Mapping[str, Any]) -> Hook:
    return Hook(entry["hookId"], _time(entry.get("expiresAt")), entry.get("timeoutAction", "ROLLBACK"))


def _revision(entry: Mapping[str, Any]) -> Revision:
    resolved = (entry.get("resolvedConfiguration") or {}).get("loadBalancers") or entry.get("loadBalancers") or ()
    return Revision(
        arn=entry["serviceRevisionArn"],
        task_definition=entry.get("taskDefinition", ""),
        digests=tuple(digest_of(image.get("imageDigest", "")) for image in entry.get("containerImages", ())),
        target_groups=_groups(resolved),
    )


def _task(entry: Mapping[str, Any]) -> EcsTask:
    containers = entry.get("containers", ())
    codes = [container["exitCode"] for container in containers if "exitCode" in container]
    reasons = [entry.get("stoppedReason", ""), *(container.get("reason", "") for container in containers)]
    return EcsTask(
        id=entry["taskArn"].rpartition("/")[2],
        task_definition=entry.get("taskDefinitionArn", ""),
        status=entry.get("lastStatus", ""),
        health=entry.get("healthStatus", "UNKNOWN"),
        digests={container["name"]: digest_of(container.get("imageDigest", "")) for container in containers},
        started=_time(entry.get("startedAt")),
        stopped=_time(entry.get("stoppedAt")),
        reason="; ".join(reason for reason in reasons if reason),
        exit_code=next((code for code in codes if code != 0), codes[0] if codes else None),
        zone=entry.get("availabilityZone", ""),
    )


def _groups(balancers: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(balancer["targetGroupArn"] for balancer in balancers if balancer.get("targetGroupArn"))


def _time(value: datetime | None) -> float | None:
    return None if value is None else value.timestamp()
