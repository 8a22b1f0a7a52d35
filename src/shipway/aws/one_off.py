"""Tasks of their own, which run once beside a service: migrations."""

from __future__ import annotations

from collections.abc import Callable

from shipway.aws.services import Services
from shipway.core.errors import Refused, ShipwayError

LONGEST = 1800.0
"""Seconds that a migration may take."""
_LOOK = 5.0
_UNKNOWN = 12
"""How many looks in a row may not find a task that has only just begun."""


class OneOffs:
    """Runs tasks where a service's own tasks run: in its subnets and security groups."""

    def __init__(self, services: Services, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._services, self._clock, self._sleep = services, clock, sleep

    def start(self, service: str, task_definition: str, token: str) -> str:
        """Start one; its id. The same token starts no second one."""
        there = self._services.describe([service])[service]
        request = {
            "cluster": self._services.cluster,
            "taskDefinition": task_definition,
            "count": 1,
            # Never Spot: a migration that is taken away half-way is worse than what that saves.
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}],
            "networkConfiguration": dict(there.network),
            "clientToken": token,
            "startedBy": "shipway",
        }
        return self._services.run(request).id

    def wait(self, service: str, task: str) -> None:
        """Return when the task has ended well. Raises Refused where it failed, ShipwayError after `LONGEST`."""
        began, unknown = self._clock(), 0
        while self._clock() - began < LONGEST:
            found = self._services.task(task)
            unknown = unknown + 1 if found is None else 0
            if unknown > _UNKNOWN:
                raise ShipwayError(
                    f"{service}: ECS does not know the migration's task {task}", fix="repeat the rollout"
                )
            if found is not None and found.status == "STOPPED":
                if found.exit_code == 0:
                    return
                code = "no exit code" if found.exit_code is None else f"exit code {found.exit_code}"
                raise Refused(
                    f"{service}: before_traffic failed with {code}: {found.reason}",
                    fix=f"shipway --target aws logs --service {service} says why; then correct it and deploy again",
                )
            self._sleep(_LOOK)
        raise ShipwayError(
            f"{service}: before_traffic did not end within {LONGEST / 60:g} minutes", fix="look at its log"
        )
