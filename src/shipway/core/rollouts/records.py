"""The stored records of environments, their sides, rollouts and locks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shipway.core.observations.observation import Side
from shipway.core.rollouts.machine import Command, State
from shipway.core.rollouts.plan import Plan


@dataclass(frozen=True, slots=True)
class Warm:
    """A side kept ready for a rollback until a time (Unix)."""

    side: Side
    release: str
    until: float


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """What an environment serves. `history` are the releases that were stable, oldest first; the last one serves.

    `described_by` is a release that was let in later and runs exactly the same: its rollout policy applies.
    """

    name: str
    side: Side = "blue"
    history: tuple[str, ...] = ()
    warm: Warm | None = None
    rollout: str | None = None
    described_by: str | None = None

    @property
    def stable(self) -> str | None:
        """The release that serves, if any."""
        return self.history[-1] if self.history else None


RolloutKind = Literal["rollout", "flip", "swap"]


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """One rollout, from its first task to its end.

    `previous` is the stable release it started from; `back` says that it undoes the newest entry of the history.
    """

    id: str
    environment: str
    release: str
    previous: str | None
    kind: RolloutKind
    plan: Plan
    state: State
    by: str
    started: float
    back: bool = False
    run: str | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class SideRecord:
    """How many tasks of a release a side should run; what a restarted control plane restores."""

    environment: str
    side: Side
    release: str
    tasks: int


@dataclass(frozen=True, slots=True)
class PendingCommand:
    """A person's command that the rollout has not taken up yet."""

    environment: str
    command: Command
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Lock:
    """Who may change an environment. A lock whose owner's heartbeat stopped expires."""

    environment: str
    owner: str
    since: float
    beat: float
