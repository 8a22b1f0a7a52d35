"""CodePipeline: executions of an app's pipelines and their actions; started, answered and tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from shipway.aws.calls import AwsError, Calls
from shipway.aws.names import APP_SOURCE, APPROVE
from shipway.core.errors import Refused, ShipwayError

LONGEST_WHY = 512
_PAGES = 10
"""Of 100 executions or actions: as far back as a run is looked for."""
Status = Literal["InProgress", "Stopping", "Succeeded", "Superseded", "Cancelled", "Stopped", "Failed"]
Result = Literal["InProgress", "Succeeded", "Failed", "Abandoned"]
_CLIENT = "codepipeline"


@dataclass(frozen=True, slots=True)
class Execution:
    """One pass of a pipeline; times in Unix time. `by` is who started it, or what did; `stopped` why it was stopped."""

    id: str
    status: Status
    started: float
    updated: float
    commit: str
    subject: str
    by: str
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """What one action of an execution did. `build` is CodeBuild's id of it; `by` is who answered, where a person did."""

    id: str
    execution: str
    stage: str
    name: str
    status: Result
    started: float
    updated: float
    by: str = ""
    build: str = ""
    summary: str = ""
    error: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return max(0.0, self.updated - self.started)


@dataclass(frozen=True, slots=True)
class Question:
    """An approval that waits for an answer. `behind` are the executions that wait to enter the stage after it."""

    stage: str
    token: str
    behind: tuple[str, ...]


class Pipelines:
    """The pipelines of an app. Every call raises ShipwayError; a pipeline that is not there is `Refused`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def start(self, pipeline: str, commit: str, token: str) -> str:
        """Begin an execution for a commit and answer its id. The same `token` never begins a second one."""
        revision = {"actionName": APP_SOURCE, "revisionType": "COMMIT_ID", "revisionValue": commit}
        try:
            answer = self._calls.call(
                _CLIENT, "start_pipeline_execution",
                name=pipeline, sourceRevisions=[revision], clientRequestToken=token,
            )  # fmt: skip
        except AwsError as error:
            raise _explained(error, pipeline) from error
        return str(answer["pipelineExecutionId"])

    def executions(self, pipeline: str, limit: int) -> list[Execution]:
        """The newest executions first."""
        found: list[Execution] = []
        size = max(1, min(limit, 100))
        for page in self._pages("list_pipeline_executions", pipeline, pipelineName=pipeline, maxResults=size):
            found += [_execution(summary) for summary in page.get("pipelineExecutionSummaries", ())]
            if len(found) >= limit:
                break
        return found[:limit]

    def find(self, pipeline: str, beginning: str) -> Execution | None:
        """The newest execution whose id begins so, among the last thousand."""
        for page in self._pages("list_pipeline_executions", pipeline, pipelineName=pipeline, maxResults=100):
            for summary in page.get("pipelineExecutionSummaries", ()):
                if summary["pipelineExecutionId"].startswith(beginning):
                    return _execution(summary)
        return None

    def actions(self, pipeline: str, execution: str) -> list[Action]:
        """What the actions of an execution did so far, the earliest first. None are there in its first moments."""
        chosen = {"pipelineExecutionId": execution}
        try:
            found = list(self._actions(pipeline, pipelineName=pipeline, filter=chosen, maxResults=100))
        except AwsError as error:
            if error.code != "PipelineExecutionNotFoundException":
                raise
            return []
        return sorted(found, key=lambda action: action.started)

    def newest_actions(self, pipeline: str, executions: Sequence[str]) -> dict[str, list[Action]]:
        """The actions of several executions: the pipeline's newest ones, read until every execution was met."""
        found: dict[str, list[Action]] = {id: [] for id in executions}
        for action in self._actions(pipeline, pipelineName=pipeline, maxResults=100):
            if action.execution in found:
                found[action.execution].insert(0, action)
            elif all(found.values()):
                break
        return found

    def question(self, pipeline: str, execution: str) -> Question | None:
        """The approval that an execution waits at, if it waits at one."""
        try:
            state = self._calls.call(_CLIENT, "get_pipeline_state", name=pipeline)
        except AwsError as error:
            raise _explained(error, pipeline) from error
        for stage in state.get("stageStates", ()):
            if stage.get("latestExecution", {}).get("pipelineExecutionId") != execution:
                continue
            for action in stage.get("actionStates", ()):
                latest = action.get("latestExecution", {})
                if action.get("actionName") == APPROVE and latest.get("status") == "InProgress" and "token" in latest:
                    return Question(stage["stageName"], latest["token"], _inbound(stage))
        return None

    def answer(self, pipeline: str, question: Question, *, approved: bool, summary: str) -> None:
        """Answer it. Raises Refused where somebody else was quicker."""
        try:
            self._calls.call(
                _CLIENT, "put_approval_result",
                pipelineName=pipeline, stageName=question.stage, actionName=APPROVE, token=question.token,
                result={"summary": summary[:LONGEST_WHY], "status": "Approved" if approved else "Rejected"},
            )  # fmt: skip
        except AwsError as error:
            raise _explained(error, pipeline) from error

    def retry(self, pipeline: str, stage: str, execution: str) -> None:
        """Let the failed actions of an execution's stage run again."""
        try:
            self._calls.call(
                _CLIENT, "retry_stage_execution",
                pipelineName=pipeline, stageName=stage, pipelineExecutionId=execution, retryMode="FAILED_ACTIONS",
            )  # fmt: skip
        except AwsError as error:
            raise _explained(error, pipeline) from error

    def _actions(self, pipeline: str, **asked: Any) -> Iterator[Action]:
        for page in self._pages("list_action_executions", pipeline, **asked):
            yield from (_action(detail) for detail in page.get("actionExecutionDetails", ()))

    def _pages(self, operation: str, pipeline: str, **asked: Any) -> Iterator[dict[str, Any]]:
        for _ in range(_PAGES):
            try:
                page = self._calls.call(_CLIENT, operation, **asked)
            except AwsError as error:
                raise _explained(error, pipeline) from error
            yield page
            if not page.get("nextToken"):
                return
            asked["nextToken"] = page["nextToken"]


def person(arn: str) -> str:
    """Who an ARN of IAM or STS speaks of: the session of a role, the user; a text that is no ARN stays as it is.

    >>> person("arn:aws:sts::123456789012:assumed-role/ontime-deployer/ada")
    'ada'
    """
    return arn.rpartition("/")[2] if arn.startswith("arn:") and "/" in arn else arn


def _execution(summary: Mapping[str, Any]) -> Execution:
    revisions = {it["actionName"]: it for it in summary.get("sourceRevisions", ())}
    source = revisions.get(APP_SOURCE, {})
    return Execution(
        id=summary["pipelineExecutionId"],
        status=summary["status"],
        started=_unix(summary["startTime"]),
        updated=_unix(summary.get("lastUpdateTime", summary["startTime"])),
        commit=source.get("revisionId", ""),
        subject=_subject(source.get("revisionSummary", "")),
        by=_starter(summary.get("trigger", {})),
        stopped=summary.get("stopTrigger", {}).get("reason", ""),
    )


def _action(detail: Mapping[str, Any]) -> Action:
    output = detail.get("output", {})
    result = output.get("executionResult", {})
    return Action(
        id=detail["actionExecutionId"],
        execution=detail["pipelineExecutionId"],
        stage=detail["stageName"],
        name=detail["actionName"],
        status=detail["status"],
        started=_unix(detail["startTime"]),
        updated=_unix(detail.get("lastUpdateTime", detail["startTime"])),
        by=person(detail.get("updatedBy", "")),
        build=result.get("externalExecutionId", ""),
        summary=result.get("externalExecutionSummary", ""),
        error=result.get("errorDetails", {}).get("message", ""),
        variables=output.get("outputVariables", {}),
    )


def _subject(summary: str) -> str:
    """The first line of the commit's message, which connections wrap into JSON."""
    try:
        found = json.loads(summary)
    except ValueError:
        found = None
    text = str(found.get("CommitMessage", "")) if isinstance(found, dict) else summary
    return text.strip().partition("\n")[0]


def _starter(trigger: Mapping[str, str]) -> str:
    """A person's name, or `push` where a commit started it."""
    kind, detail = trigger.get("triggerType", ""), trigger.get("triggerDetail", "")
    if kind in ("WebhookV2", "Webhook", "CloudWatchEvent", "PollForSourceChanges", "CreatePipeline", ""):
        return "push"
    return person(detail) or kind


def _inbound(stage: Mapping[str, Any]) -> tuple[str, ...]:
    several = stage.get("inboundExecutions") or [stage["inboundExecution"]] if "inboundExecution" in stage else []
    return tuple(execution["pipelineExecutionId"] for execution in several)


def _unix(time: Any) -> float:
    return float(time.timestamp())


def _explained(error: AwsError, pipeline: str) -> ShipwayError:
    match error.code:
        case "PipelineNotFoundException":
            return Refused(
                f"AWS has no pipeline {pipeline}: infra/app is not applied, or aws.region in shipway.yaml is another one",
                fix="apply infra/app as infra/README.md tells, then: shipway doctor",
                state="nothing changed",
            )
        case "InvalidApprovalTokenException" | "ApprovalAlreadyCompletedException":
            return Refused("somebody else has answered this question already", fix="shipway runs")
        case "StageNotRetryableException" | "NotLatestPipelineExecutionException":
            return Refused(
                f"AWS does not let this run go on any more ({error.what})",
                fix="shipway deploy, with the commit",
                state="nothing changed",
            )
        case "ConcurrentPipelineExecutionsLimitExceededException" | "ConflictException":
            return Refused(f"{pipeline} is busy ({error.what})", fix="shipway runs", state="nothing changed")
    return error
