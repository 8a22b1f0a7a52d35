"""How a service gets back to the task definition that it had, from wherever its deployment stands."""

from __future__ import annotations

from dataclasses import replace

from shipway.aws.deployment import back_request
from shipway.aws.memory import Memory
from shipway.aws.names import Names
from shipway.aws.services import Services
from shipway.aws.shifting import Progress, Shifter
from shipway.aws.told import Told


class WayBack:
    """The services of one environment. Each step may be repeated."""

    def __init__(self, names: Names, services: Services, shifter: Shifter, environment: str) -> None:
        self._names, self._services, self._shifter, self._environment = names, services, shifter, environment

    def take(self, memory: Memory, service: str, told: Told, progress: Progress | None) -> None:
        """Send it back: stop its deployment, or bring the former task definition where that has ended.

        Without a release before, there is nothing to go back to: then no task is to run.
        """
        move, has_stable = memory.moving.services[service], memory.state.has_stable
        if move.after is None or move.back is not None:
            return
        if has_stable and progress is not None and progress.stand not in ("done", "failed"):
            if progress.stand not in ("going_back", "back"):
                assert move.deployment is not None
                self._shifter.stop(move.deployment)
            return
        there = self._services.describe([service])[service]
        request = back_request(
            self._names, self._environment, service, told, move.before,
            serving=move.serving, desired=there.desired if has_stable else 0,
        )  # fmt: skip
        if has_stable:
            memory.save_service(service, replace(move, back=self._shifter.start(service, move.before, request)))
        elif there.desired > 0:
            self._services.update(request)

    def is_home(self, memory: Memory, service: str, progress: Progress | None) -> bool:
        """Whether it is back: its deployment says so, and every running task has the former task definition."""
        move = memory.moving.services[service]
        if move.after is None:
            return True
        running = self._services.tasks(service)
        wanted = self._services.describe([service])[service].desired
        if not memory.state.has_stable:
            return not running and wanted == 0
        stands = ("done", "back") if move.back is not None else ("back",)
        if progress is None or progress.stand not in stands:
            return False
        if all(task.task_definition == move.before for task in running):
            return bool(running) or wanted == 0
        if move.back is not None and any(task.task_definition == move.after for task in running):
            # ECS had begun with the candidate, but did not tell of it yet when it was asked to go back: once more.
            memory.save_service(service, replace(move, back=None, deployment=None))
        return False
