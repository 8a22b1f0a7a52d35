"""Runs: one pass of the pipeline each, with the gate it waits at and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from shipway.core.errors import Refused, RolledBack, ShipwayError, Superseded

RunStatus = Literal[
    "running", "waiting", "succeeded", "failed", "refused", "rejected", "expired", "superseded", "rolled_back"
]
LIVE: frozenset[RunStatus] = frozenset({"running", "waiting"})
_EXIT_CODES: Mapping[RunStatus, int] = {
    "failed": 1, "refused": 3, "rejected": 3, "expired": 3, "superseded": 3, "rolled_back": 4,
}  # fmt: skip
RunKind = Literal["deploy", "rollback", "model", "train"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person answered at a gate, or why no answer is needed any more."""

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
    releases take the promoted model afterwards, `canary` that it comes by the environment's rollout instead of a swap,
    `back` that it was there before.
    `notes` are for the person who asked for it. A rollback on request and a model promotion are runs as well: durable
    and audited like a deploy, but without source and build. So is a training, which enters no environment: its `path` is
    empty, and what it makes stands in its `TrainingRun`.
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
    back: bool = False
    retry_of: str | None = None
    notes: tuple[str, ...] = ()
    asked: str | None = None
    approved: tuple[str, ...] = ()
    enters: str | None = None
    chosen: Mapping[str, Choice] = field(default_factory=dict)

    @property
    def order(self) -> tuple[int, int]:
        """Grows with each order that a person gives; a retry repeats an old order."""
        return int(self.asked or self.retry_of or self.id), int(self.id)

    @property
    def live(self) -> bool:
        """Whether it has not ended yet."""
        return self.status in LIVE

    @property
    def exit_code(self) -> int:
        """What a command that waited for it exits with; 0 while it runs or waits at a gate."""
        return _EXIT_CODES.get(self.status, 0) if self.fault is None else self.fault


def status_of(error: ShipwayError) -> RunStatus:
    """The final status of a run that this error ended."""
    if isinstance(error, RolledBack):
        return "rolled_back"
    if isinstance(error, Superseded):
        return "superseded"
    return "refused" if isinstance(error, Refused) else "failed"
