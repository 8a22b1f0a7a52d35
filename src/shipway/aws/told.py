"""What Terraform tells of a service, in a parameter of its own (infra/modules/service/told.tf)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from shipway.aws.names import Names
from shipway.aws.parameters import Parameters
from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import Side


@dataclass(frozen=True, slots=True)
class Database:
    """The environment's PostgreSQL: `address` is host and port, `secret` the ARN of its user's secret."""

    address: str
    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class Told:
    """ARNs of the target groups, of the rule that leads to them and of the secrets, and the size's cpu and memory.

    A service without routes has no target groups, no rule and no load balancer. `cpu` in units (1024 to a vCPU), `memory`
    in MiB; `host` is the environment's public name, `cdn` the address of what caches bundles in front of it, if that is there.
    """

    host: str
    cpu: int
    memory: int
    architecture: str
    target_groups: Mapping[Side, str] = field(default_factory=dict)
    load_balancer: str | None = None
    rule: str | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    database: Database | None = None
    cdn: str | None = None


_adapter = TypeAdapter(Told)


def read(parameters: Parameters, names: Names, environment: str, service: str) -> Told:
    """What is told of the service. Raises ShipwayError where Terraform was not applied, or is older than this program."""
    name = names.told(environment, service)
    parameter = parameters.get(name)
    if parameter is None:
        raise ShipwayError(
            f"there is no parameter {name} in {names.region}: the environment's Terraform was not applied for {service}",
            fix=f"shipway --target aws infra apply {environment}",
        )
    return parse(parameter.value, name, environment)


def parse(text: str, name: str, environment: str) -> Told:
    """What the text of the parameter `name` says. Raises ShipwayError."""
    try:
        return _adapter.validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:3])
        raise ShipwayError(
            f"the parameter {name} is not what this version of Shipway reads ({wrong})",
            fix=f"apply the Terraform that came with it: shipway --target aws infra apply {environment}",
        ) from error
