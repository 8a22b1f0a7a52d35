"""What AWS does with an app's pipelines and services, as far as the desk sees it; S3 and SSM are moto's.

Pipelines run to their next question at once, and so do rollouts, unless `held`. The rollout program's records are
written through the real store. One file, as each part sees what the others did.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3

from shipway.aws.calls import Calls
from shipway.aws.moving import Moving, ServiceMove
from shipway.aws.names import names_of
from shipway.aws.read_back import Answer
from shipway.aws.release_store import ReleaseStore
from shipway.core.contract.wanted import parse
from shipway.core.description.app import App, Probe
from shipway.core.observations.observation import SIDES
from shipway.core.releases.release import Artifact, Release
from shipway.core.rollouts.machine import State
from shipway.core.rollouts.plan import ALL, make_plan
from shipway.core.rollouts.records import EnvironmentRecord, RolloutRecord
from tests.doubles.aws import bundles
from tests.doubles.aws.clients import Answered, Clients
from tests.model_folders import write_model

ME = "arn:aws:sts::123456789012:assumed-role/hello-deployer/ann"
Json = dict[str, Any]


@dataclass
class Clock:
    """Passes only where somebody sleeps."""

    started: float = 1000.0
    now: float = 1000.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Pass:
    """One execution of a pipeline."""

    id: str
    environment: str
    commit: str
    status: str = "InProgress"
    started: float = field(default_factory=time.time)
    updated: float = field(default_factory=time.time)
    actions: list[Json] = field(default_factory=list)
    release: str = ""
    token: str | None = None
    waits_at: str = ""
    passed: list[str] = field(default_factory=list)


@dataclass
class Held:
    """A rollout under way."""

    environment: str
    release: str
    build: Json
    run: Pass | None


class FakeAws:
    """One account with one app."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.names = names_of(app)
        self.clients = Clients(self, self.names.region)
        self.clock = Clock()
        self.held = False
        self.under_way: list[Held] = []
        self.passes: list[Pass] = []
        self.builds: dict[str, Json] = {}
        self.running: dict[str, dict[str, Json]] = {
            name: {service: {"desired": 0, "deployment": None} for service in app.services} for name in app.environments
        }
        self.deployments: dict[str, Json] = {}
        self.trail: list[Json] = []
        self.installs = "shipway[aws]==1.0"
        self.seen: dict[str, float] = {}
        self.account = self.names.account
        self.connection = "AVAILABLE"
        self.certificates = {"hello.example": "ISSUED", "*.hello.example": "ISSUED"}
        self.quota: float | None = None
        moto = Calls(self.names.region, client=_plain(self.names.region))
        for bucket in (self.names.releases_bucket, self.names.models_bucket, self.names.bucket("terraform-state")):
            moto.call("s3", "create_bucket", Bucket=bucket)
        for environment in app.environments:
            name = self.names.model_version(environment)
            moto.call("ssm", "put_parameter", Name=name, Value="none", Type="String")
            for secret in ("MAPS_API_KEY", "APP_SIGNING_KEY"):
                moto.call("secretsmanager", "create_secret", Name=self.names.secret(environment, secret))
            for service in app.services:
                told = self._told(environment, service)
                moto.call("ssm", "put_parameter", Name=self.names.told(environment, service), Value=told, Type="String")
        if app.apps:
            bundles.furnish(moto, self.names, list(app.environments))
        self.lines: dict[str, list[Json]] = {
            self.names.log_group(environment, name, service.log_group): []
            for environment in app.environments
            for name, service in app.services.items()
        } | {self.names.build_log_group(service): [] for service in app.services}
        self.moto = moto
        self.store = ReleaseStore(moto, self.names)

    # -- what tests do -------------------------------------------------------------------------------------------

    def deploy(self, commit: str, environment: str) -> None:
        """Somebody starts the environment's pipeline."""
        revision = {"actionName": "app", "revisionType": "COMMIT_ID", "revisionValue": commit}
        self.codepipeline_start_pipeline_execution(name=self.names.pipeline(environment), sourceRevisions=[revision])

    def ask(self, host: str, probe: Probe) -> Answer:
        """What the environment's tasks answer through the load balancer: the version that they are told."""
        environment = host.partition(".")[0]
        told = self.moto.call("ssm", "get_parameter", Name=self.names.model_version(environment))["Parameter"]["Value"]
        return Answer(200, parse(told).version)

    def publish(self, version: str, folder: Path) -> None:
        """A version lies in the models' bucket."""
        for file in write_model(folder / version, version=version).iterdir():
            place = {"Bucket": self.names.models_bucket, "Key": f"{version}/{file.name}"}
            self.moto.call("s3", "put_object", Body=file.read_bytes(), **place)

    def let_go(self) -> None:
        """Held rollouts come to their end."""
        self.held = False
        for held in list(self.under_way):
            self._end(held, 0, "")
            if held.run is not None and held.run.status == "InProgress":
                self._go_on(held.run)

    def fail_rollout(self, code: int, reason: str) -> None:
        """The rollout that is held ends with this exit code."""
        self._end(self.under_way[0], code, reason)

    def kill_driver(self) -> None:
        """The program of the rollout that is held is gone; ECS knows nothing of it."""
        self.under_way[0].build |= {"buildStatus": "STOPPED", "endTime": _now()}

    def log(self, group: str, stream: str, lines: Sequence[str]) -> None:
        """A task or a build writes."""
        written = self.lines[group]
        at = max(int(time.time() * 1000), written[-1]["timestamp"] + 1 if written else 0)
        written += [
            {"logStreamName": stream, "timestamp": at + n, "message": line, "eventId": uuid.uuid4().hex}
            for n, line in enumerate(lines)
        ]

    # -- STS, and what doctor asks -------------------------------------------------------------------------------

    def sts_get_caller_identity(self) -> Json:
        return {"UserId": "AROA:ann", "Account": self.account, "Arn": ME}

    def codeconnections_list_connections(self, **_: Any) -> Json:
        arn = self.names.arn("codeconnections", "connection/0f0f0f0f-0000-0000-0000-000000000000")
        return {
            "Connections": [{"ConnectionName": self.app.app, "ConnectionArn": arn, "ConnectionStatus": self.connection}]
        }

    def acm_list_certificates(self, **_: Any) -> Json:
        return {"CertificateSummaryList": [
            {"CertificateArn": self.names.arn("acm", f"certificate/{n}"), "DomainName": host, "Status": status}
            for n, (host, status) in enumerate(self.certificates.items())
        ]}  # fmt: skip

    def acm_describe_certificate(self, *, CertificateArn: str) -> Json:  # noqa: N803
        record = {"Name": "_x.hello.example.", "Type": "CNAME", "Value": "_y.acm-validations.aws."}
        option = {"DomainName": "hello.example", "ResourceRecord": record}
        return {"Certificate": {"CertificateArn": CertificateArn, "DomainValidationOptions": [option]}}

    def service_quotas_get_service_quota(self, **_: Any) -> Json:
        if self.quota is None:
            raise Answered("NoSuchResourceException")
        return {"Quota": {"ServiceCode": "fargate", "Value": self.quota}}

    def service_quotas_get_aws_default_service_quota(self, **_: Any) -> Json:
        return {"Quota": {"ServiceCode": "fargate", "Value": 6.0}}

    # -- CodePipeline --------------------------------------------------------------------------------------------

    def codepipeline_start_pipeline_execution(self, *, name: str, sourceRevisions: list[Json], **_: Any) -> Json:  # noqa: N803
        one = Pass(str(uuid.uuid4()), self._environment(name), sourceRevisions[0]["revisionValue"])
        self.passes.append(one)
        self._write_down("codepipeline", "StartPipelineExecution", {"name": name})
        self._act(one, "source", "app", "Succeeded")
        for service in self.app.services:
            self._act(one, "build", service, "Succeeded", build=self._build(self.names.build_project(service)))
        one.release = self.store.add_release(lambda number: self._release(number, one.commit)).id
        build = self._build(self.names.release_project)
        self._act(one, "build", "release", "Succeeded", build=build, variables={"RELEASE": one.release})
        self._go_on(one)
        return {"pipelineExecutionId": one.id}

    def codepipeline_list_pipeline_executions(self, *, pipelineName: str, maxResults: int = 100, **_: Any) -> Json:  # noqa: N803
        environment = self._environment(pipelineName)
        found = [one for one in reversed(self.passes) if one.environment == environment]
        return {"pipelineExecutionSummaries": [_summary(one) for one in found[:maxResults]]}

    def codepipeline_list_action_executions(self, *, pipelineName: str, filter: Json | None = None, **_: Any) -> Json:  # noqa: N803
        environment = self._environment(pipelineName)
        passes = [one for one in reversed(self.passes) if one.environment == environment]
        if filter is not None:
            passes = [one for one in passes if one.id == filter["pipelineExecutionId"]]
            if not passes:
                raise Answered("PipelineExecutionNotFoundException")
        return {"actionExecutionDetails": [action for one in passes for action in reversed(one.actions)]}

    def codepipeline_get_pipeline_state(self, *, name: str) -> Json:
        environment = self._environment(name)
        stages = []
        for stage in ("source", "build", *self.app.path_to(environment)):
            inside = [one for one in self.passes if one.environment == environment and _is_in(one, stage)]
            waiting = [one for one in inside if one.waits_at == stage and one.token]
            behind = [one for one in inside if one.waits_at == f"before {stage}"]
            state: Json = {"stageName": stage, "actionStates": []}
            if shown := (waiting or [one for one in inside if one not in behind])[-1:]:
                state["latestExecution"] = {"pipelineExecutionId": shown[0].id, "status": "InProgress"}
                if waiting:
                    latest = {"status": "InProgress", "token": waiting[0].token}
                    state["actionStates"] = [{"actionName": "approve", "latestExecution": latest}]
            if behind:
                state["inboundExecution"] = {"pipelineExecutionId": behind[-1].id, "status": "InProgress"}
            stages.append(state)
        return {"pipelineName": name, "stageStates": stages}

    def codepipeline_put_approval_result(self, *, token: str, result: Json, stageName: str, **_: Any) -> Json:  # noqa: N803
        one = next((one for one in self.passes if one.token == token), None)
        if one is None:
            raise Answered("InvalidApprovalTokenException")
        one.token, one.waits_at = None, ""
        pipeline = self.names.pipeline(one.environment)
        self._write_down("codepipeline", "PutApprovalResult", {"pipelineName": pipeline, "result": result})
        status = "Succeeded" if result["status"] == "Approved" else "Failed"
        action = one.actions[-1]
        action |= {"status": status, "lastUpdateTime": _now(), "updatedBy": ME}
        action["output"] = {"executionResult": {"externalExecutionSummary": result["summary"]}}
        if status == "Failed":
            self._finish(one, "Failed")
        else:
            one.passed.append(stageName)
            self._go_on(one)
        return {"approvedAt": _now()}

    def codepipeline_retry_stage_execution(self, *, pipelineExecutionId: str, stageName: str, **_: Any) -> Json:  # noqa: N803
        one = next(one for one in self.passes if one.id == pipelineExecutionId)
        if one.status != "Failed":
            raise Answered("StageNotRetryableException")
        one.status, one.updated = "InProgress", time.time()
        self._go_on(one)
        return {"pipelineExecutionId": one.id}

    # -- CodeBuild -----------------------------------------------------------------------------------------------

    def codebuild_batch_get_projects(self, *, names: list[str]) -> Json:
        spec = f"commands:\n- python -m pip install --quiet '{self.installs}'\n"
        return {"projects": [{"name": name, "source": {"type": "CODEPIPELINE", "buildspec": spec}} for name in names]}

    def codebuild_batch_get_builds(self, *, ids: list[str]) -> Json:
        return {"builds": [self.builds[id] for id in ids if id in self.builds]}

    def codebuild_list_builds_for_project(self, *, projectName: str, **_: Any) -> Json:  # noqa: N803
        return {"ids": [id for id in reversed(self.builds) if self.builds[id]["projectName"] == projectName]}

    def codebuild_start_build(self, *, projectName: str, environmentVariablesOverride: list[Json], **_: Any) -> Json:  # noqa: N803
        build = self._build(projectName, "IN_PROGRESS", initiator="hello-deployer/ann")
        build["environment"] = {
            "type": "ARM_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL",
            "environmentVariables": environmentVariablesOverride,
        }  # fmt: skip
        given = {one["name"]: one["value"] for one in environmentVariablesOverride}
        environment = next(name for name in self.app.environments if projectName == self.names.rollout_project(name))
        self._begin(environment, given["RELEASE"], build, None)
        return {"build": build}

    # -- ECS -----------------------------------------------------------------------------------------------------

    def ecs_describe_services(self, *, cluster: str, services: list[str], **_: Any) -> Json:
        found = self._cluster(cluster)
        return {
            "services": [self._service(cluster, name, found[name]) for name in services if name in found],
            "failures": [{"arn": name, "reason": "MISSING"} for name in services if name not in found],
        }

    def ecs_describe_service_deployments(self, *, serviceDeploymentArns: list[str]) -> Json:  # noqa: N803
        return {"serviceDeployments": [self.deployments[arn] for arn in serviceDeploymentArns]}

    def ecs_stop_service_deployment(self, *, serviceDeploymentArn: str, **_: Any) -> Json:  # noqa: N803
        deployment = self.deployments[serviceDeploymentArn]
        if deployment["status"] != "IN_PROGRESS":
            raise Answered("ConflictException")
        deployment["status"] = "ROLLBACK_REQUESTED"
        return {"serviceDeploymentArn": serviceDeploymentArn}

    # -- CloudWatch Logs -----------------------------------------------------------------------------------------

    def logs_filter_log_events(
        self,
        *,
        logGroupName: str,  # noqa: N803
        startTime: int,  # noqa: N803
        limit: int,
        logStreamNames: Sequence[str] = (),  # noqa: N803
        logStreamNamePrefix: str = "",  # noqa: N803
        nextToken: str = "0",  # noqa: N803
        **_: Any,
    ) -> Json:
        if logGroupName not in self.lines:
            raise Answered("ResourceNotFoundException")
        found = [
            line
            for line in reversed(self.lines[logGroupName])
            if line["timestamp"] >= startTime
            and line["logStreamName"].startswith(logStreamNamePrefix)
            and (not logStreamNames or line["logStreamName"] in logStreamNames)
        ]
        first = int(nextToken)
        more = {"nextToken": str(first + limit)} if first + limit < len(found) else {}
        return {"events": found[first : first + limit], **more}

    # -- CloudTrail ----------------------------------------------------------------------------------------------

    def cloudtrail_lookup_events(self, *, LookupAttributes: list[Json], **_: Any) -> Json:  # noqa: N803
        return {
            "Events": [event for event in self.trail if event["EventSource"] == LookupAttributes[0]["AttributeValue"]]
        }

    def _write_down(self, source: str, name: str, request: Json) -> None:
        """CloudTrail's record of a call, the newest first."""
        told = {"userIdentity": {"arn": ME}, "requestParameters": request}
        self.trail.insert(0, {
            "EventId": str(uuid.uuid4()), "EventName": name, "EventSource": f"{source}.amazonaws.com", "EventTime": _now(),
            "ReadOnly": "false", "Username": "ann", "CloudTrailEvent": json.dumps(told),
        })  # fmt: skip

    # -- CloudWatch ----------------------------------------------------------------------------------------------

    def cloudwatch_get_metric_data(self, *, MetricDataQueries: list[Json], **_: Any) -> Json:  # noqa: N803
        """Clients of the blue sides see what `seen` says, in one minute; nobody meets the green ones."""
        results = []
        for query in MetricDataQueries:
            metric, statistic = query["MetricStat"]["Metric"], query["MetricStat"]["Stat"]
            blue = "blue" in next(one["Value"] for one in metric["Dimensions"] if one["Name"] == "TargetGroup")
            value = self.seen.get(metric["MetricName"], 0.05 if statistic.startswith("p") else 0.0)
            points = [value] if blue and self.seen else []
            results.append({"Id": query["Id"], "Timestamps": [_now()] * len(points), "Values": points})
        return {"MetricDataResults": results}

    # -- how ------------------------------------------------------------------------------------------------------

    def _told(self, environment: str, service: str) -> str:
        """What Terraform tells of a service."""
        names = {side: self.names.target_group(environment, service, side) for side in SIDES}
        groups = {
            side: self.names.arn("elasticloadbalancing", f"targetgroup/{name}/0f0f") for side, name in names.items()
        }
        told = {
            "host": f"{environment}.hello.example", "cpu": 256, "memory": 512, "architecture": "ARM64",
            "target_groups": groups, "load_balancer": "app/hello/0f0f", "rule": "arn:aws:rule",
        }  # fmt: skip
        return json.dumps(told)

    def _environment(self, pipeline: str) -> str:
        for name in self.app.environments:
            if self.names.pipeline(name) == pipeline:
                return name
        raise Answered("PipelineNotFoundException")

    def _cluster(self, cluster: str) -> dict[str, Json]:
        for name, services in self.running.items():
            if self.names.cluster(name) == cluster:
                return services
        raise Answered("ClusterNotFoundException")

    def _service(self, cluster: str, name: str, now: Mapping[str, Any]) -> Json:
        told = {"currentServiceDeployment": now["deployment"]} if now["deployment"] else {}
        return {
            "serviceName": name, "serviceArn": self.names.arn("ecs", f"service/{cluster}/{name}"), "status": "ACTIVE",
            "desiredCount": now["desired"], "runningCount": now["desired"], "pendingCount": 0, **told,
        }  # fmt: skip

    def _go_on(self, one: Pass) -> None:
        """As far as the next question, or to the end."""
        for stage in self.app.path_to(one.environment):
            if any(_is(action, stage, "rollout", "Succeeded") for action in one.actions):
                continue
            if self.app.environments[stage].approval is not None and stage not in one.passed:
                if any(other.waits_at == stage and other.token for other in self.passes if other is not one):
                    one.waits_at = f"before {stage}"
                    return
                one.waits_at, one.token = stage, str(uuid.uuid4())
                self._act(one, stage, "approve", "InProgress")
                return
            build = self._build(self.names.rollout_project(stage), "IN_PROGRESS")
            self._act(one, stage, "rollout", "InProgress", build=build)
            self._begin(stage, one.release, build, one)
            if self.held or one.status != "InProgress":
                return
        self._finish(one, "Succeeded")

    def _begin(self, environment: str, release: str, build: Json, run: Pass | None) -> None:
        held = Held(environment, release, build, run)
        self.under_way.append(held)
        self._remember(held, None, "")
        for service, now in self.running[environment].items():
            arn = self.names.arn(
                "ecs", f"service-deployment/{self.names.cluster(environment)}/{service}/{uuid.uuid4().hex}"
            )
            now["deployment"] = arn
            self.deployments[arn] = {
                "serviceDeploymentArn": arn, "status": "IN_PROGRESS", "createdAt": _now(),
                "serviceArn": self.names.arn("ecs", f"service/{self.names.cluster(environment)}/{service}"),
                "targetServiceRevision": {"arn": f"{arn}-green", "requestedTaskCount": 1, "runningTaskCount": 0},
            }  # fmt: skip
        if not self.held:
            self._end(held, 0, "")

    def _end(self, held: Held, code: int, reason: str) -> None:
        environment, aborted = held.environment, self._aborted(held.environment)
        if aborted:
            code, reason = 4, "aborted"
        good = code == 0
        self.under_way.remove(held)
        for now in self.running[environment].values():
            deployment = self.deployments[now["deployment"]]
            deployment |= {"status": "SUCCESSFUL" if good else "ROLLBACK_SUCCESSFUL", "finishedAt": _now()}
            now["deployment"] = None
            now["desired"] = self.app.environments[environment].tasks.min
        held.build |= {"buildStatus": "SUCCEEDED" if good else "FAILED", "endTime": _now(), "phases": _phases(code)}
        self._remember(held, code, reason)
        if held.run is not None:
            action = held.run.actions[-1]
            action |= {"status": "Succeeded" if good else "Failed", "lastUpdateTime": _now()}
            if not good:
                self._finish(held.run, "Failed")

    def _aborted(self, environment: str) -> bool:
        command = self.store.command(environment)
        if command is None or command.record is None:
            return False
        taken = self.store.take_command(environment)
        return taken is not None and taken.command == "abort"

    def _remember(self, held: Held, code: int | None, reason: str) -> None:
        """What the rollout program writes down."""
        environment = held.environment
        kept, current = self.store.history(environment), self.store.current(environment)
        record = kept.record if kept is not None else EnvironmentRecord(environment)
        described = self.app.environments[environment]
        plan = make_plan(described.rollout, described.tasks.min, 60.0, has_stable=record.stable is not None)
        phase: Any = "starting" if code is None else "promoted" if code == 0 else "rolled_back"
        back = len(record.history) > 1 and record.history[-2] == held.release and held.run is None
        state = State("green", record.stable is not None, phase, weight=ALL if code == 0 else 0, reason=reason)
        rollout = RolloutRecord(
            f"{held.release}-{environment}", environment, held.release, record.stable, "rollout", plan, state, "ann",
            time.time(), back=back, run=held.run.id if held.run is not None else None,
            ended=None if code is None else time.time(),
        )  # fmt: skip
        moving = Moving(
            rollout, {service: ServiceMove("before") for service in self.app.services}, build=held.build["id"]
        )
        self.store.keep_current(moving, current.mark if current is not None else None)
        if code == 0:
            history = record.history[:-1] if back else (*record.history, held.release)
            self.store.keep_history(replace(record, history=history), kept.mark if kept is not None else None)

    def _finish(self, one: Pass, status: str) -> None:
        one.status, one.updated = status, time.time()
        for other in self.passes:
            if other.waits_at.startswith("before ") and other.status == "InProgress":
                other.waits_at = ""
                self._go_on(other)

    def _act(
        self, one: Pass, stage: str, name: str, status: str, *, build: Json | None = None, variables: Json | None = None
    ) -> None:
        result = {"executionResult": {"externalExecutionId": build["id"]}} if build is not None else {}
        one.updated = time.time()
        one.actions.append({
            "pipelineExecutionId": one.id, "actionExecutionId": str(uuid.uuid4()), "stageName": stage,
            "actionName": name, "startTime": _now(), "lastUpdateTime": _now(), "status": status,
            "output": {**result, **({"outputVariables": variables} if variables else {})},
        })  # fmt: skip

    def _build(self, project: str, status: str = "SUCCEEDED", initiator: str = "codepipeline/hello") -> Json:
        id = f"{project}:{uuid.uuid4()}"
        ended = {"endTime": _now()} if status != "IN_PROGRESS" else {}
        self.builds[id] = {
            "id": id, "projectName": project, "buildStatus": status, "startTime": _now(), "initiator": initiator, **ended,
        }  # fmt: skip
        return self.builds[id]

    def _release(self, id: str, commit: str) -> Release:
        artifacts = {
            name: Artifact(name, uuid.uuid5(uuid.NAMESPACE_URL, commit).hex * 2, "image") for name in self.app.services
        }
        return Release(
            id, commit, self.app, artifacts, model_version="v1.0", model_digest="0" * 64, created_at=time.time()
        )


_PLAIN: dict[str, Any] = {}


def _plain(region: str) -> Callable[[str], Any]:
    """Clients that moto alone answers, and nobody notes: the double's own."""

    def client(service: str) -> Any:
        if service not in _PLAIN:
            _PLAIN[service] = boto3.session.Session(region_name=region).client(service)
        return _PLAIN[service]

    return client


def _summary(one: Pass) -> Json:
    return {
        "pipelineExecutionId": one.id, "status": one.status, "startTime": _at(one.started), "lastUpdateTime": _at(one.updated),
        "sourceRevisions": [{"actionName": "app", "revisionId": one.commit, "revisionSummary": f"subject of {one.commit}"}],
        "trigger": {"triggerType": "StartPipelineExecution", "triggerDetail": ME},
    }  # fmt: skip


def _is_in(one: Pass, stage: str) -> bool:
    return one.status == "InProgress" and (
        one.waits_at in (stage, f"before {stage}") or bool(one.actions and one.actions[-1]["stageName"] == stage)
    )


def _is(action: Json, stage: str, name: str, status: str) -> bool:
    return (stage, name, status) == (action["stageName"], action["actionName"], action["status"])


def _phases(code: int) -> list[Json]:
    if code == 0:
        return [{"phaseType": "BUILD", "phaseStatus": "SUCCEEDED"}]
    said = f"Error while executing command: python -m shipway.aws.rollout_program. Reason: exit status {code}"
    contexts = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": said}]
    return [{"phaseType": "BUILD", "phaseStatus": "FAILED", "contexts": contexts}]


def _now() -> datetime:
    return datetime.now(UTC)


def _at(time: float) -> datetime:
    return datetime.fromtimestamp(time, UTC)
