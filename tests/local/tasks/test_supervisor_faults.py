"""The supervisor when writes and starts fail: whatever fails when, a later look brings every wanted task back."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.core.errors import ShipwayError
from shipway.core.tasks import TaskHandle, TaskRecord, TaskSpec
from shipway.local.tasks import supervisor as module
from shipway.local.tasks.readiness import Readiness
from shipway.local.tasks.supervisor import Supervisor, TaskStatus


@dataclass
class Faults:
    """Fails the calls whose numbers it was given, counted over everything that asks it."""

    calls: dict[int, Exception] = field(default_factory=dict)
    count: int = 0

    def may_fail(self) -> None:
        self.count += 1
        if self.count in self.calls:
            raise self.calls[self.count]


class MemoryTable:
    """Records in memory, behind faults."""

    def __init__(self, faults: Faults) -> None:
        self.records: dict[str, TaskRecord] = {}
        self.faults = faults

    def put(self, record: TaskRecord) -> None:
        self.faults.may_fail()
        self.records[record.spec.id] = record

    def remove(self, task_id: str) -> None:
        self.faults.may_fail()
        self.records.pop(task_id, None)

    def all(self) -> Sequence[TaskRecord]:
        return list(self.records.values())


class NoLog:
    """Its tasks write nothing."""

    def tail(self, spec: TaskSpec, lines: int) -> Sequence[str]:
        return []

    def keep_bounded(self, spec: TaskSpec) -> None:
        pass


class MemoryRunner:
    """Processes are numbers; `kill -9` takes one away."""

    log = NoLog()

    def __init__(self, faults: Faults) -> None:
        self.running: dict[int, TaskSpec] = {}
        self.faults = faults
        self.started = 0

    def start(self, spec: TaskSpec) -> TaskHandle:
        self.faults.may_fail()
        self.started += 1
        self.running[self.started] = spec
        return TaskHandle(str(self.started), 1.0)

    def find(self, spec: TaskSpec) -> TaskHandle | None:
        return next((TaskHandle(str(pid), 1.0) for pid, found in self.running.items() if found == spec), None)

    def exit_reason(self, _: TaskSpec, handle: TaskHandle) -> str | None:
        return None if int(handle.id) in self.running else "killed by SIGKILL"

    def is_stopped(self, _: TaskSpec, handle: TaskHandle) -> bool:
        return False

    def stranger(self, _: TaskSpec, handle: TaskHandle) -> str | None:
        return None

    def runs(self, spec: TaskSpec, handle: TaskHandle) -> str:
        return spec.artifact.digest if int(handle.id) in self.running else "gone"

    def terminate(self, _: TaskSpec, handle: TaskHandle) -> None:
        self.running.pop(int(handle.id), None)

    def kill(self, spec: TaskSpec, handle: TaskHandle | None) -> None:
        self.faults.may_fail()
        if handle is not None:
            self.running.pop(int(handle.id), None)


class Machine:
    """A supervisor over memory, whose clock moves a minute with each look."""

    def __init__(self, make_spec: Callable[..., TaskSpec]) -> None:
        self.now = 0.0
        self.faults = Faults()
        self.table, self.runner = MemoryTable(self.faults), MemoryRunner(self.faults)
        self.told: dict[str, TaskStatus] = {}
        self.specs = [make_spec(id, start_timeout=1e9) for id in ("one", "two")]
        self.supervisor = Supervisor(self.table, self.runner, self._tell, lambda: self.now)

    def _tell(self, status: TaskStatus) -> None:
        self.faults.may_fail()
        self.told[status.spec.id] = status

    def want(self) -> None:
        with contextlib.suppress(OSError, ShipwayError):
            self.supervisor.want(self.specs)

    def look(self) -> None:
        self.now += 60
        # Every answer is there when the look waits for it.
        self.supervisor.poll(patience=5)

    def states(self) -> list[str]:
        return [task.state for task in self.supervisor.tasks()]


ERRORS = [OSError(errno.ENOSPC, "No space left on device"), ShipwayError("it does not end"), ValueError("a bug")]


def faults() -> st.SearchStrategy[dict[int, Exception]]:
    return st.dictionaries(st.integers(1, 40), st.sampled_from(ERRORS[:2]), max_size=12)


def test_whatever_fails_when_every_wanted_task_comes_back(monkeypatch, make_spec):
    """Writes, starts, kills and the word to the router fail anywhere while tasks start and die; later looks mend it."""
    monkeypatch.setattr(module, "ask_task", lambda *_, **__: Readiness(True, "GET /ready answered 200"))
    monkeypatch.setattr(module, "free_port", iter(range(10_000, 10_000_000)).__next__)

    @settings(max_examples=150, deadline=None)
    @given(faults(), st.lists(st.sampled_from(["look", "kill one", "kill all"]), max_size=8))
    def play(failing: dict[int, Exception], story: list[str]) -> None:
        machine = Machine(make_spec)
        machine.want()
        for _ in range(2):
            machine.look()
        machine.faults.count, machine.faults.calls = 0, failing
        for event in story:
            if event == "look":
                machine.look()
            for pid in list(machine.runner.running)[: {"look": 0, "kill one": 1, "kill all": 9}[event]]:
                del machine.runner.running[pid]
        machine.faults.calls = {}
        for _ in range(4):
            machine.look()
        assert ["ready", "ready"] == machine.states()
        assert 2 == len(machine.runner.running)
        # What is stored and what was told is what runs.
        known = {task.spec.id: (task.handle, task.spec.port) for task in machine.supervisor.tasks()}
        stored = {id: (record.handle, record.spec.port) for id, record in machine.table.records.items()}
        assert known == stored
        assert known == {id: (status.handle, status.spec.port) for id, status in machine.told.items()}
        machine.supervisor.look()

    play()


def test_tasks_that_could_not_be_recorded_at_first_are_all_started(monkeypatch, make_spec):
    """One failing write does not keep the other tasks of the same wish from starting, and is told."""
    monkeypatch.setattr(module, "ask_task", lambda *_, **__: Readiness(True, "GET /ready answered 200"))
    machine = Machine(make_spec)
    machine.faults.calls = {1: OSError(errno.ENOSPC, "No space left on device")}
    machine.want()
    assert ["backing_off", "starting"] == machine.states()
    for _ in range(2):
        machine.look()
    assert ["ready", "ready"] == machine.states()


def test_a_look_that_can_not_do_all_says_what(monkeypatch, make_spec):
    """The loop that keeps tasks alive learns of the trouble, and of its end."""
    monkeypatch.setattr(module, "ask_task", lambda *_, **__: Readiness(True, "GET /ready answered 200"))
    machine = Machine(make_spec)
    machine.want()
    machine.look()
    machine.faults.calls = {number: OSError(errno.ENOSPC, "No space left on device") for number in range(1, 100)}
    machine.runner.running.clear()
    said = ""
    try:
        machine.supervisor.look()
    except ShipwayError as error:
        said = error.what
    assert "No space left on device" in said
    machine.faults.calls = {}
    machine.look()
    machine.supervisor.look()


def test_a_task_that_served_is_not_given_up_when_it_cannot_be_started(monkeypatch, make_spec):
    """Its command is missing for a while, as during a repair: it is tried again until it is back."""
    monkeypatch.setattr(module, "ask_task", lambda *_, **__: Readiness(True, "GET /ready answered 200"))
    machine = Machine(make_spec)
    machine.want()
    machine.look()
    start = machine.runner.start

    def missing(_: TaskSpec) -> TaskHandle:
        raise ShipwayError("cannot start `run`: No such file or directory")

    machine.runner.running.clear()
    machine.runner.start = missing
    machine.look()
    assert ["backing_off", "backing_off"] == machine.states()
    machine.runner.start = start
    for _ in range(2):
        machine.look()
    assert ["ready", "ready"] == machine.states()


def test_a_successor_that_can_not_write_takes_over_all_the_same(monkeypatch, make_spec):
    """Whatever fails while tasks are adopted, the next daemon starts and looks after them."""
    monkeypatch.setattr(module, "ask_task", lambda *_, **__: Readiness(True, "GET /ready answered 200"))
    machine = Machine(make_spec)
    machine.want()
    machine.look()
    machine.table.records = {id: replace(record, handle=None) for id, record in machine.table.records.items()}
    machine.faults.calls = dict(enumerate(ERRORS * 3, machine.faults.count + 1))
    successor = Supervisor(machine.table, machine.runner, clock=lambda: machine.now)
    successor.adopt()
    for _ in range(9):
        machine.now += 60
        successor.poll(patience=5)
    assert ["ready", "ready"] == [task.state for task in successor.tasks()]
