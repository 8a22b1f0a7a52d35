"""What a task is, what runs it, where it is remembered, and what it writes: a process, a container."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shipway.core.observations.observation import Side
from shipway.core.releases.release import Artifact

LAUNCH = "SHIPWAY_LAUNCH"
"""The environment variable by which a task is found whose start was not recorded; its value differs for each start."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task to run, in the folder of its artifact.

    `{port}` in `argv` and `env` becomes `port`; port 0 asks the supervisor for a free one. Timeouts are seconds, `env`
    is the whole environment except PORT and `secrets`, the names whose values the runner puts in at each start.
    """

    id: str
    environment: str
    side: Side
    service: str
    release: str
    artifact: Artifact
    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int
    ready_path: str
    start_timeout: float
    drain_timeout: float
    health_path: str = ""
    host: str = "localhost"
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskHandle:
    """A running task as its runner names it, and when it was started, so that a reused name is never taken for ours."""

    id: str
    started: float


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as it is remembered.

    Without a handle the task is about to start, or was started and the handle was not recorded. `was_ready`: it was
    ever ready; `serves`: it was ready since its last start. `crash` says why it is not started again.
    """

    spec: TaskSpec
    handle: TaskHandle | None = None
    was_ready: bool = False
    serves: bool = False
    draining: bool = False
    restarts: int = 0
    crash: str | None = None


class TaskTable(Protocol):
    """Where task records are kept, one for each task id. Every call is durable when it returns."""

    def put(self, record: TaskRecord) -> None:
        """Store the record in place of the one its task had."""

    def remove(self, task_id: str) -> None:
        """Forget the task; fine when it is not known."""

    def all(self) -> Sequence[TaskRecord]:
        """Every record."""


class TaskLog(Protocol):
    """What tasks write."""

    def tail(self, spec: TaskSpec, lines: int) -> Sequence[str]:
        """The task's last lines, oldest first, also once it is gone."""

    def keep_bounded(self, spec: TaskSpec) -> None:
        """Drop the oldest lines where there are too many."""


class Runner(Protocol):
    """What runs tasks."""

    @property
    def log(self) -> TaskLog:
        """What its tasks write."""

    def start(self, spec: TaskSpec, /) -> TaskHandle:
        """Start the task.

        Raises ShipwayError when its command cannot be started, OSError when the machine is short of something,
        such as descriptors or memory; nothing runs then.
        """

    def find(self, spec: TaskSpec, /) -> TaskHandle | None:
        """The running task that was started from exactly this spec, if there is one."""

    def exit_reason(self, spec: TaskSpec, handle: TaskHandle, /) -> str | None:
        """How it ended, such as `exit code 3`; None while it runs."""

    def is_stopped(self, spec: TaskSpec, handle: TaskHandle, /) -> bool:
        """Whether it is alive, but stopped by a signal such as SIGSTOP."""

    def stranger(self, spec: TaskSpec, handle: TaskHandle, /) -> str | None:
        """The other process that listens on the task's port; None when it is the task, nobody, or unknown."""

    def runs(self, spec: TaskSpec, handle: TaskHandle, /) -> str:
        """The digest of the artifact that it really runs; "unknown" for another one, "gone" for a task that ended."""

    def terminate(self, spec: TaskSpec, handle: TaskHandle, /) -> None:
        """Ask it to finish what is in flight and exit; returns at once."""

    def kill(self, spec: TaskSpec, handle: TaskHandle | None, /) -> None:
        """End it and everything it started, now. Fine for a task that is gone, or of which no handle is known."""
