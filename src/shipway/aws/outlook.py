"""What a rollout on AWS would do, and what stands in its way: all that is said before anything starts. Reads only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shipway.aws import deployment, task_definition
from shipway.aws.names import Names
from shipway.aws.parameters import Parameters
from shipway.aws.read_back import wanted_model
from shipway.aws.told import Told, read
from shipway.core.errors import Refused
from shipway.core.releases.release import Release
from shipway.core.rollouts.plan import Plan

FARGATE_START = 300.0
"""Seconds that Fargate may take to find a place for a task and pull its image, before the service's own start_timeout."""


class Outlook:
    """One release in one environment. `back`: on the way back to it, so all at once and without migrations."""

    def __init__(self, names: Names, parameters: Parameters, environment: str, release: Release, *, back: bool) -> None:
        self._names, self._parameters = names, parameters
        self._environment, self._release, self._back = environment, release, back
        self._described = release.app.environments[environment]

    def check(self) -> Mapping[str, Told]:
        """What Terraform tells of each service. Raises Refused or ShipwayError for what is missing or cannot work."""
        app, environment = self._release.app, self._environment
        if wrong := list(task_definition.misfits(app, environment)):
            raise Refused("\n".join(wrong), fix="edit shipway.yaml, commit and deploy", state="nothing was begun")
        told = self.told(tuple(app.services))
        for service in app.services:
            # Says which secret or database has no place yet.
            task_definition.task_definition(self._names, told[service], self._release, environment, service)
        if app.model_services() and self.model() is None:
            raise Refused(
                f"{environment} has no model version yet ({self._names.model_version(environment)})",
                fix=f"shipway --target aws model promote {self._release.model_version or 'VERSION'} --env {environment}",
                state="nothing was begun",
            )
        return told

    def told(self, services: Sequence[str]) -> Mapping[str, Told]:
        """What Terraform tells of these services. Raises ShipwayError."""
        return {service: read(self._parameters, self._names, self._environment, service) for service in services}

    def plan(self, has_stable: bool) -> Plan:
        """How ECS can carry it out."""
        start = max(service.start_timeout for service in self._release.app.services.values()) + FARGATE_START
        policy, tasks = self._described.rollout, self._described.tasks.min
        return deployment.plan_for(policy, tasks, start, has_stable=has_stable, back=self._back)

    def migrating(self) -> list[str]:
        """The services that run something before the traffic."""
        # Not on the way back: an old migration does not know what newer ones have made of the database.
        services = self._release.app.services.items()
        return [] if self._back else [name for name, service in services if service.before_traffic]

    def model(self) -> str | None:
        """The model version that the environment's tasks are told to serve."""
        found = self._parameters.get(self._names.model_version(self._environment))
        return wanted_model(found.value if found is not None else None)

    def remarks(self, has_stable: bool) -> list[str]:
        """What AWS does otherwise than shipway.yaml asks for."""
        app, release = self._release.app, self._release
        found = [] if self._back else list(deployment.remarks(self._described.rollout, has_stable=has_stable))
        found += task_definition.remarks(app, self._environment)
        if release.model_version is not None and (model := self.model()) != release.model_version:
            found.append(
                f"{self._environment} serves model {model}; {release.id} was made with {release.model_version}"
            )
        return found

    def lines(self, stable: str | None) -> list[str]:
        """The whole of it for people, a line each."""
        plan = self.plan(stable is not None)
        ecs = deployment.STRATEGIES[plan.strategy]
        lines = [f"{self._environment}: {stable or 'nothing'} → {self._release.id}, {plan.strategy} {plan.shares()}"]
        lines += [f"{name}: {artifact.short}, by ECS's {ecs}" for name, artifact in self._release.artifacts.items()]
        if ecs != "ROLLING":
            lines.append(f"at each hook ECS waits {deployment.hook_minutes(plan)} minutes at most, then {_then(plan)}")
        services = self._release.app.services
        lines += [f"before that: {services[name].before_traffic} ({name})" for name in self.migrating()]
        return lines + [f"on AWS: {remark}" for remark in self.remarks(stable is not None)]


def _then(plan: Plan) -> str:
    return "it goes on" if plan.guard.on_timeout == "promote" else "it rolls back"
