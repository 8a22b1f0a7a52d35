"""What the router should look like: environments, their ports, and the paths of their services."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shipway.core.description.values import HOST, NAME, ORIGIN
from shipway.core.errors import UsageError
from shipway.core.observations.observation import SIDES, Side

_ROUTE = re.compile(r"/(?:[A-Za-z0-9._~-]+/)*(?:\*|[A-Za-z0-9._~-]+)?")
_PATH = re.compile(r"/[A-Za-z0-9._~/-]*")


class Pool(NamedTuple):
    """The tasks of one service on one side of an environment."""

    environment: str
    side: Side
    service: str

    @property
    def public(self) -> str:
        """The HAProxy backend that clients reach; its counters hold nothing else."""
        return f"public.{self.environment}.{self.side}.{self.service}"

    @property
    def internal(self) -> str:
        """The HAProxy listener that the side's own services reach."""
        return f"internal.{self.environment}.{self.side}.{self.service}"


@dataclass(frozen=True, slots=True)
class ServiceRoutes:
    """A service and its public paths (`/api/*`, `/health`). `internal`: another service of the app calls it.

    Timeouts are seconds, the largest body is bytes. `idempotent`: a request that was cut off is sent to another task,
    whatever it is. `origins`: pages of these may read the router's own errors. `sides` are those that have it just so: a release may bring a service, drop it, or change its paths.
    """

    name: str
    routes: tuple[str, ...]
    ready: str
    internal: bool
    sides: tuple[Side, ...] = SIDES
    check_host: str = "localhost"
    answer_timeout: float = 60.0
    largest_body: int = 10 * 1024**2
    longest_session: float = 3600.0
    idempotent: bool = False
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check(re.fullmatch(NAME, self.name), "service name", self.name)
        _check(_PATH.fullmatch(self.ready), "readiness path", self.ready)
        _check(re.fullmatch(HOST, self.check_host), "Host header", self.check_host)
        for origin in self.origins:
            _check(re.fullmatch(ORIGIN, origin), "origin", origin)
        for route in self.routes:
            _check(_ROUTE.fullmatch(route), "route", route)


@dataclass(frozen=True, slots=True)
class EnvironmentTopology:
    """An environment as clients reach it. `slots`: the most tasks a service has on one side."""

    name: str
    port: int
    https_port: int | None
    services: tuple[ServiceRoutes, ...]
    slots: int

    def __post_init__(self) -> None:
        _check(re.fullmatch(NAME, self.name), "environment name", self.name)
        _check(self.slots >= 1, "number of slots", self.slots)
        for port in self.ports:
            _check(1 <= port <= 65535, "port", port)

    @property
    def ports(self) -> tuple[int, ...]:
        """The public ports."""
        return (self.port,) if self.https_port is None else (self.port, self.https_port)

    def service(self, side: Side, name: str) -> ServiceRoutes | None:
        """The service called `name` as the side has it."""
        return next((service for service in self.services if service.name == name and side in service.sides), None)

    def pools(self) -> Iterator[tuple[Pool, ServiceRoutes]]:
        """Every service on either side."""
        for side in SIDES:
            for service in self.services:
                if side in service.sides:
                    yield Pool(self.name, side, service.name), service


@dataclass(frozen=True, slots=True)
class Topology:
    """All environments of this machine's router."""

    environments: tuple[EnvironmentTopology, ...]

    @property
    def ports(self) -> tuple[int, ...]:
        """The public ports of all environments."""
        return tuple(port for environment in self.environments for port in environment.ports)

    def environment(self, name: str) -> EnvironmentTopology | None:
        """The environment called `name`."""
        return next((environment for environment in self.environments if environment.name == name), None)


def _check(good: object, what: str, value: object) -> None:
    if not good:
        raise UsageError(f"the router cannot take {value!r} as a {what}", fix="correct it in shipway.yaml")
