"""The parts of `shipway.yaml` that only AWS reads; Terraform in `infra/` reads the same keys from the same file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shipway.core.description.values import Bytes, Name, Strict

_MIB = 1024**2
_GIB = 1024**3
_FARGATE = {0.25: (0.5, 1, 2), 0.5: range(1, 5), 1.0: range(2, 9), 2.0: range(4, 17), 4.0: range(8, 31)}
"""vCPUs → GiB of memory that AWS pairs with them."""

Repository = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?$", max_length=100)]
_LONGEST_NAME = 50  # of app, environment and service together: a role's name has 64 characters


def size_mistakes(cpu: float | None, memory: int | None) -> Iterator[str]:
    """Why AWS has no task with so many vCPUs and bytes of memory."""
    if cpu is None and memory is None:
        return
    if cpu is None or memory is None:
        yield "cpu and memory go together: give both, or neither"
    elif cpu not in _FARGATE:
        yield f"cpu: AWS has no task with {cpu:g} vCPUs; allowed: 0.25, 0.5, 1, 2, 4"
    elif memory not in (pairs := [round(size * _GIB) for size in _FARGATE[cpu]]):
        allowed = ", ".join(f"{size // _MIB}MiB" if size < _GIB else f"{size // _GIB}GiB" for size in pairs)
        yield f"memory: with {cpu:g} vCPUs AWS allows {allowed}"


class Resources(Strict):
    """vCPUs and memory of a service's tasks in one environment."""

    cpu: float = Field(description="vCPUs: 0.25, 0.5, 1, 2 or 4")
    memory: Bytes = Field(description="such as 512MiB or 2GiB")

    @model_validator(mode="after")
    def _a_task_of_fargate(self) -> Self:
        if findings := [*size_mistakes(self.cpu, self.memory)]:
            raise ValueError("\n".join(findings))
        return self


class Aws(Strict):
    """Where the app lives on AWS."""

    account: str = Field(pattern=r"^[0-9]{12}$", description="12 digits, in quotes")
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")
    domain: str = Field(pattern=r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$", description="public name of prod")
    zone: str | None = Field(default=None, pattern=r"^Z[A-Z0-9]+$", description="Route 53 zone that holds the domain")
    repository: Repository | None = Field(default=None, description="owner/name; default: the app's name")
    repositories: dict[Name, Repository] = Field(default={}, description="services with a repository of their own")
    connection: str = Field(
        default="github",
        pattern=r"^(github|codecommit|arn:aws:codeconnections:[a-z0-9-]+:[0-9]{12}:connection/[a-f0-9-]+)$",
        description="github, codecommit, or the ARN of a connection",
    )
    size: Literal["minimal", "recommended", "highly-available"] = "minimal"

    def misfits(self, app: str, services: dict[str, tuple[str, ...]], environments: tuple[str, ...]) -> Iterator[str]:
        """What of the rest of the file AWS does not take. `services`: name → routes."""
        for name in self.repositories:
            if name not in services:
                yield f"aws.repositories: no service {name!r}; allowed: {', '.join(services)}"
        if self.connection != "codecommit" and self.repository is not None and "/" not in self.repository:
            yield f"aws.repository: {self.repository!r} is not owner/name, such as example/ontime"
        for name, routes in services.items():
            if len(routes) > 4:
                yield f"services.{name}.routes: {len(routes)} of them; a rule of AWS's load balancer takes 4"
            for environment in environments:
                if len(whole := f"{app}-{environment}-{name}") > _LONGEST_NAME:
                    yield f"services.{name}: {whole} has {len(whole)} characters; names on AWS have room for {_LONGEST_NAME}"
