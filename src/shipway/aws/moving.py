"""What is remembered of one rollout on AWS, in `<env>/current.json`: core's record, and what ECS was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shipway.core.observations.observation import Side
from shipway.core.rollouts.records import RolloutRecord


@dataclass(frozen=True, slots=True)
class ServiceMove:
    """One service's part. Task definitions and deployments are ARNs.

    `before` is the task definition that the service had, Terraform's before the first release; `after` is the release's,
    once it is registered; `deployment` brings it, once ECS has begun. `back` is the deployment that brings `before` again where the
    first one had ended already when the rollout turned back. `serving` is the side of its target group that had the
    clients when the rollout began; None without routes.
    """

    before: str
    after: str | None = None
    deployment: str | None = None
    back: str | None = None
    serving: Side | None = None


@dataclass(frozen=True, slots=True)
class Moving:
    """A rollout under way, or the last one.

    `migration` is the task definition of each service's one-off task, `migrating` the task once it has begun, `migrated`
    are the services whose task has ended well.
    `notes` say what AWS does otherwise than shipway.yaml asks for. `build` is the CodeBuild build that drives it.
    """

    rollout: RolloutRecord
    services: Mapping[str, ServiceMove] = field(default_factory=dict)
    migration: Mapping[str, str] = field(default_factory=dict)
    migrating: Mapping[str, str] = field(default_factory=dict)
    migrated: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    build: str = ""
