"""Keeps the wanted tasks running: starts, watches, restarts and stops them, across restarts of this program."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import Any

from shipway.core.errors import ShipwayError, UsageError
from shipway.core.logs.headline import with_log
from shipway.core.observations.observation import Side
from shipway.core.tasks import LAUNCH, Runner, TaskHandle, TaskRecord, TaskSpec, TaskTable
from shipway.local.tasks.readiness import Readiness, ask_task
from shipway.local.tasks.task_ports import free_port
from shipway.local.tasks.task_state import State, Task, TaskStatus
from shipway.local.tasks.troubles import Troubles

__all__ = ["State", "Supervisor", "TaskStatus"]

_PROBE_TIMEOUT = 2.0
_PROBE_INTERVAL = 1.0
_PROBE_PATIENCE = 0.1
_MOST_MOVES = 5
_LOG_INTERVAL = 1.0
_LOG_LINES = 20
_DRAIN_PAUSE = 0.02
_POLL_INTERVAL = 0.2
_STARTING_INTERVAL = 0.05


class Supervisor:
    """The tasks of this machine. Thread-safe; `on_change` is called without any lock held.

    What a look can't do (a full disk, no descriptors) is tried again at the next one, and does not stop the rest.
    """

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
        self._tasks: dict[str, Task] = {}
        self._probes = ThreadPoolExecutor(max_workers=16, thread_name_prefix="readiness")
        self._logs_at = clock()
        self._troubles = Troubles()

    def adopt(self) -> None:
        """Take over the tasks that an earlier daemon left: call once, before anything else.

        When it returns, every task had time to answer: a task that is slow to answer is still ready.
        """
        with self._lock:
            for record in self._table.all():
                task = self._tasks[record.spec.id] = Task(record, "crashed", self._clock(), stored=record)
                with self._troubles.noting(f"task {record.spec.id}"):
                    self._take_over(task)
        self.poll(_PROBE_TIMEOUT)

    def want(self, specs: Sequence[TaskSpec]) -> None:
        """Start those of `specs` that are not known yet; never stops anything.

        A known id is left as it is, crashed ones too. Raises UsageError when it is taken by another artifact. After
        any other error all of `specs` are supervised, and their starts are tried again.
        """
        failed: OSError | ShipwayError | None = None
        with self._lock:
            for spec in specs:
                known = self._tasks.get(spec.id)
                if known is not None and known.spec.artifact.digest != spec.artifact.digest:
                    raise UsageError(f"task {spec.id} runs another artifact", fix="stop it before starting the new one")
            for spec in specs:
                if spec.id in self._tasks:
                    continue
                self._tasks[spec.id] = task = Task(TaskRecord(spec), "backing_off", self._clock())
                try:
                    self._start(task, spec.port or free_port())
                except (OSError, ShipwayError) as error:
                    task.reason = str(error)
                    failed = error
        self._tell_changes()
        if failed is not None:
            raise failed

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
            record = self._known(task_id).record
        answer = ask_task(self._runner, record.spec, record.handle, _PROBE_TIMEOUT)
        with self._lock:
            task = self._known(task_id)
            if task.spec is record.spec:
                self._note(task, answer)
            status = task.status()
        self._tell_changes()
        return status

    def poll(self, patience: float = _PROBE_PATIENCE) -> None:
        """One look at everything. Waits `patience` seconds at most for slow tasks."""
        with self._lock:
            for task in list(self._tasks.values()):
                with self._troubles.noting(f"task {task.spec.id}"):
                    self._look(task)
                with self._troubles.noting(f"the record of task {task.spec.id}"):
                    self._catch_up(task)
            asked = [probe for task in self._tasks.values() if (probe := self._probe(task)) is not None]
        # Most tasks answer within milliseconds: their answers count in this look.
        wait(asked, timeout=patience)
        with self._lock:
            for task in list(self._tasks.values()):
                if task.probe is not None and task.probe.done():
                    probe, task.probe = task.probe, None
                    with self._troubles.noting(f"the answer of task {task.spec.id}"):
                        self._note(task, probe.result())
            logs = self._logs_due()
        for spec in logs:
            with self._troubles.noting(f"the log of task {spec.id}"):
                self._runner.log.keep_bounded(spec)
        self._tell_changes()

    def look(self) -> None:
        """`poll`, for the loop that keeps the tasks alive: raises ShipwayError with what could not be done."""
        self.poll()
        with self._lock:
            self._troubles.check()

    def interval(self) -> float:
        """Seconds until the next look is due."""
        with self._lock:
            starting = any(task.state == "starting" for task in self._tasks.values())
        return _STARTING_INTERVAL if starting else _POLL_INTERVAL

    def _take_over(self, task: Task) -> None:
        record, now = task.record, self._clock()
        if record.crash is not None:
            return
        task.become("unready" if record.serves else "starting")
        if record.handle is None:
            handle = self._runner.find(record.spec)
            if handle is not None:
                self._learn(task, handle=handle)
            else:
                # Its start was wanted and never happened, or left only children: it is started now.
                task.become("backing_off", "was about to start")
                self._runner.kill(record.spec, None)
        task.started = now
        if record.draining:
            self._drain(task)

    def _start(self, task: Task, port: int) -> None:
        """Start the task's process. After an error there is none: the task goes on backing off."""
        launch = {LAUNCH: uuid.uuid4().hex}
        spec = replace(task.spec, port=port, env=dict(task.spec.env) | launch)
        # Stored before the start: a process that was not recorded is found by its launch mark.
        self._store(task, replace(task.record, spec=spec, handle=None, serves=False))
        try:
            handle = self._runner.start(spec)
        except ShipwayError as error:
            if task.record.was_ready:
                task.back_off(self._clock(), error.what)
            else:
                self._crash(task, error.what)
            return
        except OSError as error:
            task.back_off(self._clock(), f"could not be started: {error}")
            raise
        task.begin(self._clock())
        self._learn(task, handle=handle)

    def _look(self, task: Task) -> None:
        if task.state == "draining":
            self._finish_drain(task)
        elif task.state != "crashed":
            handle = task.record.handle
            if handle is None:
                task.become("backing_off", task.reason)
            else:
                self._look_at_process(task, handle)
            if task.state == "backing_off" and self._clock() >= task.restart_at:
                # A fresh port: the old one may be held by a connection, or by another process meanwhile.
                self._start(task, free_port())

    def _look_at_process(self, task: Task, handle: TaskHandle) -> None:
        now = self._clock()
        ended = self._runner.exit_reason(task.spec, handle) or task.frozen(
            now,
            stopped=self._runner.is_stopped(task.spec, handle),
            one_comes_back=task.silent_since is not None and self._one_comes_back(task),
        )
        if ended is not None:
            self._ended(task, handle, ended)
        elif task.state == "starting" and now - task.started > task.spec.start_timeout:
            self._ended(task, handle, f"not ready within {task.spec.start_timeout:g} s: {task.reason or 'no answer'}")

    def _one_comes_back(self, task: Task) -> bool:
        """Whether another task of the same service is about to be ready."""
        place = (task.spec.environment, task.spec.side, task.spec.service)
        return any(
            (t.spec.environment, t.spec.side, t.spec.service) == place and t.state in ("starting", "backing_off")
            for t in self._tasks.values()
        )

    def _ended(self, task: Task, handle: TaskHandle, why: str) -> None:
        if task.state == "ready":
            task.become("unready", why)
        # Before its children are killed: then what listens there besides them is not the task's.
        stranger = self._runner.stranger(task.spec, handle) if not task.record.was_ready else None
        self._runner.kill(task.spec, handle)
        reason = with_log(why, self._runner.log.tail(task.spec, _LOG_LINES))
        if task.record.was_ready:
            task.back_off(self._clock(), reason)
            self._learn(task, handle=None, restarts=task.record.restarts + 1)
        elif stranger is not None and task.moves < _MOST_MOVES:
            # Another process took the port first: that says nothing about the task.
            task.moves += 1
            task.back_off(self._clock(), f"port {task.spec.port} was taken by {stranger}")
            self._learn(task, handle=None)
        else:
            self._crash(task, reason)

    def _crash(self, task: Task, reason: str) -> None:
        task.forget_answers()
        task.become("crashed", reason)
        self._learn(task, handle=None, crash=reason)

    def _probe(self, task: Task) -> Future[Readiness] | None:
        if task.state not in ("starting", "ready", "unready"):
            return None
        if task.probe is None and (task.state != "ready" or self._clock() >= task.probe_at):
            task.probe_at = self._clock() + _PROBE_INTERVAL
            task.probe = self._probes.submit(ask_task, self._runner, task.spec, task.record.handle, _PROBE_TIMEOUT)
            return task.probe
        return None

    def _note(self, task: Task, answer: Readiness) -> None:
        if task.state not in ("starting", "ready", "unready"):
            return
        if answer.stranger and task.record.handle is not None:
            # It is restarted on another port: on this one, the other process would get its requests.
            self._ended(task, task.record.handle, answer.said)
            return
        task.heard(self._clock(), answer)
        if answer.ready and not task.record.serves:
            self._learn(task, was_ready=True, serves=True)

    def _drain(self, task: Task) -> None:
        task.kill_at = self._clock() + task.spec.drain_timeout
        task.probe = None
        task.become("draining", task.reason)
        self._learn(task, draining=True)
        if task.record.handle is not None:
            # A task that cannot be told is killed at the drain's end.
            with self._troubles.noting(f"the end of task {task.spec.id}"):
                self._runner.terminate(task.spec, task.record.handle)

    def _finish_drain(self, task: Task) -> None:
        handle = task.record.handle
        if handle is not None:
            in_time = self._runner.exit_reason(task.spec, handle) is None and self._clock() < task.kill_at
            # A stopped process does not get the signal to end, and finishes nothing.
            if in_time and not self._runner.is_stopped(task.spec, handle):
                return
            self._runner.kill(task.spec, handle)
        self._table.remove(task.spec.id)
        del self._tasks[task.spec.id]
        self._troubles.forget(task.spec.id)

    def _still_draining(self, task_ids: Iterable[str]) -> bool:
        with self._lock:
            for task_id in task_ids:
                if (task := self._tasks.get(task_id)) is not None and task.state == "draining":
                    self._finish_drain(task)
            return any(task_id in self._tasks for task_id in task_ids)

    def _store(self, task: Task, record: TaskRecord) -> None:
        """Write the record first, then use it: for what is about to be done."""
        self._table.put(record)
        task.record = task.stored = record

    def _learn(self, task: Task, **facts: Any) -> None:
        """Take in what has happened already, even if it can't be written now: a later look writes it."""
        task.record = replace(task.record, **facts)
        with self._troubles.noting(f"the record of task {task.spec.id}"):
            self._catch_up(task)

    def _catch_up(self, task: Task) -> None:
        if task.record is not task.stored and task.stored is not None and task.spec.id in self._tasks:
            self._store(task, task.record)

    def _known(self, task_id: str) -> Task:
        if task_id not in self._tasks:
            raise UsageError(f"no task {task_id}", fix="list the tasks with `shipway status`")
        return self._tasks[task_id]

    def _logs_due(self) -> list[TaskSpec]:
        if self._clock() < self._logs_at:
            return []
        self._logs_at = self._clock() + _LOG_INTERVAL
        return [task.spec for task in self._tasks.values()]

    def _tell_changes(self) -> None:
        """Report every change. A report that fails, such as to a router that is down, is repeated at the next look."""
        with self._lock:
            changed = [
                (task, seen, task.status())
                for task in self._tasks.values()
                if (seen := _visible(task.status())) != task.told
            ]
        for task, seen, status in changed:
            with self._troubles.noting(f"what is known of task {status.spec.id} outside"):
                if self._on_change is not None:
                    self._on_change(status)
                task.told = seen


def _visible(status: TaskStatus) -> object:
    return (status.state, status.handle, status.spec.port, status.body, status.silent)
