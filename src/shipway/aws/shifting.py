"""The four calls by which a rollout moves one service: start, look, go on, stop. ECS carries them out here.

An engine behind them shifts traffic by itself and stops before each step until it is told to go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from shipway.aws.calls import AwsError, Interrupted
from shipway.aws.services import Deployment, Services

Stand = Literal["starting", "waiting", "shifting", "done", "going_back", "back", "failed"]
_STANDS: Mapping[str, Stand] = {
    "SUCCESSFUL": "done", "ROLLBACK_SUCCESSFUL": "back", "ROLLBACK_FAILED": "failed", "STOPPED": "failed",
    "STOP_REQUESTED": "going_back", "ROLLBACK_REQUESTED": "going_back", "ROLLBACK_IN_PROGRESS": "going_back",
}  # fmt: skip
_PATIENCE, _PAUSE = 30, 2.0
"""How often, and how many seconds apart, ECS is asked for a deployment that it has only just begun."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one service's deployment stands. `share` is the percentage of the clients that meet the candidate.

    `waiting` stands at a hook, `until` (Unix time) at most; `running` are tasks of the candidate. `back` is rolled back,
    `failed` is neither forward nor back. `reason` is the engine's.
    """

    stand: Stand
    share: float = 0.0
    running: int = 0
    reason: str = ""
    hook: str = ""
    until: float | None = None

    @property
    def turned(self) -> bool:
        """Whether it has left the way forward."""
        return self.stand in ("going_back", "back", "failed")


class Shifter(Protocol):
    """Moves services. Every call may be repeated; deployments are known by a text of the engine's own."""

    def start(self, service: str, task_definition: str, request: Mapping[str, Any]) -> str:
        """Begin to bring the task definition, unless a deployment does already; that deployment."""

    def look(self, deployments: Mapping[str, str]) -> Mapping[str, Progress]:
        """Where each service's deployment stands."""

    def go_on(self, deployment: str, hook: str) -> None:
        """Leave the hook at which it waits, towards the next step. No error where it has left that already."""

    def stop(self, deployment: str) -> None:
        """Bring all clients back to stable. No error where it has ended, or is on its way back."""


class EcsShifter:
    """ECS's own deployments, by UpdateService and PAUSE hooks."""

    def __init__(self, services: Services, sleep: Any) -> None:
        self._services = services
        self._sleep = sleep

    def start(self, service: str, task_definition: str, request: Mapping[str, Any]) -> str:
        if (begun := self._begun(service, task_definition)) is not None:
            return begun
        self._services.update(request)
        # UpdateService answers before the new deployment can be read.
        for _ in range(_PATIENCE):
            if (begun := self._begun(service, task_definition)) is not None:
                return begun
            self._sleep(_PAUSE)
        raise Interrupted(
            f"{service}: ECS has begun no deployment of {task_definition} within {_PATIENCE * _PAUSE:g} s",
            fix="repeat the rollout",
        )

    def look(self, deployments: Mapping[str, str]) -> Mapping[str, Progress]:
        found = self._services.look(list(deployments.values()))
        return {service: progress_of(deployment) for service, deployment in zip(deployments, found, strict=True)}

    def go_on(self, deployment: str, hook: str) -> None:
        try:
            self._services.go_on(deployment, hook)
        except AwsError as error:
            # What we saw was old: the hook was left, or has timed out. The next look says which.
            if error.code not in ("InvalidParameterException", "ClientException", "ConflictException"):
                raise

    def stop(self, deployment: str) -> None:
        self._services.stop(deployment)

    def _begun(self, service: str, task_definition: str) -> str | None:
        """The newest deployment if it brings the task definition, or has failed to, or is on its way back to it."""
        newest = self._services.newest_deployment(service)
        if newest is None or newest.target is None:
            return None
        known = self._services.revisions([arn for arn in (newest.target, newest.source) if arn is not None])
        wanted = {arn for arn, revision in known.items() if revision.task_definition == task_definition}
        goes_back = progress_of(newest).stand in ("going_back", "back")
        return newest.arn if newest.target in wanted or (goes_back and newest.source in wanted) else None


def progress_of(deployment: Deployment) -> Progress:
    """A deployment of ECS in the engine's words."""
    stand = _STANDS.get(deployment.status)
    if stand is None:
        forward: Stand = "shifting" if deployment.share > 0 else "starting"
        stand = "waiting" if deployment.hook is not None else forward
    reason = deployment.reason
    if deployment.alarms:
        reason = f"{reason}; alarms: {', '.join(deployment.alarms)}".lstrip("; ")
    share = 100.0 if stand == "done" else deployment.share
    hook = deployment.hook
    return Progress(
        stand, share, deployment.running, reason, hook.id if hook else "", hook.expires if hook is not None else None
    )
