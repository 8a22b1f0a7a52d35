"""What Shipway remembers: runs, environments, rollouts, sides, locks and the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shipway.core.errors import Refused, RolledBack, ShipwayError, Superseded
from shipway.core.observation import Side
from shipway.core.plan import Plan
from shipway.core.rollout import Command, State

RunStatus = Literal[
    "running", "waiting", "succeeded", "failed", "refused", "rejected", "expired", "superseded", "rolled_back"
]
LIVE: frozenset[RunStatus] = frozenset({"running", "waiting"})
_EXIT_CODES: Mapping[RunStatus, int] = {
    "failed": 1, "refused": 3, "rejected": 3, "expired": 3, "superseded": 3, "rolled_back": 4,
}  # fmt: skip


RunKind = Literal["deploy", "rollback", "model"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said at a gate, or why nobody needs to any more."""

    kind: str
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a run waits: before which environment, for whom, until when (Unix time). The first `answer` counts."""

    environment: str
    roles: tuple[str, ...]
    since: float
    expires: float
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The release that a model promotion made for an environment, `over` the one that served there then."""

    release: str
    over: str


@dataclass(frozen=True, slots=True)
class Run:
    """One pass of the pipeline: all that a control plane needs to carry it out, and to go on after a crash.

    `path` are the environments it goes through, `approved` those whose gate let it through, `done` those it has reached.
    `enters` is the one that it is ready for: it waits for its turn there, or is at work. `chosen` are a model
    promotion's releases by environment. `asked` is the first run of a chain of retries: its number says how new the
    order is. `fault` is the exit code of the error that ended the run, if one did; `moves_latest` says that new
    releases take the promoted model afterwards, `canary` that it comes by the environment's rollout instead of a swap.
    `notes` say what a person should know who asked for it. A rollback on request and a model promotion are runs as
    well: as durable, as audited, without source and build.
    """

    id: str
    kind: RunKind
    commit: str
    subject: str
    branch: str | None
    path: tuple[str, ...]
    by: str
    created: float
    status: RunStatus = "running"
    stage: str = "source"
    done: tuple[str, ...] = ()
    release: str | None = None
    gate: Gate | None = None
    ended: float | None = None
    reason: str = ""
    fix: str = ""
    fault: int | None = None
    why: str = ""
    model_version: str | None = None
    moves_latest: bool = False
    canary: bool = False
    retry_of: str | None = None
    notes: tuple[str, ...] = ()
    asked: str | None = None
    approved: tuple[str, ...] = ()
    enters: str | None = None
    chosen: Mapping[str, Choice] = field(default_factory=dict)

    @property
    def order(self) -> tuple[int, int]:
        """Grows with each order that a person gives; a retry carries out the old one again."""
        return int(self.asked or self.retry_of or self.id), int(self.id)

    @property
    def live(self) -> bool:
        """Whether it has still to end."""
        return self.status in LIVE

    @property
    def exit_code(self) -> int:
        """What a command that waited for it exits with; 0 while it runs or waits at a gate."""
        return _EXIT_CODES.get(self.status, 0) if self.fault is None else self.fault


def status_of(error: ShipwayError) -> RunStatus:
    """How a run ends that met this error."""
    if isinstance(error, RolledBack):
        return "rolled_back"
    if isinstance(error, Superseded):
        return "superseded"
    return "refused" if isinstance(error, Refused) else "failed"


@dataclass(frozen=True, slots=True)
class Warm:
    """A side kept ready for a rollback until a time (Unix)."""

    side: Side
    release: str
    until: float


@dataclass(frozen=True, slots=True)
class EnvironmentRecord:
    """What an environment serves. `history` are the releases that were stable, oldest first; the last one serves.

    `described_by` is a release that runs exactly the same and was let in since: its rollout policy holds.
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


@dataclass(frozen=True, slots=True)
class ModelHistory:
    """The model versions that were current, oldest first; the last one is."""

    versions: tuple[str, ...] = ()

    def with_current(self, version: str) -> ModelHistory:
        """The history after a promotion; going back to the version before takes the newest away."""
        if self.versions[-1:] == (version,):
            return self
        if self.versions[-2:-1] == (version,):
            return ModelHistory(self.versions[:-1])
        return ModelHistory((*self.versions, version))


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
    """A person's word to a rollout that it has not heard yet."""

    environment: str
    command: Command
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Lock:
    """Who may change an environment. A lock whose owner stopped beating expires."""

    environment: str
    owner: str
    since: float
    beat: float


EventKind = Literal["start", "done", "note", "gate", "fail", "end"]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of what happened. `seconds` is how long it took, where that makes sense."""

    kind: EventKind
    text: str
    at: float
    run: str | None = None
    environment: str | None = None
    seconds: float | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which environment, when and why. Never changed, never deleted."""

    at: float
    who: str
    action: str
    environment: str | None
    why: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
