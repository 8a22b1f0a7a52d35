"""CloudTrail: who changed what of an app, as AWS itself wrote it down. Its memory is 90 days long, and some minutes late."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from shipway.aws.calls import Calls
from shipway.aws.names import Names
from shipway.aws.pipelines import person
from shipway.core.events import AuditEntry

_ACTIONS: Mapping[str, Mapping[str, str]] = {
    "codepipeline.amazonaws.com": {
        "StartPipelineExecution": "deploy",
        "StopPipelineExecution": "stop",
        "RetryStageExecution": "retry",
        "PutApprovalResult": "answer",
        "RollbackStage": "rollback of a stage",
        "DisableStageTransition": "disable transition",
        "EnableStageTransition": "enable transition",
    },
    "ecs.amazonaws.com": {
        "UpdateService": "update service",
        "StopServiceDeployment": "stop deployment",
        "ContinueServiceDeployment": "continue deployment",
        "StopTask": "stop task",
        "RunTask": "run task",
    },
    "codebuild.amazonaws.com": {"StartBuild": "start build", "StopBuild": "stop build"},
    "ssm.amazonaws.com": {"PutParameter": "set parameter"},
    "secretsmanager.amazonaws.com": {
        "PutSecretValue": "set secret", "CreateSecret": "create secret", "DeleteSecret": "delete secret",
        "RotateSecret": "rotate secret",
    },
}  # fmt: skip
"""Which service's events are asked for, and the writing ones of them: event → what it is called here."""
_PAGES = 4
"""Of 50 events, of each service: CloudTrail answers two such calls a second."""


class AuditTrail:
    """What CloudTrail says of one app."""

    def __init__(self, calls: Calls, names: Names, environments: tuple[str, ...]) -> None:
        self._calls = calls
        self._names = names
        self._environments = environments

    def newest(self, limit: int) -> list[AuditEntry]:
        """The newest changes first."""
        found = [entry for source in _ACTIONS for entry in self._of(source, limit)]
        return sorted(found, key=lambda entry: -entry.at)[:limit]

    def _of(self, source: str, limit: int) -> Iterator[AuditEntry]:
        asked: dict[str, Any] = {
            "LookupAttributes": [{"AttributeKey": "EventSource", "AttributeValue": source}], "MaxResults": 50,
        }  # fmt: skip
        left = limit
        for _ in range(_PAGES):
            page = self._calls.call("cloudtrail", "lookup_events", **asked)
            for event in page.get("Events", ()):
                entry = self._entry(source, event)
                if entry is not None and left > 0:
                    left -= 1
                    yield entry
            if left <= 0 or not page.get("NextToken"):
                return
            asked["NextToken"] = page["NextToken"]

    def _entry(self, source: str, event: Mapping[str, Any]) -> AuditEntry | None:
        """The event, if it changed something of this app."""
        action = _ACTIONS[source].get(event.get("EventName", ""))
        if action is None:
            return None
        detail = json.loads(event.get("CloudTrailEvent") or "{}")
        request = detail.get("requestParameters") or {}
        environment = self._environment(json.dumps(request))
        if environment is None:
            return None
        who = person(detail.get("userIdentity", {}).get("arn", "")) or event.get("Username", "AWS")
        refused = f"refused: {detail['errorCode']}" if "errorCode" in detail else ""
        if event["EventName"] == "PutApprovalResult":
            action = str(request.get("result", {}).get("status", action)).lower()
        return AuditEntry(
            at=event["EventTime"].timestamp(),
            who=who,
            action=action,
            environment=environment or None,
            why=refused or str(request.get("result", {}).get("summary", "")).removeprefix(who).removeprefix(": "),
            detail={"event": event.get("EventId", ""), "source": source},
        )

    def _environment(self, request: str) -> str | None:
        """The environment that a request names, empty for the app as a whole; None for another app's."""
        for environment in sorted(self._environments, key=len, reverse=True):
            cluster, parameters = re.escape(self._names.cluster(environment)), f"/{self._names.app}/{environment}/"
            if re.search(rf'["/:]{cluster}(?![A-Za-z0-9_])', request) or parameters in request:
                return environment
        return "" if f'"{self._names.app}-' in request else None
