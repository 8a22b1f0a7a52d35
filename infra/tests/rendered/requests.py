"""The requests to AWS that the provider makes of Terraform's resources, as far as botocore's shapes can say more of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

Values = Mapping[str, Any]


def create_pipeline(values: Values) -> dict[str, Any]:
    """codepipeline:CreatePipeline of an aws_codepipeline."""
    (store,) = values["artifact_store"]
    return {
        "pipeline": _given(
            name=values["name"],
            roleArn=values["role_arn"],
            pipelineType=values["pipeline_type"],
            executionMode=values["execution_mode"],
            artifactStore={
                "type": store["type"],
                "location": store["location"],
                "encryptionKey": {key: store["encryption_key"][0][key] for key in ("id", "type")},
            },
            stages=[
                {"name": stage["name"], "actions": [_action(one) for one in stage["action"]]}
                for stage in values["stage"]
            ],
            triggers=[_trigger(trigger) for trigger in values["trigger"]],
        )
    }


def _action(action: Values) -> dict[str, Any]:
    return _given(
        name=action["name"],
        actionTypeId={key: action[key] for key in ("category", "owner", "provider", "version")},
        runOrder=action["run_order"] or None,  # where it is not given, the mock answers 0
        configuration=action["configuration"],
        inputArtifacts=[{"name": name} for name in action["input_artifacts"] or ()],
        outputArtifacts=[{"name": name} for name in action["output_artifacts"] or ()],
        namespace=action["namespace"],
        timeoutInMinutes=action["timeout_in_minutes"],
    )


def _trigger(trigger: Values) -> dict[str, Any]:
    (git,) = trigger["git_configuration"]
    pushes = [
        {"branches": {"includes": push["branches"][0]["includes"]}, "filePaths": {"includes": push["file_paths"][0]["includes"]}}
        for push in git["push"]
    ]  # fmt: skip
    return {
        "providerType": trigger["provider_type"],
        "gitConfiguration": {"sourceActionName": git["source_action_name"], "push": pushes},
    }


def create_project(values: Values) -> dict[str, Any]:
    """codebuild:CreateProject of an aws_codebuild_project."""
    (source,), (artifacts,), (environment,) = values["source"], values["artifacts"], values["environment"]
    (logs,) = values["logs_config"]
    return _given(
        name=values["name"],
        description=values["description"],
        serviceRole=values["service_role"],
        timeoutInMinutes=values["build_timeout"],
        queuedTimeoutInMinutes=values["queued_timeout"],
        concurrentBuildLimit=values["concurrent_build_limit"],
        encryptionKey=values["encryption_key"],
        source=_given(type=source["type"], buildspec=source["buildspec"]),
        artifacts={"type": artifacts["type"]},
        cache=next((_given(type=cache["type"], modes=cache["modes"]) for cache in values["cache"] or ()), None),
        environment=_given(
            type=environment["type"],
            image=environment["image"],
            computeType=environment["compute_type"],
            privilegedMode=environment["privileged_mode"],
            environmentVariables=[
                {"name": variable["name"], "value": variable["value"], "type": variable["type"] or "PLAINTEXT"}
                for variable in environment["environment_variable"]
            ],
        ),
        logsConfig={"cloudWatchLogs": {"status": "ENABLED", "groupName": logs["cloudwatch_logs"][0]["group_name"]}},
    )


def register_task_definition(values: Values) -> dict[str, Any]:
    """ecs:RegisterTaskDefinition of an aws_ecs_task_definition."""
    (platform,) = values["runtime_platform"]
    return _given(
        family=values["family"],
        networkMode=values["network_mode"],
        requiresCompatibilities=values["requires_compatibilities"],
        cpu=values["cpu"],
        memory=values["memory"],
        executionRoleArn=values["execution_role_arn"],
        taskRoleArn=values["task_role_arn"],
        runtimePlatform={
            "cpuArchitecture": platform["cpu_architecture"], "operatingSystemFamily": platform["operating_system_family"],
        },
        volumes=[{"name": volume["name"]} for volume in values["volume"]],
        containerDefinitions=json.loads(values["container_definitions"]),
    )  # fmt: skip


def _given(**members: Any) -> dict[str, Any]:
    """Those that have a value: Terraform writes null and empty lists for what is not given."""
    return {name: value for name, value in members.items() if value is not None and not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and not value
