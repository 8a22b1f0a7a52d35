"""Every name that an app has on AWS, in one place. Terraform in `infra/` computes the same ones; a test compares them.

What AWS numbers by itself (target groups' ARNs, listener rules, secrets' ARNs) cannot be computed: Terraform tells those
in the parameters `told`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from shipway.core.description.app import App
from shipway.core.errors import UsageError
from shipway.core.observations.observation import SIDES, Side

APPROVE, ROLLOUT, RELEASE = "approve", "rollout", "release"
"""Names of a pipeline's actions: the question before an environment, the rollout into it, and the release."""

SOURCE_STAGE, BUILD_STAGE = "source", "build"
"""A pipeline's first two stages; each environment's stage has its name."""

APP_SOURCE = "app"
"""The source action of the repository that holds shipway.yaml."""

PORT = 8080
"""The port on which every task listens."""

AREAS = ("api", "model", "infrastructure")
"""Support areas that alarms go to."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one app in one account and region."""

    app: str
    account: str
    region: str
    models: str = "ml-models-bucket"
    bundles: str = "app-bundles-bucket"

    # -- the app's, once --------------------------------------------------------------------------------------------

    def bucket(self, purpose: str) -> str:
        """S3's names are unique on all of AWS, so they carry the account."""
        return f"{self.app}-{self.account}-{purpose}"

    @property
    def models_bucket(self) -> str:
        """Versions of the model."""
        return self.bucket(self.models)

    @property
    def monitoring_bucket(self) -> str:
        """What tasks capture, below `<environment>/capture`."""
        return self.bucket("monitoring-bucket")

    @property
    def training_bucket(self) -> str:
        """What models are trained on."""
        return self.bucket("training-data-bucket")

    @property
    def bundles_bucket(self) -> str:
        """Bundles of the app that devices run."""
        return self.bucket(self.bundles)

    @property
    def releases_bucket(self) -> str:
        """Releases, what serves where, commands and the audit."""
        return self.bucket("releases")

    @property
    def artifacts_bucket(self) -> str:
        """What one action of a pipeline hands to the next."""
        return self.bucket("artifacts")

    @property
    def key_alias(self) -> str:
        """The key of the app's buckets."""
        return f"alias/{self.app}"

    @property
    def boundary(self) -> str:
        """Name of the permission boundary of every role."""
        return f"{self.app}-boundary"

    @property
    def pipeline_topic(self) -> str:
        """Topic of questions that wait and of runs that failed."""
        return f"{self.app}-pipeline"

    @property
    def release_project(self) -> str:
        """CodeBuild project that writes releases."""
        return f"{self.app}-release"

    def repository(self, service: str) -> str:
        """ECR repository of a service's images."""
        return f"{self.app}/{service}"

    def registry(self) -> str:
        """Host of the account's ECR."""
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"

    def image(self, service: str, digest: str) -> str:
        """A service's image by its digest (64 hex digits)."""
        return f"{self.registry()}/{self.repository(service)}@sha256:{digest}"

    def build_project(self, service: str) -> str:
        """CodeBuild project that builds a service's image."""
        return f"{self.app}-{service}-build"

    def build_log_group(self, service: str) -> str:
        """Where a service's builds log."""
        return f"/aws/codebuild/{service}-build"

    def bundle_project(self, app: str) -> str:
        """CodeBuild project that builds the bundle of an app of `apps:`; its role has the same name."""
        return f"{self.app}-{app}-bundle"

    def program_log_group(self, project: str) -> str:
        """Where the projects that run Shipway log."""
        return f"/aws/codebuild/{project}"

    # -- an environment's -------------------------------------------------------------------------------------------

    def pipeline(self, environment: str) -> str:
        """The pipeline of the environment's branch."""
        return f"{self.app}-{environment}"

    def cluster(self, environment: str) -> str:
        """ECS cluster; namespace, database and key have the same name."""
        return f"{self.app}-{environment}"

    def rollout_project(self, environment: str) -> str:
        """CodeBuild project that rolls releases out to the environment."""
        return f"{self.app}-{environment}-rollout"

    def looks_project(self, environment: str) -> str:
        """CodeBuild project that judges the bundle on its way there; its schedule and its role have the same name."""
        return f"{self.app}-{environment}-bundles"

    def environment_key_alias(self, environment: str) -> str:
        """Key of the environment's database, secrets, logs and topics."""
        return f"alias/{self.cluster(environment)}"

    def topic(self, environment: str, area: str) -> str:
        """Topic of a support area."""
        return f"{self.cluster(environment)}-{area}"

    def model_version(self, environment: str) -> str:
        """Parameter that holds the model version."""
        return f"/{self.app}/{environment}/model-version"

    def offer(self, environment: str) -> str:
        """Parameter that says what the environment's devices are offered."""
        return f"/{self.app}/{environment}/app-bundles"

    def told(self, environment: str, service: str) -> str:
        """Parameter in which Terraform tells what a rollout needs to know of a service."""
        return f"/{self.app}/{environment}/services/{service}"

    def secret(self, environment: str, name: str) -> str:
        """A service's secret in Secrets Manager."""
        return f"/{self.app}/{environment}/{name}"

    def database_secret(self, environment: str) -> str:
        """Name and password of the application's database user."""
        return f"/{self.app}/{environment}/database/user"

    # -- a service's in an environment ------------------------------------------------------------------------------

    def family(self, environment: str, service: str) -> str:
        """Family of the service's task definitions; the ECS service itself has the service's own name."""
        return f"{self.app}-{environment}-{service}"

    def one_off_family(self, environment: str, service: str, purpose: str) -> str:
        """Family of its one-off tasks: `migrate` runs before traffic, `database` makes the database's user."""
        return f"{self.family(environment, service)}-{purpose}"

    def target_group(self, environment: str, service: str, side: Side) -> str:
        """AWS takes 32 letters: what is longer keeps its first 21 and gets four of its SHA-1."""
        whole = self.family(environment, service)
        if len(whole) > 26:
            mark = hashlib.sha1(whole.encode(), usedforsecurity=False).hexdigest()[:4]
            whole = f"{whole[:21].removesuffix('-')}-{mark}"
        return f"{whole}-{side}"

    def rollback_alarms(self, environment: str, service: str) -> tuple[str, ...]:
        """Alarms that roll a rollout back, of a service that has routes."""
        family = self.family(environment, service)
        return tuple(f"{family}-{side}-{what}" for what in ("5xx", "latency") for side in SIDES)

    def log_group(self, environment: str, service: str, group: str | None) -> str:
        """Where its tasks log; `group` is `log_group` of shipway.yaml."""
        return f"{group or f'/ecs/{service}'}/{environment}"

    def service_security_group(self, environment: str, service: str) -> str:
        """Security group of its tasks."""
        return self.family(environment, service)

    # -- ARNs -------------------------------------------------------------------------------------------------------

    def arn(self, service: str, resource: str) -> str:
        """An ARN in the app's region and account."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def role(self, name: str) -> str:
        """A role's ARN; `execution_role` and its like give names."""
        return f"arn:aws:iam::{self.account}:role/{name}"

    def pipeline_role(self, environment: str) -> str:
        """Name of the role of a branch's pipeline."""
        return f"{self.pipeline(environment)}-pipeline"

    def rollout_role(self, environment: str) -> str:
        """Name of the role of the rollout program."""
        return f"{self.app}-{environment}-rollout"

    def infrastructure_role(self, environment: str) -> str:
        """Name of the role by which ECS shifts traffic."""
        return f"{self.app}-{environment}-ecs-infrastructure"

    def execution_role(self, environment: str, service: str) -> str:
        """Name of the role that starts a service's tasks."""
        return f"{self.family(environment, service)}-execution"

    def task_role(self, environment: str, service: str) -> str:
        """Name of the role that a service's program has."""
        return f"{self.family(environment, service)}-task"

    def database_task_role(self, environment: str) -> str:
        """Name of the role of the one-off task that makes the database's user."""
        return f"{self.cluster(environment)}-database-task"

    def build_role(self, service: str) -> str:
        """Name of the role of a service's build."""
        return f"{self.app}-build-{service}"

    def approver_role(self, environment: str) -> str:
        """Name of the role of people who approve there."""
        return f"{self.app}-{environment}-approver"


def names_of(app: App) -> Names:
    """The names of the app that shipway.yaml describes. Raises UsageError where it has no `aws:` section."""
    if app.aws is None:
        raise UsageError(
            "shipway.yaml has no aws: section, so it is unknown which account and region the app is in",
            fix="add it as the annotated shipway.yaml shows: aws: {account: …, region: …, domain: …}",
        )
    bucket = app.model.bucket if app.model is not None else "ml-models-bucket"
    bundles = app.device_app[1].bucket if app.device_app is not None else "app-bundles-bucket"
    return Names(app.app, app.aws.account, app.aws.region, bucket, bundles)


def all_names(app: App) -> Iterator[tuple[str, str]]:
    """Every name as (Terraform's resource type, name), as far as they follow from shipway.yaml."""
    names = names_of(app)
    for purpose in (names.models, "training-data-bucket", "monitoring-bucket", "releases", "artifacts", "access-logs"):
        yield "aws_s3_bucket", names.bucket(purpose)
    yield "aws_kms_alias", names.key_alias
    yield "aws_sns_topic", names.pipeline_topic
    yield "aws_iam_policy", names.boundary
    yield "aws_codebuild_project", names.release_project
    yield "aws_cloudwatch_log_group", names.program_log_group(names.release_project)
    yield "aws_iam_role", names.release_project
    for name in app.apps:
        project = names.bundle_project(name)
        yield "aws_s3_bucket", names.bundles_bucket
        yield "aws_codebuild_project", project
        yield "aws_cloudwatch_log_group", names.program_log_group(project)
        yield "aws_iam_role", project
    for service in app.services:
        yield "aws_ecr_repository", names.repository(service)
        yield "aws_codebuild_project", names.build_project(service)
        yield "aws_cloudwatch_log_group", names.build_log_group(service)
        yield "aws_iam_role", names.build_role(service)
    for environment in app.environments:
        yield from _environment(app, names, environment)


def _environment(app: App, names: Names, environment: str) -> Iterator[tuple[str, str]]:
    yield "aws_codepipeline", names.pipeline(environment)
    yield "aws_codebuild_project", names.rollout_project(environment)
    yield "aws_cloudwatch_log_group", names.program_log_group(names.rollout_project(environment))
    for project in (names.looks_project(environment),) if app.apps else ():
        yield "aws_codebuild_project", project
        yield "aws_cloudwatch_log_group", names.program_log_group(project)
        yield "aws_cloudwatch_event_rule", project
        yield "aws_iam_role", project
        yield "aws_ssm_parameter", names.offer(environment)
    yield "aws_ecs_cluster", names.cluster(environment)
    yield "aws_service_discovery_http_namespace", names.cluster(environment)
    yield "aws_kms_alias", names.environment_key_alias(environment)
    yield "aws_ssm_parameter", names.model_version(environment)
    yield "aws_secretsmanager_secret", names.database_secret(environment)
    for area in AREAS:
        yield "aws_sns_topic", names.topic(environment, area)
    for role in (
        names.pipeline_role(environment), names.rollout_role(environment), names.infrastructure_role(environment)
    ):  # fmt: skip
        yield "aws_iam_role", role
    if any(service.database for service in app.services.values()):
        yield "aws_db_instance", names.cluster(environment)
        yield "aws_iam_role", names.database_task_role(environment)
    for secret in sorted({secret for service in app.services.values() for secret in service.secrets}):
        yield "aws_secretsmanager_secret", names.secret(environment, secret)
    for name, service in app.services.items():
        yield "aws_ecs_service", name
        yield "aws_ecs_task_definition", names.family(environment, name)
        yield "aws_iam_role", names.execution_role(environment, name)
        yield "aws_iam_role", names.task_role(environment, name)
        yield "aws_security_group", names.service_security_group(environment, name)
        yield "aws_cloudwatch_log_group", names.log_group(environment, name, service.log_group)
        yield "aws_ssm_parameter", names.told(environment, name)
        for side in SIDES if service.routes else ():
            yield "aws_lb_target_group", names.target_group(environment, name, side)
        for alarm in names.rollback_alarms(environment, name) if service.routes else ():
            yield "aws_cloudwatch_metric_alarm", alarm
