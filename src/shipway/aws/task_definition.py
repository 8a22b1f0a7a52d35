"""A release's service in an environment → the task definition that ECS is asked to register. Pure.

What Terraform promises of every task (modules/service/service.tf) holds for these as well: no root, nothing writable but
/tmp, no capabilities, secrets by reference.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from shipway.aws.names import PORT, Names
from shipway.aws.told import Told
from shipway.core.description.app import App, Service
from shipway.core.description.command_line import words
from shipway.core.description.placeholders import filled
from shipway.core.errors import Refused
from shipway.core.releases.release import Release

SCRATCH = "/tmp"  # noqa: S108 - a volume of the task's own, all that it may write
USER = "10001"
LONGEST_STOP = 120
"""Seconds that Fargate gives a task to end."""
DATABASE_SECRET = "DATABASE_SECRET"  # noqa: S105 - the variable's name
_MIB = 1024**2
_BUCKETS = "file://{buckets}/"
_LOOPBACK = re.compile(r"(?<![\w.])(?:127\.0\.0\.1|localhost|::1)(?![\w.])")


def task_definition(names: Names, told: Told, release: Release, environment: str, service: str) -> dict[str, Any]:
    """RegisterTaskDefinition for the service's tasks. Raises Refused for what it names and Terraform has not made."""
    described = release.app.services[service]
    container = _container(names, told, release, environment, service, described.command) | {
        "portMappings": [{"name": "http", "containerPort": PORT, "protocol": "tcp", "appProtocol": "http"}],
        "stopTimeout": min(LONGEST_STOP, max(2, math.ceil(described.drain_timeout))),
    }
    return _registered(names, told, release, environment, service, names.family(environment, service), container)


def migration(names: Names, told: Told, release: Release, environment: str, service: str) -> dict[str, Any]:
    """RegisterTaskDefinition for the one-off task that runs the service's `before_traffic`. Raises as above."""
    command = release.app.services[service].before_traffic
    assert command is not None
    family = names.one_off_family(environment, service, "migrate")
    container = _container(names, told, release, environment, service, command)
    return _registered(names, told, release, environment, service, family, container)


def misfits(app: App, environment: str) -> Iterator[str]:
    """What shipway.yaml asks of tasks that cannot work in a container on AWS, each with what to write instead."""
    for name, service in app.services.items():
        for key in ("command", "before_traffic"):
            if found := _LOOPBACK.search(getattr(service, key) or ""):
                yield f"services.{name}.{key}: nothing reaches {found[0]} of a container; write {{host}}"
        for variable, value in (service.env | app.environments[environment].env).items():
            if "{buckets}" in value.replace(_BUCKETS, ""):
                yield f"{name}: {variable}: no folder holds all buckets on AWS; write {_BUCKETS}NAME"
            elif variable == "CAPTURE" and not value.startswith((_BUCKETS, "s3://")):
                yield f"{name}: CAPTURE: what is captured into {value} ends with the task; write {_BUCKETS}NAME"


def remarks(app: App, environment: str) -> Iterator[str]:
    """What works otherwise on AWS than on one machine, and may surprise."""
    for name, service in app.services.items():
        own = service.env | app.environments[environment].env
        kept = [variable for variable, value in own.items() if "{data}" in value and variable != service.database]
        if kept:
            yield f"{name}: {', '.join(kept)}: {{data}} is the task's own on AWS and ends with it"
        if service.drain_timeout > LONGEST_STOP:
            yield f"{name}: drain_timeout {service.drain_timeout:g} s; Fargate stops a task after {LONGEST_STOP} s"


def _registered(
    names: Names, told: Told, release: Release, environment: str, service: str, family: str, container: dict[str, Any]
) -> dict[str, Any]:
    cpu, memory = _size(told, release.app, environment, service)
    return {
        "family": family,
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": str(cpu),
        "memory": str(memory),
        "runtimePlatform": {"cpuArchitecture": told.architecture, "operatingSystemFamily": "LINUX"},
        "executionRoleArn": names.role(names.execution_role(environment, service)),
        "taskRoleArn": names.role(names.task_role(environment, service)),
        "volumes": [{"name": "scratch"}],
        "containerDefinitions": [container],
    }


def _container(
    names: Names, told: Told, release: Release, environment: str, service: str, command: str
) -> dict[str, Any]:
    described = release.app.services[service]
    program, *arguments = words(_filled(command, names, release.app, environment))
    return {
        "name": service,
        "image": release.artifacts[service].address,
        "essential": True,
        "user": USER,
        "readonlyRootFilesystem": True,
        # Both, as either may stand in the image.
        "entryPoint": [program],
        "command": arguments,
        "environment": [
            {"name": name, "value": value}
            for name, value in sorted(_variables(names, told, release, environment, service).items())
        ],
        "secrets": [{"name": name, "valueFrom": _secret(told, environment, name)} for name in described.secrets],
        "linuxParameters": {"initProcessEnabled": True, "capabilities": {"drop": ["ALL"]}},
        "mountPoints": [{"sourceVolume": "scratch", "containerPath": SCRATCH}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": names.log_group(environment, service, described.log_group),
                "awslogs-region": names.region,
                # A line's release is known by its stream, also when the task is gone.
                "awslogs-stream-prefix": release.id,
            },
        },
    }


def _variables(names: Names, told: Told, release: Release, environment: str, service: str) -> dict[str, str]:
    app = release.app
    described = app.services[service]
    own = described.env | app.environments[environment].env
    variables = {
        "HOME": SCRATCH,
        "SHIPWAY_ENVIRONMENT": environment,
        "SHIPWAY_RELEASE": release.id,
        "SHIPWAY_SERVICE": service,
    }
    if described.model:
        variables["MODEL_BUCKET"] = f"s3://{names.models_bucket}"
        variables["MODEL_VERSION_PARAMETER"] = f"ssm://{names.model_version(environment)}"
    if described.baked is not None:
        variables["MODEL_BAKED"] = described.baked
    for device_app in app.apps.values():
        if device_app.updates == service:
            variables |= _bundles(names, told, environment)
    for used, variable in described.uses.items():
        # Service Connect: the name that modules/service gives each service.
        variables[variable] = f"http://{used}:{PORT}"
    variables |= {name: _value(name, value, names, app, environment) for name, value in own.items()}
    if described.database is not None:
        variables |= _database(described, told, names, environment, service)
    return variables


def _bundles(names: Names, told: Told, environment: str) -> dict[str, str]:
    """What the service needs that offers bundles to devices. Nobody reaches its tasks, so they report their counts."""
    bucket = f"s3://{names.bundles_bucket}"
    variables = {
        "APP_BUNDLES_BUCKET": bucket,
        "APP_BUNDLE_PARAMETER": f"ssm://{names.offer(environment)}",
        "APP_BUNDLE_COUNTS": f"{bucket}/counts/{environment}",
    }
    return variables if told.cdn is None else variables | {"PUBLIC_URL": told.cdn}


def _value(variable: str, value: str, names: Names, app: App, environment: str) -> str:
    if not value.startswith(_BUCKETS):
        return _filled(value, names, app, environment)
    # All environments share the app's buckets, so each has a place of its own there.
    address = f"s3://{names.bucket(_filled(value.removeprefix(_BUCKETS), names, app, environment))}/{environment}"
    return f"{address}/capture" if variable == "CAPTURE" else address


def _database(described: Service, told: Told, names: Names, environment: str, service: str) -> dict[str, str]:
    if told.database is None:
        raise Refused(
            f"{service} has a database in shipway.yaml, and {names.cluster(environment)} has none",
            fix=f"shipway --target aws infra apply {environment}",
        )
    assert described.database is not None
    # No password: the service reads it at each connect, so that it may change while tasks run.
    user = told.database.name
    address = f"postgresql+asyncpg://{user}@{told.database.address}/{told.database.name}?ssl=require"
    return {described.database: address, DATABASE_SECRET: told.database.secret}


def _secret(told: Told, environment: str, name: str) -> str:
    if name not in told.secrets:
        raise Refused(
            f"the secret {name} has no place in {environment} yet",
            fix=f"shipway --target aws infra apply {environment}, then "
            f"shipway --target aws secrets set --env {environment} {name}",
        )
    return told.secrets[name]


def _size(told: Told, app: App, environment: str, service: str) -> tuple[int, int]:
    """Units of CPU and MiB: the environment's word, else the service's, else the size's."""
    described = app.services[service]
    chosen = app.environments[environment].resources.get(service)
    cpu = chosen.cpu if chosen is not None else described.cpu
    memory = chosen.memory if chosen is not None else described.memory
    if cpu is None or memory is None:
        return told.cpu, told.memory
    return round(cpu * 1024), memory // _MIB


def _filled(text: str, names: Names, app: App, environment: str) -> str:
    return filled(
        text,
        {
            "port": str(PORT),
            "host": "0.0.0.0",  # noqa: S104 - a container's own address, behind its security group
            "data": SCRATCH,
            "bucket": f"s3://{names.models_bucket}" if app.model is not None else "",
            "environment": environment,
        },
    )
