"""A task as the supervisor knows it: its record, its state now, and when to look at it again."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Literal

from shipway.core.tasks import TaskHandle, TaskRecord, TaskSpec
from shipway.local.tasks.readiness import Readiness

State = Literal["starting", "ready", "unready", "backing_off", "draining", "crashed"]

_FIRST_BACK_OFF = 0.5
_LONGEST_BACK_OFF = 30.0
_HEALTHY_AFTER = 60.0
_SETTLED_AFTER = 10.0
_STOPPED_PATIENCE = 2.0
_SILENT_PATIENCE = 15.0
_SILENT_ANSWERS = 3


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task as it is now.

    `since` is the Unix time of the last change of state, `body` the JSON object of its last readiness answer,
    `reason` why it is not ready, with its last log lines when it ended. `silent` says that it does not answer at all:
    it hangs, or was stopped.
    """

    spec: TaskSpec
    handle: TaskHandle | None
    state: State
    restarts: int
    since: float
    reason: str | None = None
    body: dict[str, Any] | None = None
    silent: bool = False

    @property
    def serving(self) -> bool:
        """Whether it was ready since its last start: it may get requests, also while it is not ready for a moment."""
        return self.state in ("ready", "unready")


class Task:
    """The supervisor's own notes on a task; times are readings of its clock.

    `stored` is the record as the table has it: it differs from `record` while that could not be written.
    """

    def __init__(self, record: TaskRecord, state: State, now: float, stored: TaskRecord | None = None) -> None:
        self.record = record
        self.stored = stored
        self.state: State = state
        self.since = time.time()
        self.reason = record.crash
        self.body: dict[str, Any] | None = None
        self.started = now
        self.ready_since: float | None = None
        self.restart_at = now
        self.kill_at = 0.0
        self.probe: Future[Readiness] | None = None
        self.probe_at = now
        self.silent_since: float | None = None
        self.silent_answers = 0
        self.stopped_since: float | None = None
        self.moves = 0
        self.told: object = None
        self._settled = False
        self._back_off = 0.0

    @property
    def spec(self) -> TaskSpec:
        return self.record.spec

    @property
    def silent(self) -> bool:
        return self.state == "unready" and (self.silent_since is not None or self.stopped_since is not None)

    def become(self, state: State, reason: str | None = None) -> None:
        if state != self.state:
            self.since = time.time()
        self.state = state
        self.reason = reason

    def begin(self, now: float) -> None:
        """A new process: the answers of the previous one do not count."""
        self.forget_answers()
        self.started = now
        self.become("starting", self.reason)

    def forget_answers(self) -> None:
        self.probe, self.body = None, None
        self.ready_since = self.silent_since = self.stopped_since = None
        self.silent_answers = 0
        self._settled = False

    def heard(self, now: float, answer: Readiness) -> None:
        """Take in a readiness answer."""
        self.body = answer.body
        if answer.answered:
            self.silent_since, self.silent_answers = None, 0
        else:
            self.silent_since = self.silent_since or now
            self.silent_answers += 1
        if not answer.ready:
            self.ready_since = None
            self.become("starting" if self.state == "starting" else "unready", answer.said)
            return
        self.ready_since = self.ready_since or now
        self._settled = now - self.ready_since >= _SETTLED_AFTER
        if now - self.ready_since >= _HEALTHY_AFTER:
            self._back_off = 0.0
        self.become("ready")

    def frozen(self, now: float, *, stopped: bool, one_comes_back: bool) -> str | None:
        """Why a task that served counts as dead: it was stopped by a signal, or has not answered for long.

        While another task of its service is starting, it has more time: where all are slow, they are not ended
        together.
        """
        if not stopped:
            self.stopped_since = None
        elif self.record.serves:
            self.stopped_since = self.stopped_since or now
            self.ready_since = None
            self.become("unready", "a signal such as SIGSTOP holds it still")
            if now - self.stopped_since >= _STOPPED_PATIENCE:
                return f"was held still by a signal such as SIGSTOP for {_STOPPED_PATIENCE:g} s"
        if self.record.serves and self.silent_since is not None and self.silent_answers >= _SILENT_ANSWERS:
            silent_for = now - self.silent_since
            if silent_for >= (4 if one_comes_back else 1) * _SILENT_PATIENCE:
                return f"answered nothing for {silent_for:.0f} s ({self.reason})"
        return None

    def back_off(self, now: float, why: str) -> None:
        """Wait before the next start: not at all after a first failure, longer after each one in a row."""
        pause = self._back_off if self._settled else max(_FIRST_BACK_OFF, self._back_off)
        self.restart_at = now + pause
        self._back_off = min(max(_FIRST_BACK_OFF, 2 * pause), _LONGEST_BACK_OFF)
        self.forget_answers()
        self.become("backing_off", why)

    def status(self) -> TaskStatus:
        return TaskStatus(
            self.spec,
            self.record.handle,
            self.state,
            self.record.restarts,
            self.since,
            self.reason,
            self.body,
            self.silent,
        )
