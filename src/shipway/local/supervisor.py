"""Keeps the wanted tasks running: starts, watches, restarts and stops them, across restarts of this program."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from shipway.core.errors import ShipwayError, UsageError
from shipway.core.observation import Side
from shipway.local import log_file
from shipway.local.processes import LAUNCH, Handle, Runner, TaskSpec, free_port
from shipway.local.readiness import Readiness, ask
from shipway.local.task_table import TaskRecord, TaskTable

State = Literal["starting", "ready", "unready", "backing_off", "draining", "crashed"]

_PROBE_TIMEOUT = 2.0
_PROBE_INTERVAL = 1.0
_PROBE_PATIENCE = 0.1
_FIRST_BACK_OFF = 0.5
_LONGEST_BACK_OFF = 30.0
_HEALTHY_AFTER = 60.0
_LOG_INTERVAL = 1.0
_LOG_LINES = 10
_MAX_REASON = 4000
_DRAIN_PAUSE = 0.02
_POLL_INTERVAL = 0.2
_STARTING_INTERVAL = 0.05

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """One task as it is now.

    `since` is the Unix time of the last change of state, `body` the JSON object of its last readiness answer,
    `reason` why it is not ready, with its last log lines when it ended.
    """

    spec: TaskSpec
    pid: int | None
    state: State
    restarts: int
    since: float
    reason: str | None = None
    body: dict[str, Any] | None = None


class _Task:
    """The supervisor's own notes on a task; times are readings of its clock."""

    def __init__(self, record: TaskRecord, state: State, now: float) -> None:
        self.record = record
        self.state: State = state
        self.since = time.time()
        self.reason = record.crash
        self.body: dict[str, Any] | None = None
        self.started = now
        self.ready_since: float | None = None
        self.restart_at = now
        self.back_off = _FIRST_BACK_OFF
        self.kill_at = 0.0
        self.probe: Future[Readiness] | None = None
        self.probe_at = now
        self.told: object = None

    @property
    def spec(self) -> TaskSpec:
        return self.record.spec

    def become(self, state: State, reason: str | None = None) -> None:
        if state != self.state:
            self.since = time.time()
        self.state = state
        self.reason = reason

    def status(self) -> TaskStatus:
        handle = self.record.handle
        return TaskStatus(
            self.spec,
            handle.pid if handle else None,
            self.state,
            self.record.restarts,
            self.since,
            self.reason,
            self.body,
        )


class Supervisor:
    """The tasks of this machine. Thread-safe; `on_change` is called without any lock held."""

    def __init__(
        self,
        table: TaskTable,
        runner: Runner,
        on_change: Callable[[TaskStatus], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._runner = runner
        self._on_change = on_change
        self._clock = clock
        self._lock = threading.RLock()
        self._tasks: dict[str, _Task] = {}
        self._probes = ThreadPoolExecutor(max_workers=16, thread_name_prefix="readiness")
        self._logs_at = clock()

    def adopt(self) -> None:
        """Take over the tasks that an earlier program left: call once, before anything else.

        Every task has had the time to answer when it returns: one that is slow to say so is no less ready.
        """
        with self._lock:
            for record in self._table.all():
                self._tasks[record.spec.id] = self._adopted(record)
        self.poll(_PROBE_TIMEOUT)

    def want(self, environment: str, side: Side, service: str, specs: Sequence[TaskSpec]) -> None:
        """Start those of `specs` that are not known yet; never stops anything.

        A known id is left as it is, crashed ones too. Raises UsageError when a spec belongs elsewhere or its id
        is taken by another artifact.
        """
        with self._lock:
            for spec in specs:
                _check_belongs(spec, environment, side, service)
                known = self._tasks.get(spec.id)
                if known is None:
                    self._tasks[spec.id] = task = _Task(TaskRecord(spec), "backing_off", self._clock())
                    self._start(task, spec.port or free_port())
                elif known.spec.artifact_digest != spec.artifact_digest:
                    raise UsageError(f"task {spec.id} runs another artifact", fix="stop it before starting the new one")
        self._tell_changes()

    def tasks(
        self, environment: str | None = None, side: Side | None = None, service: str | None = None
    ) -> list[TaskStatus]:
        """The tasks that match, by id."""
        with self._lock:
            return [
                self._tasks[task_id].status()
                for task_id in sorted(self._tasks)
                if environment in (None, self._tasks[task_id].spec.environment)
                and side in (None, self._tasks[task_id].spec.side)
                and service in (None, self._tasks[task_id].spec.service)
            ]

    def stop(self, task_ids: Sequence[str]) -> None:
        """Stop and forget these tasks, all at once, each within its drain timeout; unknown ids are fine."""
        with self._lock:
            for task_id in task_ids:
                if (task := self._tasks.get(task_id)) is not None and task.state != "draining":
                    self._drain(task)
        self._tell_changes()
        while self._still_draining(task_ids):
            time.sleep(_DRAIN_PAUSE)

    def check_now(self, task_id: str) -> TaskStatus:
        """The task after asking it afresh whether it is ready. Raises UsageError for an unknown id."""
        with self._lock:
            spec = self._known(task_id).spec
        answer = ask(spec.port, spec.ready_path, _PROBE_TIMEOUT, host=spec.host)
        with self._lock:
            task = self._known(task_id)
            if task.spec is spec:
                self._note(task, answer)
            status = task.status()
        self._tell_changes()
        return status

    def poll(self, patience: float = _PROBE_PATIENCE) -> None:
        """One look at everything. Waits `patience` seconds at most for slow tasks."""
        with self._lock:
            for task in list(self._tasks.values()):
                try:
                    self._look(task)
                except (OSError, ShipwayError):
                    # Such as a full disk, or a process that SIGKILL does not end: the others must not wait for it.
                    _log.exception("task %s could not be looked after; tried again at the next look", task.spec.id)
            asked = [probe for task in self._tasks.values() if (probe := self._probe(task)) is not None]
        # Most tasks answer within milliseconds: their answers count in this very look.
        wait(asked, timeout=patience)
        with self._lock:
            for task in self._tasks.values():
                if task.probe is not None and task.probe.done():
                    answer = task.probe.result()
                    task.probe = None
                    self._note(task, answer)
            logs = self._logs_due()
        for log in logs:
            log_file.rotate(log)
        self._tell_changes()

    def run(self, stop: threading.Event) -> None:
        """Poll until `stop` is set; the tasks run on after it."""
        while not stop.is_set():
            try:
                self.poll()
            except (OSError, ShipwayError):
                _log.exception("the supervisor's look at the tasks failed; it looks again")
            with self._lock:
                starting = any(task.state == "starting" for task in self._tasks.values())
            stop.wait(_STARTING_INTERVAL if starting else _POLL_INTERVAL)

    def _adopted(self, record: TaskRecord) -> _Task:
        now = self._clock()
        if record.crash is not None:
            return _Task(record, "crashed", now)
        handle = record.handle or self._runner.find(record.spec)
        if handle is not None and record.handle is None:
            record = replace(record, handle=handle)
            self._table.put(record)
        task = _Task(record, "unready" if record.serves else "starting", now)
        if handle is None:
            # Its start was wanted and never happened, or left nothing but children: it happens now.
            self._runner.kill(record.spec, None)
            task.become("backing_off", "was about to start")
        if record.draining:
            self._drain(task)
        return task

    def _start(self, task: _Task, port: int) -> None:
        launch = {LAUNCH: uuid.uuid4().hex}
        spec = replace(task.spec, port=port, env=dict(task.spec.env) | launch)
        # Stored before the start: a process that is not recorded any more is found by its launch mark.
        task.record = replace(task.record, spec=spec, handle=None, serves=False)
        self._table.put(task.record)
        task.probe, task.body = None, None
        task.started, task.ready_since = self._clock(), None
        task.become("starting", task.reason)
        try:
            handle = self._runner.start(spec)
        except ShipwayError as error:
            self._crash(task, error.what)
            return
        task.record = replace(task.record, handle=handle)
        self._table.put(task.record)

    def _look(self, task: _Task) -> None:
        now = self._clock()
        if task.state == "draining":
            self._finish_drain(task)
        elif task.state == "backing_off":
            if now >= task.restart_at:
                # A fresh port: the old one may be held by a connection, or by whoever took it meanwhile.
                self._start(task, free_port())
        elif task.state != "crashed":
            handle = _handle(task)
            ended = self._runner.exit_reason(task.spec, handle)
            if ended is not None:
                self._ended(task, handle, ended)
            elif task.state == "starting" and now - task.started > task.spec.start_timeout:
                self._ended(
                    task, handle, f"not ready within {task.spec.start_timeout:g} s: {task.reason or 'no answer'}"
                )

    def _ended(self, task: _Task, handle: Handle, why: str) -> None:
        self._runner.kill(task.spec, handle)
        reason = _with_log(why, task.spec)
        if not task.record.was_ready:
            self._crash(task, reason)
            return
        task.restart_at = self._clock() + task.back_off
        task.back_off = min(2 * task.back_off, _LONGEST_BACK_OFF)
        task.record = replace(task.record, handle=None, restarts=task.record.restarts + 1)
        self._table.put(task.record)
        task.probe, task.body, task.ready_since = None, None, None
        task.become("backing_off", reason)

    def _crash(self, task: _Task, reason: str) -> None:
        task.record = replace(task.record, handle=None, crash=reason)
        self._table.put(task.record)
        task.probe, task.body = None, None
        task.become("crashed", reason)

    def _probe(self, task: _Task) -> Future[Readiness] | None:
        if task.state not in ("starting", "ready", "unready"):
            return None
        if task.probe is None and (task.state != "ready" or self._clock() >= task.probe_at):
            task.probe_at = self._clock() + _PROBE_INTERVAL
            task.probe = self._probes.submit(
                ask, task.spec.port, task.spec.ready_path, _PROBE_TIMEOUT, host=task.spec.host
            )
            return task.probe
        return None

    def _note(self, task: _Task, answer: Readiness) -> None:
        if task.state not in ("starting", "ready", "unready"):
            return
        task.body = answer.body
        if not answer.ready:
            task.ready_since = None
            task.become("starting" if task.state == "starting" else "unready", answer.said)
            return
        if not task.record.serves:
            task.record = replace(task.record, was_ready=True, serves=True)
            self._table.put(task.record)
        now = self._clock()
        if task.ready_since is None:
            task.ready_since = now
        if now - task.ready_since >= _HEALTHY_AFTER:
            task.back_off = _FIRST_BACK_OFF
        task.become("ready")

    def _drain(self, task: _Task) -> None:
        task.kill_at = self._clock() + task.spec.drain_timeout
        task.record = replace(task.record, draining=True)
        self._table.put(task.record)
        task.probe = None
        task.become("draining", task.reason)
        if task.record.handle is not None:
            self._runner.terminate(task.spec, task.record.handle)

    def _finish_drain(self, task: _Task) -> None:
        handle = task.record.handle
        if handle is not None:
            if self._runner.is_alive(task.spec, handle) and self._clock() < task.kill_at:
                return
            self._runner.kill(task.spec, handle)
        self._table.remove(task.spec.id)
        del self._tasks[task.spec.id]

    def _still_draining(self, task_ids: Iterable[str]) -> bool:
        with self._lock:
            for task_id in task_ids:
                if (task := self._tasks.get(task_id)) is not None and task.state == "draining":
                    self._finish_drain(task)
            return any(task_id in self._tasks for task_id in task_ids)

    def _known(self, task_id: str) -> _Task:
        if task_id not in self._tasks:
            raise UsageError(f"no task {task_id}", fix="list the tasks with `shipway status`")
        return self._tasks[task_id]

    def _logs_due(self) -> list[Path]:
        if self._clock() < self._logs_at:
            return []
        self._logs_at = self._clock() + _LOG_INTERVAL
        return [Path(task.spec.log) for task in self._tasks.values()]

    def _tell_changes(self) -> None:
        changed: list[TaskStatus] = []
        with self._lock:
            for task in self._tasks.values():
                status = task.status()
                visible = (status.state, status.pid, status.spec.port, status.body)
                if visible != task.told:
                    task.told = visible
                    changed.append(status)
        if self._on_change is not None:
            for status in changed:
                self._on_change(status)


def _check_belongs(spec: TaskSpec, environment: str, side: Side, service: str) -> None:
    if (spec.environment, spec.side, spec.service) != (environment, side, service):
        raise UsageError(f"task {spec.id} is not one of {service} on {environment}'s {side} side")


def _handle(task: _Task) -> Handle:
    if task.record.handle is None:
        raise AssertionError(f"task {task.spec.id} is {task.state} without a process")
    return task.record.handle


def _with_log(why: str, spec: TaskSpec) -> str:
    lines = log_file.tail(Path(spec.log), _LOG_LINES)
    # The last line leads: of a traceback it is the one that says what happened.
    return f"{why}: {lines[-1].strip()}\n" + "\n".join(lines)[-_MAX_REASON:] if lines else why
