"""Every buildspec is one that CodeBuild takes: those that Terraform writes, and those of the services."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from shipway.aws.names import names_of

from .buildspec import Buildspec
from .conftest import INFRA, World


def test_those_that_terraform_writes(world: World) -> None:
    """They run our program; the release hands its number on."""
    texts = {project["name"]: project["source"][0]["buildspec"] for project in world.values("aws_codebuild_project")}
    inline = {name: text for name, text in texts.items() if "\n" in text}
    programs = ["rollout", "bundles"] if world.app.apps else ["rollout"]
    ours = {f"{world.app.app}-{name}-{program}" for name in world.app.environments for program in programs}
    assert {f"{world.app.app}-release", *ours} == set(inline)
    for name, text in inline.items():
        found = Buildspec.model_validate(yaml.safe_load(text))
        assert (["RELEASE"] if name.endswith("-release") else []) == found.env.exported_variables


def test_a_look_installs_what_the_newest_rollout_was_installed_from(world: World) -> None:
    """It has no source of its own, so the rollout leaves Shipway in the releases' bucket; a requirement needs none of that."""
    texts = {project["name"]: project["source"][0]["buildspec"] for project in world.values("aws_codebuild_project")}
    for name in world.app.environments if world.app.apps else ():
        look, rollout = (
            " ".join(yaml.safe_load(texts[f"{world.app.app}-{name}-{program}"])["phases"]["install"]["commands"])
            for program in ("bundles", "rollout")
        )
        left = f"s3://{names_of(world.app).releases_bucket}/$ENVIRONMENT/program.tar"
        assert f"aws s3 cp --quiet /tmp/program.tar {left}" in rollout
        assert f"aws s3 cp --quiet {left} /tmp/program.tar" in look


def test_those_of_services_and_apps(world: World) -> None:
    """Each project names a file that lies in the repository of its service, or in the folder of the app."""
    named = [project["source"][0]["buildspec"] for project in world.values("aws_codebuild_project")]
    files = [INFRA.parent / name for name in named if "\n" not in name]
    assert len(world.app.services) + len(world.app.apps) == len(files)
    for file in files if world.app.app == "ontime" else ():
        assert Buildspec.model_validate(yaml.safe_load(file.read_text())).phases.build is not None


@pytest.mark.parametrize(
    "text",
    [
        "version: 0.3\nphases: {build: {commands: [a]}}",
        "version: 0.2\nphases: {builds: {commands: [a]}}",
        "version: 0.2\nphases: {build: {command: [a]}}",
        "version: 0.2\nphases: {build: {commands: []}}",
        "version: 0.2\nenv: {exported-variables: ['a b']}\nphases: {build: {commands: [a]}}",
        "version: 0.2\nphases: {build: {commands: [a], on-failure: STOP}}",
        "version: 0.2\nphase: {}",
    ],
)
def test_a_mistake_is_found(text: str) -> None:
    """A key or value that CodeBuild does not know."""
    with pytest.raises(ValidationError):
        Buildspec.model_validate(yaml.safe_load(text))


def test_the_example_is_in_the_repository() -> None:
    """So that the test above reads something."""
    assert [] != list(Path(INFRA.parent).glob("*/buildspec.yml"))
