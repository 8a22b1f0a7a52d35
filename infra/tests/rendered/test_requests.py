"""Pipelines, build projects and first task definitions hold to botocore's shapes of what AWS takes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.aws.shapes import request_findings

from . import requests
from .conftest import World

KINDS: dict[str, tuple[str, str, Callable[[Any], dict[str, Any]]]] = {
    "aws_codepipeline": ("codepipeline", "CreatePipeline", requests.create_pipeline),
    "aws_codebuild_project": ("codebuild", "CreateProject", requests.create_project),
    "aws_ecs_task_definition": ("ecs", "RegisterTaskDefinition", requests.register_task_definition),
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_request_is_one_that_aws_takes(world: World, kind: str) -> None:
    """By enumeration, range, pattern, required members and unknown ones."""
    service, operation, request = KINDS[kind]
    made = world.values(kind)
    assert len(made) >= len(world.app.environments)
    assert [] == [finding for values in made for finding in request_findings(service, operation, request(values))]


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("executionMode",), "SUPERSEDE"),
        (("pipelineType",), "V3"),
        (("artifactStore", "type"), "GCS"),
        (("stages", 0, "actions", 0, "actionTypeId", "category"), "Sauce"),
        (("stages", 0, "actions", 0, "actionTypeId", "owner"), "Us"),
        (("stages", 0, "actions", 0, "name"), "a name with spaces"),
        (("stages", 0, "actions", 0, "runOrder"), 0),
        (("stages", 3, "actions", 0, "timeoutInMinutes"), 100_000),
        (("stages", 0, "name"), "x" * 101),
        (("name",), ""),
    ],
)
def test_a_mistake_in_a_pipeline_is_found(world: World, where: tuple[Any, ...], value: Any) -> None:
    """One member at a time."""
    longest = max(world.values("aws_codepipeline"), key=lambda values: len(values["stage"]))
    request = deepcopy(requests.create_pipeline(longest))
    place: Any = request["pipeline"]
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    assert request_findings("codepipeline", "CreatePipeline", request)
