"""Every request that a rollout builds: as recorded in golden/, and as AWS's shapes have it. Renew: GOLDEN=1 pytest."""

import json
import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from shipway.aws import deployment, task_definition
from shipway.aws.names import names_of
from shipway.aws.told import Told, parse
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError
from shipway.core.rollouts.plan import Plan
from tests.aws.descriptions import ontime, repositorys, with_bundles
from tests.aws.rollout_bench import BACKEND, MODEL, Bench, release, told
from tests.aws.shapes import request_findings

GOLDEN = Path(__file__).parent / "golden"
STRATEGIES = ("all_at_once", "rolling", "blue_green", "canary", "linear")
APP = ontime()
NAMES = names_of(APP)


def told_of(app: App, service: str, environment: str = "prod") -> Told:
    return parse(json.dumps(told(app, environment, service)), "x", environment)


def with_secret() -> App:
    backend = APP.services[BACKEND].model_copy(update={"secrets": ("MAPS_API_KEY",), "cpu": 0.5, "memory": 2 * 1024**3})
    return APP.model_copy(update={"services": {**APP.services, BACKEND: backend}})


def plan_of(strategy: str, *, has_stable: bool = True, back: bool = False) -> Plan:
    policy = ontime(strategy=strategy, steps=(5.0, 25.0) if strategy == "canary" else ()).environments["prod"].rollout
    return deployment.plan_for(policy, 3, 330, has_stable=has_stable, back=back)


def requests() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(name, operation, request) of everything that is built."""
    app = with_secret()
    r1 = release("r1", app, "2")
    for service in app.services:
        its = told_of(app, service)
        for environment in ("dev", "prod"):
            its = told_of(app, service, environment)
            yield (
                f"task-definition-{environment}-{service}", "register_task_definition",
                task_definition.task_definition(NAMES, its, r1, environment, service),
            )  # fmt: skip
    yield (
        "migration-prod-backend-api", "register_task_definition",
        task_definition.migration(NAMES, told_of(app, BACKEND), r1, "prod", BACKEND),
    )  # fmt: skip
    its, arn = told_of(app, BACKEND), "arn:aws:ecs:us-east-1:123456789012:task-definition/ontime-prod-backend-api:7"
    for strategy in STRATEGIES:
        plan = plan_of(strategy)
        request = deployment.update_request(NAMES, "prod", BACKEND, its, plan, arn, serving="green")
        yield f"update-{strategy}", "update_service", request
    first = deployment.update_request(NAMES, "prod", BACKEND, its, plan_of("canary", has_stable=False), arn, desired=3)
    yield "update-first", "update_service", first
    flip = deployment.update_request(NAMES, "prod", BACKEND, its, plan_of("canary", back=True), arn, serving="green")
    yield "update-flip", "update_service", flip
    back = deployment.back_request(NAMES, "prod", BACKEND, its, arn, serving="green", desired=3)
    yield "update-back", "update_service", back
    hookless = deployment.without_hooks(NAMES, "prod", BACKEND, its, plan_of("canary"))
    yield "update-without-hooks", "update_service", hookless


ALL = list(requests())


@pytest.mark.parametrize(("name", "operation", "request_"), ALL, ids=[name for name, _, _ in ALL])
def test_each_request_is_the_recorded_one(name: str, operation: str, request_: dict[str, Any]):
    path = GOLDEN / f"{name}.json"
    text = json.dumps(request_, indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text


@pytest.mark.parametrize(("name", "operation", "request_"), ALL, ids=[name for name, _, _ in ALL])
def test_each_request_fits_awss_shapes(name: str, operation: str, request_: dict[str, Any]):
    assert [] == request_findings("ecs", operation, request_)


def test_everything_that_a_rollout_sends_fits_awss_shapes():
    """Of a canary that goes through, one that goes back and one that is stopped; the wire holds every call to them."""
    services = set()
    for bad in (False, True):
        bench = Bench()
        bench.candidate = (600.0, 0.5 * bad, 0.05)
        bench.outcome()
        services |= {(service, operation) for service, operation, _ in bench.wire.calls}
    assert {"ecs", "s3", "ssm", "cloudwatch"} == {service for service, _ in services}
    assert {"stop_service_deployment", "continue_service_deployment", "run_task"} <= {name for _, name in services}


# -- mutations: what AWS would refuse is found here ---------------------------------------------------------------------


def _request(name: str) -> tuple[str, dict[str, Any]]:
    return next((operation, deepcopy(request)) for key, operation, request in ALL if key == name)


MUTATIONS: list[tuple[str, str, Any]] = [
    ("update-canary", "deploymentConfiguration.strategy", "CANRY"),
    ("update-canary", "deploymentConfiguration.strategy", "canary"),
    ("update-canary", "deploymentConfiguration.bakeTimeInMinutes", "0"),
    ("update-canary", "deploymentConfiguration.bakeTimeInMinutes", 0.5),
    ("update-canary", "deploymentConfiguration.canaryConfiguration.canaryPercent", "5%"),
    ("update-canary", "deploymentConfiguration.canaryConfiguration.canaryPercentage", 5.0),
    ("update-canary", "deploymentConfiguration.canaryConfiguration", [5.0]),
    ("update-canary", "deploymentConfiguration.lifecycleHooks.0.targetType", "WAIT"),
    ("update-canary", "deploymentConfiguration.lifecycleHooks.0.lifecycleStages.0", "PRE_PRODUCTION_SHIFT"),
    ("update-canary", "deploymentConfiguration.lifecycleHooks.0.lifecycleStages", "PRE_PRODUCTION_TRAFFIC_SHIFT"),
    ("update-canary", "deploymentConfiguration.lifecycleHooks.0.timeoutConfiguration.timeoutInMinutes", 0),
    ("update-canary", "deploymentConfiguration.lifecycleHooks.0.timeoutConfiguration.timeoutInMinutes", 999_999),
    ("update-canary", "deploymentConfiguration.lifecycleHooks.0.timeoutConfiguration.timeoutInMinutes", True),
    ("update-canary", "deploymentConfiguration.lifecycleHooks.0.timeoutConfiguration.action", "STOP"),
    ("update-canary", "deploymentConfiguration.lifecycleHooks.0.stages", []),
    ("update-canary", "deploymentConfiguration.lifecycleHooks", {}),
    ("update-canary", "deploymentConfiguration.alarms.rollback", None),
    ("update-canary", "deploymentConfiguration.alarms.alarmNames", "ontime-prod-backend-api-blue-5xx"),
    ("update-canary", "deploymentConfiguration.alarms.enable", "true"),
    ("update-canary", "deploymentConfiguration.deploymentCircuitBreaker.enable", None),
    ("update-canary", "deploymentConfiguration.deploymentCircuitBreaker.threshold", 3),
    ("update-canary", "loadBalancers.0.advancedConfiguration.alternateTargetGroup", "x"),
    ("update-canary", "loadBalancers.0.advancedConfiguration.roleArn", 7),
    ("update-canary", "loadBalancers.0.containerPort", "8080"),
    ("update-canary", "service", None),
    ("update-canary", "services", ["backend-api"]),
    ("update-linear", "deploymentConfiguration.linearConfiguration.stepPercent", "20"),
    ("update-linear", "deploymentConfiguration.linearConfiguration.bakeTime", 0),
    ("update-first", "desiredCount", 3.0),
    ("task-definition-prod-backend-api", "family", None),
    ("task-definition-prod-backend-api", "cpu", 512),
    ("task-definition-prod-backend-api", "networkMode", "vpc"),
    ("task-definition-prod-backend-api", "requiresCompatibilities.0", "FARGATE_SPOT"),
    ("task-definition-prod-backend-api", "runtimePlatform.cpuArchitecture", "AARCH64"),
    ("task-definition-prod-backend-api", "containerDefinitions", None),
    ("task-definition-prod-backend-api", "containerDefinitions.0.command", "python -m backend_api"),
    ("task-definition-prod-backend-api", "containerDefinitions.0.portMappings.0.protocol", "http"),
    ("task-definition-prod-backend-api", "containerDefinitions.0.portMappings.0.appProtocol", "https"),
    ("task-definition-prod-backend-api", "containerDefinitions.0.secrets.0.valueFrom", None),
    ("task-definition-prod-backend-api", "containerDefinitions.0.environment.0.value", 1),
    ("task-definition-prod-backend-api", "containerDefinitions.0.logConfiguration.logDriver", "cloudwatch"),
    ("task-definition-prod-backend-api", "containerDefinitions.0.logConfiguration.options", []),
    ("task-definition-prod-backend-api", "containerDefinitions.0.readOnlyRootFilesystem", True),
    ("task-definition-prod-backend-api", "containerDefinitions.0.stopTimeout", "30"),
    ("task-definition-prod-backend-api", "volumes.0.name", 1),
]


@pytest.mark.parametrize(("name", "path", "value"), MUTATIONS, ids=[f"{path}={value}" for _, path, value in MUTATIONS])
def test_a_mutated_request_is_found(name: str, path: str, value: Any):
    """None takes the member away."""
    operation, request = _request(name)
    *way, last = path.split(".")
    there: Any = request
    for step in way:
        there = there[int(step) if step.isdigit() else step]
    key = int(last) if last.isdigit() else last
    if value is None:
        del there[key]
    else:
        there[key] = value
    assert request_findings("ecs", operation, request)


def test_there_are_forty_mutations():
    assert len(MUTATIONS) >= 40


# -- what the pure parts decide -----------------------------------------------------------------------------------------


def environment_of(request: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in request["containerDefinitions"][0]["environment"]}


def test_a_task_finds_its_model_captures_and_neighbours_on_aws():
    found = environment_of(
        task_definition.task_definition(NAMES, told_of(APP, MODEL), release("r1", APP, "2"), "prod", MODEL)
    )
    assert "s3://ontime-123456789012-ml-models-bucket" == found["MODEL_BUCKET"]
    assert "ssm:///ontime/prod/model-version" == found["MODEL_VERSION_PARAMETER"]
    assert "s3://ontime-123456789012-monitoring-bucket/prod/capture" == found["CAPTURE"]
    backend = task_definition.task_definition(NAMES, told_of(APP, BACKEND), release("r1", APP, "2"), "prod", BACKEND)
    assert "http://ml-model-service:8080" == environment_of(backend)["MODEL_SERVICE_URL"]
    assert "s3://ontime-123456789012-monitoring-bucket/prod" == environment_of(backend)["LABELS"]


def test_the_service_that_answers_devices_finds_bundles_and_the_offer():
    """By address; devices load from the cache in front of it where there is one. No other service is told of them."""
    app = with_bundles()
    near = parse(json.dumps({**told(app, "prod", "updates"), "cdn": "https://d1.cloudfront.net"}), "x", "prod")
    found = environment_of(
        task_definition.task_definition(names_of(app), near, release("r1", app, "2"), "prod", "updates")
    )
    bucket = "s3://ontime-123456789012-app-bundles-bucket"
    assert (bucket, f"{bucket}/counts/prod") == (found["APP_BUNDLES_BUCKET"], found["APP_BUNDLE_COUNTS"])
    assert "ssm:///ontime/prod/app-bundles" == found["APP_BUNDLE_PARAMETER"]
    assert "https://d1.cloudfront.net" == found["PUBLIC_URL"]
    backend = task_definition.task_definition(
        names_of(app), told_of(app, BACKEND), release("r1", app, "2"), "prod", BACKEND
    )
    assert [] == [name for name in environment_of(backend) if name.startswith(("APP_", "PUBLIC"))]


def test_the_database_comes_without_a_password_and_names_the_secret_that_holds_it():
    backend = task_definition.task_definition(NAMES, told_of(APP, BACKEND), release("r1", APP, "2"), "prod", BACKEND)
    found = environment_of(backend)
    address = "postgresql+asyncpg://ontime@ontime-prod.abc.us-east-1.rds.amazonaws.com:5432/ontime?ssl=require"
    assert address == found["DATABASE_URL"]
    assert found["DATABASE_SECRET"].startswith(
        "arn:aws:secretsmanager:us-east-1:123456789012:secret:/ontime/prod/database/user"
    )


def test_a_secret_that_has_no_place_yet_is_refused_with_what_makes_one():
    app = with_secret()
    without = parse(json.dumps({**told(app, "prod", BACKEND), "secrets": {}}), "x", "prod")
    with pytest.raises(Refused, match="MAPS_API_KEY has no place in prod yet") as caught:
        task_definition.task_definition(NAMES, without, release("r1", app, "2"), "prod", BACKEND)
    assert "secrets set --env prod MAPS_API_KEY" in caught.value.fix


def test_a_word_of_terraform_that_cannot_be_read_names_the_parameter():
    with pytest.raises(ShipwayError, match=r"the parameter /x is not what this version .*host") as caught:
        parse('{"cpu": 256}', "/x", "prod")
    assert "infra apply prod" in caught.value.fix


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"strategy": "canary", "steps": (5.0, 25.0, 50.0)}, "canary 5 → 100 % (ECS has no 25 and 50); use linear"),
        ({"strategy": "canary", "steps": (0.01,)}, "canary begins with 0.1 %"),
        ({"strategy": "linear", "steps": (), "step_percent": 1.0}, "linear steps of 3 %"),
        ({"strategy": "rolling", "steps": ()}, "without step_wait"),
        ({"strategy": "blue_green", "steps": ()}, "keep_warm: ECS stops the old tasks when the bake ends"),
    ],
)
def test_what_ecs_cannot_do_is_said(change: dict[str, Any], said: str):
    policy = ontime(**change).environments["prod"].rollout
    assert any(said in line for line in deployment.remarks(policy, has_stable=True))


def test_ecs_takes_each_plans_own_steps():
    """What ECS is told and what core judges by must be the same shares."""
    for strategy in STRATEGIES:
        plan = plan_of(strategy)
        told_ecs = deployment.configuration(NAMES, "prod", BACKEND, told_of(APP, BACKEND), plan)
        shares = [step.weight / 100 for step in plan.steps]
        if strategy == "canary":
            assert [told_ecs["canaryConfiguration"]["canaryPercent"], 100.0] == shares
        elif strategy == "linear":
            step = told_ecs["linearConfiguration"]["stepPercent"]
            assert [min(100.0, step * (n + 1)) for n in range(len(shares))] == shares
        else:
            assert [100.0] == shares


def test_a_hook_outlasts_the_longest_hold():
    policy = ontime(step_wait=600.0, bake=900.0).environments["prod"].rollout
    plan = deployment.plan_for(policy, 3, 330, has_stable=True)
    assert deployment.hook_minutes(plan) * 60 >= 900 + policy.guard.hold_timeout + 60
    longest = deployment.plan_for(ontime(bake=30 * 86400.0).environments["prod"].rollout, 3, 330, has_stable=True)
    assert 20_160 == deployment.hook_minutes(longest)


def test_the_repositorys_own_description_can_be_rolled_out_on_aws():
    app = repositorys()
    for environment in app.environments:
        assert [] == list(task_definition.misfits(app, environment))
        for service in app.services:
            its = parse(json.dumps(told(app, environment, service)), "x", environment)
            request = task_definition.task_definition(names_of(app), its, release("r1", app, "2"), environment, service)
            assert [] == request_findings("ecs", "register_task_definition", request)
