"""Who did what on AWS: CloudTrail's record and the rollout program's, in one list."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shipway.aws.audit_trail import AuditTrail
from shipway.aws.calls import Calls
from shipway.aws.names import Names
from shipway.core.events import AuditEntry
from tests.cli.worlds import OnAws

PARAMETER = {"name": "/hello/prod/model-version"}


def event(source: str, name: str, request: dict[str, Any], **detail: Any) -> dict[str, Any]:
    told = {"userIdentity": {"arn": "arn:aws:iam::123456789012:user/eve"}, "requestParameters": request, **detail}
    return {
        "EventId": "1", "EventName": name, "EventSource": f"{source}.amazonaws.com", "Username": "eve",
        "EventTime": datetime(2026, 11, 26, tzinfo=UTC), "CloudTrailEvent": json.dumps(told),
    }  # fmt: skip


def newest(aws: OnAws, *events: dict[str, Any]) -> list[AuditEntry]:
    aws.aws.trail = list(events)
    calls = Calls("us-east-1", client=aws.aws.clients)
    return AuditTrail(calls, Names("hello", "123456789012", "us-east-1"), ("dev", "prod")).newest(10)


@pytest.mark.parametrize(
    ("source", "name", "request_", "action", "environment"),
    [
        ("codepipeline", "StartPipelineExecution", {"name": "hello-prod"}, "deploy", "prod"),
        ("ecs", "StopServiceDeployment", {"serviceDeploymentArn": "arn:aws:ecs:r:a:service-deployment/hello-dev/hello/1"}, "stop deployment", "dev"),
        ("codebuild", "StartBuild", {"projectName": "hello-prod-rollout"}, "start build", "prod"),
        ("ssm", "PutParameter", PARAMETER, "set parameter", "prod"),
        ("secretsmanager", "PutSecretValue", {"secretId": "/hello/dev/MAPS_API_KEY"}, "set secret", "dev"),
    ],
)  # fmt: skip
def test_a_change_is_told_in_the_words_of_every_target(
    aws: OnAws, source: str, name: str, request_: dict[str, Any], action: str, environment: str
) -> None:
    """Who, what, where."""
    (entry,) = newest(aws, event(source, name, request_))
    assert ("eve", action, environment) == (entry.who, entry.action, entry.environment)


@pytest.mark.parametrize("name", ["hello-production", "goodbye-prod", "xhello-prod"])
def test_another_apps_changes_are_left_out(aws: OnAws, name: str) -> None:
    """However alike their names are; what is of the app and of no environment is kept without one."""
    found = newest(aws, event("codepipeline", "StartPipelineExecution", {"name": name}))
    assert [entry.environment for entry in found] == ([None] if name.startswith("hello-") else [])


def test_looks_are_no_changes(aws: OnAws) -> None:
    """Every one of these commands makes hundreds of them."""
    assert [] == newest(aws, event("codepipeline", "GetPipelineState", {"name": "hello-prod"}))


def test_what_iam_refused_is_told_as_refused(aws: OnAws) -> None:
    """It changed nothing, and somebody may want to know."""
    (entry,) = newest(aws, event("ssm", "PutParameter", PARAMETER, errorCode="AccessDenied"))
    assert "refused: AccessDenied" == entry.why


def test_what_the_program_wrote_stands_in_the_same_list(aws: OnAws) -> None:
    """The newest first, whoever wrote it."""
    aws.aws.store.add_audit(AuditEntry(4e9, "ann", "pause", "prod", "lunch"))
    entries = aws.desk.audit(10)
    assert ("pause", "lunch") == (entries[0].action, entries[0].why)
    assert ["approved", "deploy"] == [entry.action for entry in entries[1:]]
    assert 1 == len(aws.desk.audit(1))
