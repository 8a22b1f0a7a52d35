"""Reconstructs at a start what has lost its files: tasks from their processes, the router's state from both."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from shipway.core.errors import ShipwayError
from shipway.core.observations.observation import SIDES, Side, other
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import EnvironmentRecord, SideRecord
from shipway.core.tasks import LAUNCH, TaskHandle, TaskRecord, TaskTable
from shipway.local.router.router import Router
from shipway.local.router.state import Slot, Split, State
from shipway.local.router.topology import Pool
from shipway.local.state.store import Store
from shipway.local.tasks.process_table import environment_of, send, session_of, started_at
from shipway.local.tasks.task_specs import TaskSpecs

_log = logging.getLogger(__name__)
_HALF = 5_000


@dataclass(frozen=True, slots=True)
class FoundTask:
    """The first process of a task that runs: what it was started with says which task it is."""

    pid: int
    variables: Mapping[str, str]

    @property
    def id(self) -> str:
        """The task's id."""
        return self.variables["SHIPWAY_TASK"]

    @property
    def environment(self) -> str:
        """The environment that it belongs to."""
        return self.variables["SHIPWAY_ENVIRONMENT"]

    @property
    def service(self) -> str:
        """The service that it runs."""
        return self.variables["SHIPWAY_SERVICE"]

    @property
    def side(self) -> Side | None:
        """The side that it was started for."""
        rest = self.id.removeprefix(f"{self.environment}-")
        return next((side for side in SIDES if rest.startswith(f"{side}-")), None)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Reconstructs what is lost; `artifacts` is the folder in whose trees tasks work. Call before tasks are adopted."""

    artifacts: Path
    store: Store
    table: TaskTable
    specs: TaskSpecs
    router: Router

    def find_again(self) -> None:
        """Record again the running tasks, and the router's state, that have lost their files."""
        found = list(running_tasks(self.artifacts))
        lost = not self.router.has_state()
        if lost:
            # The addresses first: a task's record is made with them.
            self.router.recall(router_state(self.store, (), found))
        if recovered := recover_tasks(found, self.table, self.specs, self.store):
            _log.warning("recorded again: %s", ", ".join(recovered))
        if lost:
            self.router.recall(router_state(self.store, self.table.all(), found))
        if not self.store.all(EnvironmentRecord):
            self._leave_room()

    def _leave_room(self) -> None:
        """Where no record says what serves, let the next release start on the other side, under a fresh number."""
        specs = [record.spec for record in self.table.all()]
        numbers = [int(spec.release[1:]) for spec in specs if spec.release[1:].isdecimal()]
        if not numbers:
            return
        self.store.continue_from({"release": max(numbers), "run": max(numbers)})
        for name in {spec.environment for spec in specs}:
            candidate, weight = self.router.split(name)
            serving = candidate if weight >= _HALF else other(candidate)
            # A first release goes to the recorded side, whose tasks make room for it.
            self.store.put(name, EnvironmentRecord(name, other(serving)))
        _log.warning(
            "nothing is recorded of what serves in %s", ", ".join(sorted({spec.environment for spec in specs}))
        )


def running_tasks(artifacts: Path) -> Iterator[FoundTask]:
    """The tasks whose processes work in one of these artifacts."""
    for process in psutil.process_iter():
        try:
            variables = environment_of(process.pid)
            if LAUNCH not in variables or "SHIPWAY_TASK" not in variables or session_of(process.pid) != process.pid:
                continue
            if Path(process.cwd()).is_relative_to(artifacts.resolve()) and started_at(process.pid) is not None:
                yield FoundTask(process.pid, variables)
        except (psutil.Error, OSError):
            continue


def recover_tasks(found: Sequence[FoundTask], table: TaskTable, specs: TaskSpecs, store: Store) -> list[str]:
    """Record the tasks that run and should, and have no record; answers their ids. Others without a record end."""
    known = {record.spec.env.get(LAUNCH) for record in table.all()}
    ids = {record.spec.id for record in table.all()}
    recovered = []
    for task in found:
        if task.variables[LAUNCH] in known:
            continue
        record = None if task.id in ids else _record(task, specs, store)
        if record is None and not store.all(SideRecord):
            continue  # no record says what serves: it may be this task
        if record is None:
            _log.warning("task %s (process %d) is nobody's any more: it is told to end", task.id, task.pid)
            send(task.pid, signal.SIGTERM)
            continue
        table.put(record)
        recovered.append(task.id)
    return recovered


def router_state(store: Store, records: Sequence[TaskRecord], found: Sequence[FoundTask]) -> State:
    """The router's state as the records have it; the addresses by which tasks know each other stay the same."""
    internal: dict[Pool, int] = {}
    for task in found:
        release = store.get(Release, task.variables.get("SHIPWAY_RELEASE", ""))
        if release is None or task.side is None or task.service not in release.app.services:
            continue
        for used, variable in release.app.services[task.service].uses.items():
            port = task.variables.get(variable, "").rpartition(":")[2]
            if port.isdecimal():
                internal[Pool(task.environment, task.side, used)] = int(port)
    slots: dict[Pool, dict[int, Slot]] = {}
    for record in records:
        if record.serves and not record.draining:
            pool = slots.setdefault(Pool(record.spec.environment, record.spec.side, record.spec.service), {})
            pool[len(pool) + 1] = Slot(record.spec.id, record.spec.port)
    return State(
        splits={record.name: Split(record.side) for record in store.all(EnvironmentRecord)},
        releases={(side.environment, side.side): side.release for side in store.all(SideRecord)},
        slots=slots,
        internal_ports=internal,
    )


def _record(task: FoundTask, specs: TaskSpecs, store: Store) -> TaskRecord | None:
    """The record of a task that its side should be running."""
    if task.side is None:
        return None
    side = store.get(SideRecord, f"{task.environment}-{task.side}")
    release = store.get(Release, task.variables.get("SHIPWAY_RELEASE", ""))
    started, number = started_at(task.pid), task.id.rpartition("-")[2]
    if side is None or release is None or started is None or not number.isdecimal():
        return None
    if task.service not in release.artifacts:
        return None
    try:
        spec = specs.make(task.environment, task.side, release, task.service, int(number))
        port = int(task.variables["PORT"])
    except (ShipwayError, KeyError, ValueError):
        return None
    spec = replace(spec, port=port, env=dict(spec.env) | {LAUNCH: task.variables[LAUNCH]})
    return (
        TaskRecord(spec, TaskHandle(str(task.pid), started), was_ready=True, serves=True)
        if spec.id == task.id
        else None
    )
