"""ECS services of the real task definitions, as far as the emulator carries them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shipway.aws.names import PORT, Names
from shipway.aws.task_definition import task_definition
from shipway.core.releases.release import Release
from tests.containers.emulator import Emulator
from tests.containers.engine import Engine
from tests.containers.furniture import Furniture


@dataclass(frozen=True, slots=True)
class Tasks:
    """The services of one environment."""

    aws: Emulator
    engine: Engine
    names: Names
    environment: str
    furniture: Furniture

    @property
    def cluster(self) -> str:
        return self.names.cluster(self.environment)

    def register(self, release: Release, service: str) -> str:
        """Register the release's task definition of a service; its ARN."""
        told = self.furniture.told(service)
        wanted = task_definition(self.names, told, release, self.environment, service)
        made = self.aws.client("ecs").register_task_definition(**self._emulated(wanted))
        return str(made["taskDefinition"]["taskDefinitionArn"])

    def create(self, service: str, definition: str) -> None:
        """An ECS service of one task behind the load balancer."""
        self.aws.client("ecs").create_service(
            cluster=self.cluster, serviceName=service, taskDefinition=definition, desiredCount=1, launchType="FARGATE",
            loadBalancers=[
                {"targetGroupArn": self.furniture.groups[service], "containerName": service, "containerPort": PORT}
            ],
            networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0"], "assignPublicIp": "DISABLED"}},
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}},
        )  # fmt: skip

    def update(self, service: str, definition: str) -> None:
        """Ask for another task definition."""
        self.aws.client("ecs").update_service(cluster=self.cluster, service=service, taskDefinition=definition)

    def seen(self, service: str, status: str = "RUNNING") -> dict[str, Mapping[str, Any]]:
        """The service's tasks: ARN → what ECS says of it."""
        ecs = self.aws.client("ecs")
        arns = ecs.list_tasks(cluster=self.cluster, serviceName=service, desiredStatus=status)["taskArns"]
        found = ecs.describe_tasks(cluster=self.cluster, tasks=arns)["tasks"] if arns else []
        return {task["taskArn"]: task for task in found}

    def _emulated(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """The definition in the emulator's terms; the rest of it goes there unchanged.

        It ignores `entryPoint`, and so the image's own is in force. It has no Service Connect: the model service is
        asked over the load balancer. On Fargate the platform tells region and credentials.
        """
        container = dict(wanted["containerDefinitions"][0])
        own = self.engine.entrypoint(container["image"])
        words = [*container["entryPoint"], *container["command"]]
        container["command"] = words[len(own) :] if words[: len(own)] == own else words
        told = {entry["name"]: entry["value"] for entry in container["environment"]}
        told |= {name: value for name, value in self.aws.variables.items() if name != "AWS_ENDPOINT_URL"}
        if "MODEL_SERVICE_URL" in told:
            told["MODEL_SERVICE_URL"] = (
                f"http://{self._gateway()}:{self.aws.port}/_alb/{self.furniture.load_balancer}/ml"
            )
        container["environment"] = [{"name": name, "value": value} for name, value in sorted(told.items())]
        return wanted | {"containerDefinitions": [container]}

    def _gateway(self) -> str:
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self.engine.run("inspect", "--format", template, self.engine.gateway)
