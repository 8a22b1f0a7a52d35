"""The keys that AWS reads, in `shipway.yaml`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from shipway.core.description.app import App
from shipway.core.description.on_aws import Aws

ROOT = Path(__file__).parents[2]
AWS = {"account": "123456789012", "region": "us-east-1", "domain": "shop.example"}


def _app(
    *, name: str = "web", service: dict[str, Any] | None = None, environment: dict[str, Any] | None = None, **more: Any
) -> App:
    return App.model_validate(
        {
            "app": "shop",
            "services": {name: {"path": "web", "command": "x", "routes": ["/*"]} | (service or {})},
            "environments": {
                "dev": {
                    "branch": "main",
                    "port": 8001,
                    "tasks": {"min": 1, "max": 1},
                    "rollout": {"strategy": "rolling"},
                }
                | (environment or {})
            },
        }
        | more
    )


def test_the_committed_file_says_where_the_app_lives() -> None:
    """The manual's own `aws:` section is valid and takes the defaults that it names."""
    aws = App.model_validate(yaml.safe_load((ROOT / "shipway.yaml").read_text())).aws
    assert aws is not None
    assert ("github", "minimal") == (aws.connection, aws.size)


def test_no_aws_is_the_default() -> None:
    """An app that names no account lives on one machine."""
    assert _app().aws is None


@pytest.mark.parametrize(
    ("cpu", "memory", "complaint"),
    [
        (0.25, None, "cpu and memory go together"),
        (0.3, "512MiB", "no task with 0.3 vCPUs; allowed: 0.25, 0.5, 1, 2, 4"),
        (0.25, "4GiB", "with 0.25 vCPUs AWS allows 512MiB, 1GiB, 2GiB"),
        (1, "1GiB", "with 1 vCPUs AWS allows 2GiB, 3GiB"),
    ],
)
def test_refuses_a_task_that_fargate_does_not_have(cpu: float, memory: str | None, complaint: str) -> None:
    """What is allowed is said, for a service and for an environment alike."""
    size = {"cpu": cpu, "memory": memory}
    with pytest.raises(ValidationError, match=complaint):
        _app(service=size)
    if memory is not None:
        with pytest.raises(ValidationError, match=complaint):
            _app(environment={"resources": {"web": size}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("account", "1234"), ("region", "virginia"), ("domain", "https://shop.example"), ("zone", "shop.example"),
        ("repository", "a/b/c"), ("connection", "gitlab"), ("size", "large"), ("colour", "blue"),
    ],
)  # fmt: skip
def test_refuses_values_that_aws_does_not_know(key: str, value: str) -> None:
    """A mistake is found before anything is planned, with the key's path."""
    with pytest.raises(ValidationError, match=rf"aws\.{key}"):
        _app(aws=AWS | {key: value})


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"aws": AWS | {"repositories": {"shop": "a/b"}}}, "aws.repositories: no service 'shop'; allowed: web"),
        ({"aws": AWS | {"repository": "shop"}}, "aws.repository: 'shop' is not owner/name"),
        ({"aws": AWS, "app": "a" * 40, "name": "w" * 20}, "names on AWS have room for 50"),
        ({"aws": AWS, "service": {"routes": [f"/{n}" for n in range(5)]}}, "a rule of AWS's load balancer takes 4"),
        ({"environment": {"resources": {"api": {"cpu": 1, "memory": "2GiB"}}}}, "no service 'api'; allowed: web"),
        ({"service": {"secrets": ["KEY"], "env": {"KEY": "1"}}}, "secrets: KEY has a value in env or uses already"),
        ({"service": {"secrets": ["PATH"]}}, "secrets: PATH is a variable that Shipway itself sets"),
        (
            {"service": {"secrets": ["KEY"]}, "environment": {"env": {"KEY": "1"}}},
            "environments.dev.env: KEY is a secret of a service; take it out of one of them",
        ),
        ({"service": {"secrets": ["a-b"]}}, "'a-b' is not the name of an environment variable"),
    ],
)
def test_refuses_what_does_not_fit_the_rest(changed: dict[str, Any], complaint: str) -> None:
    """Keys are held against each other."""
    with pytest.raises(ValidationError, match=re.escape(complaint)):
        _app(**changed)


def test_terraform_documents_every_aws_key() -> None:
    """infra/README.md names each key of the section."""
    text = (ROOT / "infra" / "README.md").read_text()
    assert set() == {key for key in Aws.model_fields if f"`aws.{key}`" not in text}
