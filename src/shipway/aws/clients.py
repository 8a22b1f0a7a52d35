"""What the clients of an environment saw lately, from the load balancer's figures, which come some minutes late."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from shipway.aws.names import Names
from shipway.aws.parameters import Parameters
from shipway.aws.target_groups import PERIOD, Group, TargetGroups
from shipway.aws.told import read
from shipway.core.description.app import App, Guard
from shipway.core.verdicts.intervals import quantile
from shipway.core.verdicts.lately import Lately, SeenLately, together
from shipway.core.verdicts.traffic import MIN_LATENCIES
from shipway.core.views.environments import ClientsView

WINDOW = 300.0
"""Seconds that are looked back."""


@dataclass(frozen=True, slots=True)
class _Look:
    at: float
    seen: SeenLately


class Clients:
    """Figures of both sides of every service with routes. They are asked for once a minute: CloudWatch has its price."""

    def __init__(
        self,
        app: App,
        names: Names,
        parameters: Parameters,
        groups: TargetGroups,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._app = app
        self._names = names
        self._parameters = parameters
        self._groups = groups
        self._clock = clock
        self._looks: dict[str, _Look] = {}

    def lately(self, environment: str) -> SeenLately:
        """What they saw of each service. Raises ShipwayError where Terraform has not told of one."""
        now, last = self._clock(), self._looks.get(environment)
        if last is not None and now - last.at < PERIOD:
            return last.seen
        services: dict[str, Lately] = {}
        latencies: tuple[float, ...] = ()
        for name, service in self._app.services.items():
            told = read(self._parameters, self._names, environment, name) if service.routes else None
            if told is None or told.load_balancer is None:
                services[name] = Lately(WINDOW)
                continue
            groups = [Group(arn, told.load_balancer) for arn in told.target_groups.values()]
            traffic = self._groups.traffic(groups, now - WINDOW, now)
            services[name] = Lately(WINDOW, traffic.requests, traffic.errors)
            latencies += traffic.latencies
        self._looks[environment] = _Look(now, SeenLately(services, latencies))
        return self._looks[environment].seen


def clients_view(seen: SeenLately, guard: Guard) -> ClientsView:
    """All services together."""
    whole = together(seen.services.values())
    return ClientsView(
        seconds=whole.seconds,
        requests=whole.requests,
        errors=whole.errors,
        failing=whole.fails(guard) or any(part.fails(guard) for part in seen.services.values()),
        p95=quantile(seen.latencies) if len(seen.latencies) >= MIN_LATENCIES else None,
        worst="",
    )
