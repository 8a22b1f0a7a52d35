"""The one description of an app: the shape of `shipway.yaml`. Strict: an unknown key is an error.

The annotated `shipway.yaml` at the repository's root is the manual of these types.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, ValidationInfo, model_validator

from shipway.core.description import VARIABLE
from shipway.core.description.command_line import mistakes, value_mistakes
from shipway.core.description.device_app import DeviceApp
from shipway.core.description.feature_group import FeatureGroup
from shipway.core.description.folders import include_mistakes, is_inside
from shipway.core.description.on_aws import Aws, Resources, size_mistakes
from shipway.core.description.replay import Replay
from shipway.core.description.training import Training
from shipway.core.description.values import (
    Bytes,
    Days,
    Host,
    Name,
    Origin,
    Percent,
    Port,
    RequestPath,
    Seconds,
    Strategy,
    Strict,
    seconds,
    was_stored,
)

_OUR_OWN = frozenset({"PATH", "HOME", "PORT"})


class Probe(Strict):
    """A request of the app's own that stands in for clients when there is too little traffic."""

    method: Literal["GET", "POST", "PUT"] = "GET"
    path: RequestPath
    body: JsonValue = Field(default=None, description="sent as JSON")
    status: int = Field(default=200, ge=100, le=599, description="the answer that counts as good")


class Service(Strict):
    """One deployable. Its folder and what it includes are all that a build may see.

    Commands are lists of words, run in the folder without a shell: see `core/description/command_line.py`.
    """

    path: str = Field(description="folder of the service, from the folder of shipway.yaml")
    include: tuple[str, ...] = Field(default=(), description="other folders that links in the service's lead into")
    command: str = Field(min_length=1, description="starts one task; it must listen on {host}, port {port}")
    test: str | None = Field(default=None, description="run in the built tree before it becomes an artifact")
    lock: str = Field(default="requirements.lock", description="hashed lock file in the folder, or `none`")
    test_lock: str | None = Field(default=None, description="lock file of the environment that runs the tests")
    routes: tuple[str, ...] = Field(default=(), description="public path patterns, as on a load balancer: /api/*")
    health: RequestPath = Field(default="/health", description="liveness: 200 while the process works")
    ready: RequestPath = Field(
        default_factory=lambda given: given.get("health", "/health"),
        description="readiness: 200 once it can take traffic; default: `health`",
    )
    probes: tuple[Probe, ...] = Field(default=(), max_length=20, description="default: GET of `ready`")
    model: bool = Field(default=False, description="serves the app's model; `ready` answers its model_version")
    baked: str | None = Field(default=None, description="folder, in the service's own, of a model baked into it")
    uses: dict[Name, str] = Field(default={}, description="service it calls → variable that carries its address")
    env: dict[str, str] = Field(default={}, description="environment variables; {port} {host} {data} {bucket} …")
    before_traffic: str | None = Field(default=None, description="once for each rollout, before its tasks start")
    check_host: Host = Field(default="localhost", description="Host header of checks and probes")
    answer_timeout: Annotated[float, BeforeValidator(seconds)] = Field(
        default=60.0, ge=1, le=3600, description="then the answer is 504"
    )
    largest_body: Bytes = Field(default=10 * 1024**2, description="of a request; more is answered 413")
    longest_session: Annotated[float, BeforeValidator(seconds)] = Field(
        default=3600.0,
        ge=1,
        le=7 * 86400,
        description="a WebSocket's silence, and any session once the router has other routes",
    )
    idempotent: bool = Field(default=False, description="whether every request of it may be carried out twice")
    origins: tuple[Origin, ...] = Field(
        default=(), max_length=20, description="of pages that call it, which may read the router's own errors"
    )
    start_timeout: Seconds = 60.0
    drain_timeout: Seconds = 30.0
    openapi: str | None = Field(
        default=None, description="committed OpenAPI document of what it answers, in the folder"
    )
    secrets: tuple[str, ...] = Field(default=(), description="variables whose values are secrets")
    feature_store: str | None = Field(default=None, description="variable that carries the online store's address")
    database: str | None = Field(default=None, description="AWS: variable that carries the database's address")
    cpu: float | None = Field(default=None, description="AWS: vCPUs of a task; default: what aws.size says")
    memory: Bytes | None = Field(default=None, description="AWS: memory of a task, goes with cpu")
    log_group: str | None = Field(
        default=None, pattern=r"^/[A-Za-z0-9_./-]{1,200}$", description="AWS: default /ecs/NAME"
    )

    @model_validator(mode="after")
    def _patterns(self, info: ValidationInfo) -> Self:
        if not was_stored(info) and (findings := list(_check_service(self))):
            raise ValueError("\n".join(findings))
        return self


class Quality(Strict):
    """When a candidate's model is bad: bounds on what it predicts beside stable's. Every figure has a default."""

    max_prediction_shift: Percent = Field(default=25.0, description="distance of the two distributions, beyond chance")
    max_disagreement: Percent = Field(default=10.0, description="of the rows that both versions answered")
    max_loss_increase: Percent = Field(default=5.0, description="of stable's loss, once labels are known")
    min_predictions: int = Field(default=200, ge=1, description="of each side; fewer never roll back")


class Monitor(Strict):
    """What of a model's traffic is watched, and what a drift of it means."""

    triggers: tuple[str, ...] = Field(default=(), max_length=1000, description="columns and metrics that count")
    min_rows: int = Field(default=200, ge=1, description="fewer rows in a window are no evidence")
    label_sources: tuple[Name, ...] = Field(default=(), description="whose labels are trusted")
    environments: tuple[Name, ...] = Field(default=(), description="looked at without being asked")
    every: Seconds = Field(default=86400.0, ge=60, description="from one of these looks to the next, and its window")
    false_alarms: Percent = Field(default=5.0, gt=0, lt=100, description="of a baseline's own windows that would alarm")
    max_hold: Seconds = Field(default=7 * 86400.0, description="a hold that lasts longer is an alarm")
    retrain: bool = Field(default=False, description="whether a drift starts a training")
    cooldown: Seconds = Field(default=7 * 86400.0, description="from one training that drift starts to the next")


class Model(Strict):
    """The app's model and where its versions lie."""

    name: Name
    bucket: Name = "ml-models-bucket"
    on_approval: tuple[Name, ...] = Field(default=(), description="environments that an approved version goes into")
    quality: Quality = Quality()
    monitor: Monitor = Monitor()
    training: Training | None = Field(default=None, description="default: it is trained elsewhere")
    replay: Replay | None = Field(default=None, description="default: no past time can be played")


class Tasks(Strict):
    """How many tasks of each service an environment runs."""

    min: int = Field(ge=1, le=100)
    max: int = Field(ge=1, le=100)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max < self.min:
            raise ValueError(f"max ({self.max}) is smaller than min ({self.min})")
        return self


class Guard(Strict):
    """When a candidate is bad: bounds on what clients saw. Every figure has a default."""

    confidence: float = Field(default=0.99, gt=0.5, lt=1, description="of a rollback verdict")
    min_requests: int = Field(default=50, ge=1, description="fewer requests in a step than this is `hold`")
    min_requests_to_fail: int = Field(default=8, ge=1, description="fewer requests never roll back")
    max_error_rate: Percent = Field(default=5.0, description="absolute floor, whatever stable does")
    max_error_increase: Percent = Field(default=1.0, description="points above stable that are tolerated")
    max_latency: Seconds = Field(default=5.0, description="absolute floor for the 95th percentile")
    max_latency_ratio: float = Field(default=3.0, ge=1, description="95th percentile, candidate over stable")
    latency_tolerance: Seconds = Field(default=0.1, description="95th percentiles closer than this count as equal")
    hold_timeout: Seconds = Field(default=120.0, description="how long a step may lack evidence")
    on_timeout: Literal["rollback", "promote"] = "rollback"


class Rollout(Strict):
    """How a candidate replaces stable."""

    strategy: Strategy
    steps: tuple[Percent, ...] = Field(default=(), description="canary: shares of traffic before 100 %")
    step_percent: Percent = Field(default=20.0, description="linear: added at each step")
    step_wait: Seconds = Field(default=5.0, description="shortest stay at a step")
    bake: Seconds = Field(default=5.0, description="watched at 100 % before stable's tasks may go")
    keep_warm: Seconds = Field(default=600.0, description="how long the old side stays ready for a rollback")
    guard: Guard = Guard()

    @model_validator(mode="after")
    def _steps(self) -> Self:
        if self.strategy == "canary" and not self.steps:
            raise ValueError("canary needs steps, such as [5%, 25%, 50%]")
        if self.strategy != "canary" and self.steps:
            raise ValueError(f"steps belong to canary; {self.strategy} has none")
        if any(later <= earlier for earlier, later in zip(self.steps, self.steps[1:], strict=False)):
            raise ValueError("steps must grow")
        if any(not 0 < step < 100 for step in self.steps):
            raise ValueError("steps lie between 0% and 100%; 100% follows by itself")
        if self.strategy == "linear" and not 0 < self.step_percent <= 100:
            raise ValueError("step_percent lies above 0% and up to 100%")
        return self


class Approval(Strict):
    """Who must say yes before a release enters the environment."""

    roles: tuple[Name, ...] = Field(min_length=1, description="any one of these roles approves")
    expires: Seconds = Field(default=7 * 86400.0, description="a gate that nobody answers is refused after this")


class Environment(Strict):
    """A place where a release runs."""

    branch: str = Field(min_length=1, description="commits on this branch go as far as here")
    after: Name | None = Field(default=None, description="environment a release passes before this one")
    port: Port = Field(description="HTTP")
    https_port: Port | None = Field(default=None, description="HTTPS with a locally issued certificate")
    tasks: Tasks
    rollout: Rollout
    approval: Approval | None = None
    env: dict[str, str] = Field(default={}, description="variables for every task in this environment")
    resources: dict[Name, Resources] = Field(default={}, description="AWS: cpu and memory of a service's tasks here")

    @model_validator(mode="after")
    def _variables(self, info: ValidationInfo) -> Self:
        if was_stored(info):
            return self
        bad = [
            f"{name!r} is not the name of an environment variable"
            for name in self.env
            if not re.fullmatch(VARIABLE, name)
        ]
        if findings := [*bad, *_check_placeholders(self.env)]:
            raise ValueError("\n".join(findings))
        return self


class Retention(Strict):
    """What of the past stays on disk. What serves or is kept warm stays in any case."""

    releases: int = Field(default=10, ge=2, le=1000, description="newest releases of each environment, kept built")
    builds: Days = Field(default=7 * 86400.0, description="other artifacts and environments, since their last use")
    logs: Days = Field(default=14 * 86400.0, description="logs of tasks and builds that ended")
    capture: Days = Field(default=90 * 86400.0, description="captured requests and answers")


class App(Strict):
    """All of `shipway.yaml`."""

    app: Name
    services: dict[Name, Service] = Field(min_length=1)
    model: Model | None = None
    features: dict[Name, FeatureGroup] = Field(default={}, description="groups of the feature store")
    apps: dict[Name, DeviceApp] = Field(default={}, max_length=1, description="the app that devices run")
    environments: dict[Name, Environment] = Field(min_length=1)
    retention: Retention = Retention()
    aws: Aws | None = Field(default=None, description="where it lives on AWS")
    roles: dict[Name, tuple[str, ...]] = Field(default={}, description="role → user names; `*` is everyone")

    @model_validator(mode="after")
    def _whole(self, info: ValidationInfo) -> Self:
        # Every finding at once, one a line, each beginning with the path of what it is about.
        if not was_stored(info) and (
            findings := [
                *_check_services(self),
                *_check_environments(self),
                *_check_monitor(self),
                *_check_probation(self),
                *_check_secrets(self),
                *_check_apps(self),
                *_check_aws(self),
            ]
        ):
            raise ValueError("\n".join(findings))
        return self

    def path_to(self, environment: str) -> tuple[str, ...]:
        """The environments a release passes, in order, up to and including `environment`."""
        path: list[str] = []
        name: str | None = environment
        while name is not None:
            path.insert(0, name)
            name = self.environments[name].after
        return tuple(path)

    @property
    def device_app(self) -> tuple[str, DeviceApp] | None:
        """The app that devices run, with its name; None where there is none."""
        return next(iter(self.apps.items()), None)

    def model_services(self) -> tuple[str, ...]:
        """The services that serve the model."""
        return tuple(name for name, service in self.services.items() if service.model)


def _check_service(service: Service) -> Iterator[str]:
    if not is_inside(service.path):
        yield f"path: {service.path!r} is not a folder below that of shipway.yaml, such as backend-api"
    yield from include_mistakes(service.path, service.include)
    if service.baked is not None and not is_inside(service.baked):
        yield f"baked: {service.baked!r} is not a folder inside the service's, such as models"
    if service.baked is not None and service.model:
        yield "baked: the service takes the model from the bucket already (model: true); leave one of them out"
    for n, route in enumerate(service.routes):
        dots = {".", ".."} & set(route.split("/"))
        if dots or not re.fullmatch(r"/(?:[A-Za-z0-9._~-]+/)*(?:\*|[A-Za-z0-9._~-]+)?", route):
            yield f"routes[{n}]: {route!r} is not a path such as /api/* or /health"
    for key in ("command", "test", "before_traffic"):
        command: str | None = getattr(service, key)
        if command is not None:
            yield from (f"{key}: {mistake}" for mistake in mistakes(command, filled=key != "test"))
    for key in ("lock", "test_lock", "openapi"):
        name: str | None = getattr(service, key)
        if name is not None and not is_inside(name):
            such_as = "openapi.json" if key == "openapi" else "requirements.lock"
            yield f"{key}: {name!r} is not a file inside the service's folder, such as {such_as}"
    for variable in (
        *service.env,
        *service.uses.values(),
        *service.secrets,
        *filter(None, [service.database, service.feature_store]),
    ):
        if not re.fullmatch(VARIABLE, variable):
            yield f"{variable!r} is not the name of an environment variable"
    yield from size_mistakes(service.cpu, service.memory)
    yield from _check_names_of_secrets(service)
    yield from _check_placeholders(service.env)


def _check_names_of_secrets(service: Service) -> Iterator[str]:
    for secret in sorted(set(service.secrets) & {*service.env, *service.uses.values()}):
        yield f"secrets: {secret} has a value in env or uses already; take it out of one of them"
    for secret in service.secrets:
        if secret in _OUR_OWN or secret.startswith("SHIPWAY_"):
            yield f"secrets: {secret} is a variable that Shipway itself sets; choose another name"


def _check_placeholders(env: dict[str, str]) -> Iterator[str]:
    for variable, value in env.items():
        yield from (f"env.{variable}: {mistake}" for mistake in value_mistakes(value))


def _check_services(app: App) -> Iterator[str]:
    for name, service in app.services.items():
        for used in service.uses:
            if used not in app.services or used == name:
                others = ", ".join(sorted(set(app.services) - {name})) or "none"
                yield f"services.{name}.uses: no other service {used!r}; allowed: {others}"
        if service.model and app.model is None:
            yield f"services.{name}.model: true needs a `model:` section"
    routes: dict[str, str] = {}
    for name, service in app.services.items():
        for n, route in enumerate(service.routes):
            holder = routes.setdefault(route, name)
            if holder != name or service.routes.index(route) != n:
                yield f"services.{name}.routes[{n}]: {route} already leads to {holder}"
    if not routes:
        yield "services: no service has routes, so nothing could be reached"
    if app.model is not None and not any(service.model or service.baked for service in app.services.values()):
        yield "model: no service says `model: true`, nor `baked:`"
    for environment in app.model.on_approval if app.model else ():
        if environment not in app.environments:
            yield f"model.on_approval: no environment {environment!r}; allowed: {', '.join(app.environments)}"


def _check_monitor(app: App) -> Iterator[str]:
    for environment in app.model.monitor.environments if app.model else ():
        if environment not in app.environments:
            yield f"model.monitor.environments: no environment {environment!r}; allowed: {', '.join(app.environments)}"
    if app.model and app.model.monitor.retrain and app.model.training is None:
        yield "model.monitor.retrain: nothing says how to train; describe it under model.training"


def _check_probation(app: App) -> Iterator[str]:
    training = app.model.training if app.model is not None else None
    for environment in training.probation.environments if training is not None else ():
        if environment not in app.environments:
            place = "model.training.probation.environments"
            yield f"{place}: no environment {environment!r}; allowed: {', '.join(app.environments)}"


def _check_environments(app: App) -> Iterator[str]:
    ports: dict[int, str] = {}
    branches: dict[str, str] = {}
    for name, environment in app.environments.items():
        for key, port in (("port", environment.port), ("https_port", environment.https_port)):
            if port is not None and (holder := ports.setdefault(port, f"{name}.{key}")) != f"{name}.{key}":
                yield f"environments.{name}.{key}: {port} is taken by environments.{holder}"
        if (holder := branches.setdefault(environment.branch, name)) != name:
            yield f"environments.{name}.branch: {environment.branch!r} already belongs to {holder}"
        if environment.after is not None and environment.after not in app.environments:
            allowed = ", ".join(sorted(set(app.environments) - {name})) or "none"
            yield f"environments.{name}.after: no environment {environment.after!r}; allowed: {allowed}"
        elif _returns(app, name):
            yield f"environments.{name}.after: goes round in a circle"
        for role in environment.approval.roles if environment.approval else ():
            if role not in app.roles:
                allowed = ", ".join(sorted(app.roles)) or "none is defined"
                yield f"environments.{name}.approval.roles: no role {role!r}; allowed: {allowed}"


def _returns(app: App, name: str) -> bool:
    """Whether following `after` from the environment leads back to it."""
    after = app.environments[name].after
    for _ in app.environments:
        if after is None or after == name or after not in app.environments:
            break
        after = app.environments[after].after
    return after == name


def _check_secrets(app: App) -> Iterator[str]:
    secrets = {name for service in app.services.values() for name in service.secrets}
    for name, environment in app.environments.items():
        for variable in sorted(secrets & environment.env.keys()):
            yield f"environments.{name}.env: {variable} is a secret of a service; take it out of one of them"


def _check_apps(app: App) -> Iterator[str]:
    described = {name: service.openapi is not None for name, service in app.services.items()}
    for name, device_app in app.apps.items():
        yield from (f"apps.{name}.{misfit}" for misfit in device_app.misfits(described))


def _check_aws(app: App) -> Iterator[str]:
    for name, environment in app.environments.items():
        for service in environment.resources:
            if service not in app.services:
                yield f"environments.{name}.resources: no service {service!r}; allowed: {', '.join(app.services)}"
    if app.aws is not None:
        routes = {name: service.routes for name, service in app.services.items()}
        yield from app.aws.misfits(app.app, routes, tuple(app.environments))
