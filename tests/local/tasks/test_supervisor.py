"""The supervisor with real tasks."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shipway.core.errors import UsageError
from shipway.core.tasks import LAUNCH, TaskRecord
from shipway.local.files import log_file
from shipway.local.tasks import supervisor as module
from shipway.local.tasks.processes import ProcessRunner
from shipway.local.tasks.supervisor import Supervisor, TaskStatus
from shipway.local.tasks.task_table import FileTaskTable
from shipway.pipeline.loops import Loops
from tests.free_ports import free_port
from tests.waiting import PATIENCE, wait_for

ID = "dev-blue-r1-web-0"


@pytest.fixture
def table(tmp_path):
    return FileTaskTable(tmp_path / "tasks")


@pytest.fixture
def supervisor(table, clock, make_spec, log):
    supervisor = Supervisor(table, ProcessRunner(log), clock=clock)
    yield supervisor
    stop_all(supervisor)


def stop_all(supervisor):
    supervisor.stop([task.spec.id for task in supervisor.tasks()])


def only(supervisor) -> TaskStatus:
    (task,) = supervisor.tasks()
    return task


def in_state(supervisor, state):
    """A condition: after a look at everything the only task is in `state`."""

    def look():
        supervisor.poll()
        return only(supervisor).state == state

    return look


def pid_of(status: TaskStatus) -> int:
    """The task's process."""
    assert status.handle is not None
    return int(status.handle.id)


def want(supervisor, *specs):
    supervisor.want(specs)


def test_wanted_tasks_become_ready(supervisor, make_spec):
    """Started at once, ready as soon as they answer, with what their readiness answer says."""
    want(supervisor, make_spec(f"{ID}a"), make_spec(f"{ID}b"))
    assert ["starting", "starting"] == [task.state for task in supervisor.tasks()]
    wait_for(lambda: supervisor.poll() or all(task.state == "ready" for task in supervisor.tasks()))
    assert {"status": "ready", "model_version": "v1.0"} == supervisor.tasks()[0].body
    assert 2 == len({task.spec.port for task in supervisor.tasks()} - {0})


def test_wanting_again_changes_nothing(supervisor, make_spec):
    """A known task is left alone, and an id is not taken over by another artifact."""
    want(supervisor, make_spec())
    pid = pid_of(only(supervisor))
    want(supervisor, make_spec())
    assert pid == pid_of(only(supervisor))
    with pytest.raises(UsageError, match="runs another artifact"):
        want(supervisor, make_spec(artifact="b" * 64))


def test_tasks_are_picked_by_place(supervisor, make_spec):
    """Environment, side and service select."""
    want(supervisor, make_spec("one"))
    want(supervisor, make_spec("two", side="green"))
    assert ["two"] == [task.spec.id for task in supervisor.tasks("dev", "green", "web")]
    assert [] == supervisor.tasks("prod")


def test_a_task_that_exits_before_it_was_ready_is_not_restarted(supervisor, make_spec, clock, running):
    """It is crashed, and its exit code and last log lines are the reason."""
    want(supervisor, make_spec(EXIT="3", CHILD="1"))
    wait_for(in_state(supervisor, "crashed"))
    reason = only(supervisor).reason
    assert reason is not None
    assert reason.startswith("exit code 3: ")
    assert "boom: no database" in reason
    clock.now += 3600
    supervisor.poll()
    assert "crashed" == only(supervisor).state
    assert [] == running()


def test_a_command_that_cannot_start_is_a_crash(supervisor, make_spec):
    """Nothing is tried again, the reason names the program."""
    want(supervisor, make_spec(argv=("no-such-program",)))
    assert "crashed" == only(supervisor).state
    assert "cannot start `no-such-program`" in str(only(supervisor).reason)


def test_a_task_that_never_gets_ready_is_killed(supervisor, make_spec, clock, running, tmp_path):
    """After the start timeout the reason says what the readiness path answered."""
    want(supervisor, make_spec(GATE=str(tmp_path / "gate"), start_timeout=60.0))
    wait_for(lambda: supervisor.poll() or "503" in str(only(supervisor).reason))
    assert "starting" == only(supervisor).state
    clock.now += 61
    supervisor.poll()
    assert "crashed" == only(supervisor).state
    assert str(only(supervisor).reason).startswith("not ready within 60 s: GET /ready answered 503")
    assert [] == running()


def test_a_slow_start_is_no_fault(supervisor, make_spec, clock, tmp_path):
    """Within its start timeout a task may take its time."""
    want(supervisor, make_spec(GATE=str(tmp_path / "gate"), start_timeout=60.0))
    wait_for(lambda: supervisor.poll() or "503" in str(only(supervisor).reason))
    clock.now += 59
    (tmp_path / "gate").touch()
    wait_for(in_state(supervisor, "ready"))
    assert 0 == only(supervisor).restarts


def test_an_unready_task_is_not_killed(supervisor, make_spec, clock, tmp_path):
    """Liveness and readiness are separate: it stays, and is ready again when it says so."""
    (tmp_path / "gate").touch()
    want(supervisor, make_spec(GATE=str(tmp_path / "gate")))
    wait_for(in_state(supervisor, "ready"))
    pid = pid_of(only(supervisor))
    (tmp_path / "gate").unlink()
    clock.now += 3600
    wait_for(in_state(supervisor, "unready"))
    assert "GET /ready answered 503" == only(supervisor).reason
    clock.now += 3600
    supervisor.poll()
    (tmp_path / "gate").touch()
    wait_for(in_state(supervisor, "ready"))
    assert (pid, 0) == (pid_of(only(supervisor)), only(supervisor).restarts)


def test_a_killed_task_comes_back_on_a_new_port(table, make_spec, clock, log):
    """A task that was ready once is restarted after a pause, and whoever listens learns of the new port."""
    told: list[TaskStatus] = []
    supervisor = Supervisor(table, ProcessRunner(log), told.append, clock)
    want(supervisor, make_spec())
    wait_for(in_state(supervisor, "ready"))
    before = only(supervisor)
    os.kill(pid_of(before), signal.SIGKILL)
    wait_for(in_state(supervisor, "backing_off"))
    assert str(only(supervisor).reason).startswith("killed by SIGKILL: task dev-blue-r1-web-0 on")
    supervisor.poll()
    assert "backing_off" == only(supervisor).state
    clock.now += 0.5
    wait_for(in_state(supervisor, "ready"))
    after = only(supervisor)
    assert 1 == after.restarts
    assert before.spec.port != after.spec.port
    assert ["starting", "ready", "backing_off", "starting", "ready"] == [status.state for status in told]
    assert after.spec.port == told[-1].spec.port
    stop_all(supervisor)


def test_the_pause_grows_and_is_forgotten(supervisor, make_spec, clock):
    """Each death in a row doubles the pause, up to 30 s; after a healthy minute the first restart is at once again."""
    want(supervisor, make_spec())
    pauses = []
    for _ in range(8):
        wait_for(in_state(supervisor, "ready"))
        os.kill(pid_of(only(supervisor)), signal.SIGKILL)
        wait_for(in_state(supervisor, "backing_off"))
        died = clock.now
        while only(supervisor).state == "backing_off":
            clock.now += 0.5
            supervisor.poll()
        pauses.append(clock.now - died)
    assert [0.5, 1, 2, 4, 8, 16, 30, 30] == pauses
    wait_for(in_state(supervisor, "ready"))
    clock.now += 60
    wait_for(lambda: supervisor.check_now(ID).state == "ready")
    os.kill(pid_of(only(supervisor)), signal.SIGKILL)
    wait_for(lambda: supervisor.poll() or only(supervisor).restarts == 9)
    assert "starting" == only(supervisor).state


def test_stop_drains_and_forgets(supervisor, make_spec, table, running):
    """SIGTERM ends the tasks; neither process nor record is left."""
    want(supervisor, make_spec(f"{ID}a"), make_spec(f"{ID}b"))
    supervisor.stop([f"{ID}a", f"{ID}b", "unknown"])
    assert ([], [], []) == (supervisor.tasks(), running(), list(table.all()))


def test_a_task_that_ignores_sigterm_is_killed_with_its_children(table, make_spec, running, log):
    """After the drain timeout the whole session goes."""
    supervisor = Supervisor(table, ProcessRunner(log))
    want(supervisor, make_spec(IGNORE_TERM="1", CHILD="1", drain_timeout=0.2))
    wait_for(in_state(supervisor, "ready"))
    assert 2 == len(running())
    supervisor.stop([ID])
    assert [] == running()


def test_a_fresh_check_is_a_fresh_answer(supervisor, make_spec, tmp_path):
    """check_now asks the task itself; an unknown task is named."""
    (tmp_path / "gate").touch()
    want(supervisor, make_spec(GATE=str(tmp_path / "gate")))
    wait_for(in_state(supervisor, "ready"))
    (tmp_path / "gate").unlink()
    assert "unready" == supervisor.check_now(ID).state
    with pytest.raises(UsageError, match="no task nobody"):
        supervisor.check_now("nobody")


def test_a_hanging_task_delays_nobody(supervisor, make_spec, monkeypatch, tmp_path):
    """A look at everything does not wait for a task that accepts a connection and says nothing."""
    monkeypatch.setattr(module, "_PROBE_TIMEOUT", 10 * PATIENCE)
    hang = (
        "import os, socket, time; s = socket.create_server(('127.0.0.1', int(os.environ['PORT']))); "
        "c = s.accept(); open('hangs', 'w').close(); time.sleep(600)"
    )
    want(supervisor, make_spec("hangs", argv=(sys.executable, "-S", "-E", "-c", hang)), make_spec("works"))
    wait_for(lambda: supervisor.poll() or (tmp_path / "hangs").exists())
    wait_for(lambda: supervisor.poll() or supervisor.tasks()[1].state == "ready")
    assert not supervisor._tasks["hangs"].probe.done()


def test_a_loop_of_looks_brings_tasks_up(table, make_spec, log):
    """As the daemon does it; they run on after its end."""
    supervisor, stop = Supervisor(table, ProcessRunner(log)), threading.Event()
    Loops(stop, time.monotonic).start("tasks", "watches tasks", supervisor.look, supervisor.interval, 30.0)
    want(supervisor, make_spec())
    wait_for(lambda: only(supervisor).state == "ready")
    stop.set()
    assert "ready" == supervisor.check_now(ID).state
    stop_all(supervisor)


DAEMON = """
import sys, time
from pathlib import Path
from pydantic import TypeAdapter
from shipway.core.tasks import TaskSpec
from shipway.local.tasks.processes import ProcessRunner
from shipway.local.tasks.task_logs import FileTaskLog
from shipway.local.tasks.supervisor import Supervisor
from shipway.local.tasks.task_table import FileTaskTable

folder = Path(sys.argv[1])
spec = TypeAdapter(TaskSpec).validate_json((folder / "spec.json").read_text())
supervisor = Supervisor(FileTaskTable(folder / "tasks"), ProcessRunner(FileTaskLog(folder / "logs")))
supervisor.adopt()
supervisor.want([spec])
while True:
    supervisor.poll()
    (task,) = supervisor.tasks()
    print(task.state, task.handle and task.handle.id, flush=True)
    time.sleep(0.02)
"""


@pytest.fixture
def daemon(tmp_path):
    """Starts a program that supervises one task, waits for a state, kills it with SIGKILL, answers the task's pid."""

    def supervise_until(spec, state: str) -> int:
        (tmp_path / "spec.json").write_text(json.dumps(asdict(spec)))
        with subprocess.Popen(
            [sys.executable, "-c", DAEMON, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as program:
            assert program.stdout is not None
            for line in program.stdout:
                if line.startswith(f"{state} "):
                    program.kill()
                    return int(line.split()[1])
        raise AssertionError(f"the task never was {state}")

    return supervise_until


def test_tasks_outlive_the_daemon_and_are_adopted(daemon, supervisor, make_spec):
    """After `kill -9` of the daemon the next one takes over the very same process, and knows that it was ready."""
    pid = daemon(make_spec(), "ready")
    supervisor.adopt()
    wait_for(in_state(supervisor, "ready"))
    assert (pid, 0) == (pid_of(only(supervisor)), only(supervisor).restarts)


def test_an_adopted_task_that_dies_is_restarted(daemon, supervisor, make_spec, clock):
    """Though not a child of ours, its death is seen."""
    pid = daemon(make_spec(), "ready")
    supervisor.adopt()
    os.kill(pid, signal.SIGKILL)
    wait_for(in_state(supervisor, "backing_off"))
    clock.now += 1
    wait_for(in_state(supervisor, "ready"))
    assert 1 == only(supervisor).restarts


def test_a_task_that_died_meanwhile_is_restarted_if_it_was_ready(daemon, supervisor, make_spec, clock):
    """What died while no daemon watched counts as any other death."""
    os.kill(daemon(make_spec(), "ready"), signal.SIGKILL)
    supervisor.adopt()
    wait_for(in_state(supervisor, "backing_off"))
    assert str(only(supervisor).reason).startswith("ended while no daemon watched it: ")
    clock.now += 1
    wait_for(in_state(supervisor, "ready"))


def test_a_task_that_died_meanwhile_unready_is_crashed(daemon, supervisor, make_spec, tmp_path):
    """It was never ready, so it is not restarted."""
    os.kill(daemon(make_spec(GATE=str(tmp_path / "gate")), "starting"), signal.SIGKILL)
    supervisor.adopt()
    wait_for(in_state(supervisor, "crashed"))
    assert str(only(supervisor).reason).startswith("ended while no daemon watched it")


def test_a_crash_is_remembered(table, make_spec, supervisor, clock, log):
    """A crashed task stays crashed for the next daemon, with its reason."""
    want(supervisor, make_spec(EXIT="3"))
    wait_for(in_state(supervisor, "crashed"))
    successor = Supervisor(table, ProcessRunner(log), clock=clock)
    successor.adopt()
    assert ("crashed", only(supervisor).reason) == (only(successor).state, only(successor).reason)


def test_a_started_but_unrecorded_task_is_found(table, supervisor, make_spec, running, log):
    """Killed between start and record, the daemon's successor finds the process by its launch mark."""
    spec = replace(make_spec(**{LAUNCH: "launch-of-the-killed-daemon"}), port=free_port())
    table.put(TaskRecord(spec))
    launcher = ProcessRunner(log)
    handle = launcher.start(spec)
    wait_for(lambda: log.file(spec).read_text())
    supervisor.adopt()
    wait_for(in_state(supervisor, "ready"))
    assert int(handle.id) == pid_of(only(supervisor))
    assert [int(handle.id)] == [process.pid for process in running()]
    stop_all(supervisor)
    assert launcher.exit_reason(spec, handle)


def test_a_recorded_but_never_started_task_is_started(table, supervisor, make_spec, running):
    """Killed between record and start, the daemon's successor starts the task, once."""
    table.put(TaskRecord(replace(make_spec(**{LAUNCH: "never-happened"}), port=free_port())))
    supervisor.adopt()
    wait_for(in_state(supervisor, "ready"))
    assert 1 == len(running())


def test_an_unready_restart_is_adopted_as_starting(table, supervisor, make_spec, clock, tmp_path, log):
    """A task that was ready only before its restart does not pass for one that serves, and may not start for ever."""
    (tmp_path / "gate").touch()
    want(supervisor, make_spec(GATE=str(tmp_path / "gate"), start_timeout=60.0))
    wait_for(in_state(supervisor, "ready"))
    (tmp_path / "gate").unlink()
    os.kill(pid_of(only(supervisor)), signal.SIGKILL)
    wait_for(in_state(supervisor, "backing_off"))
    clock.now += 1
    wait_for(in_state(supervisor, "starting"))
    successor = Supervisor(table, ProcessRunner(log), clock=clock)
    successor.adopt()
    assert "starting" == only(successor).state
    clock.now += 61
    successor.poll()
    assert "backing_off" == only(successor).state
    assert str(only(successor).reason).startswith("not ready within 60 s")


def test_children_of_an_unrecorded_task_are_ended(table, supervisor, make_spec, running, log):
    """When the task itself is gone before it was recorded, its children do not stay beside the new start."""
    spec = replace(make_spec(CHILD="1", **{LAUNCH: "launch-of-the-killed-daemon"}), port=free_port())
    table.put(TaskRecord(spec))
    launcher = ProcessRunner(log)
    handle = launcher.start(spec)
    wait_for(lambda: len(running()) == 2)
    os.kill(int(handle.id), signal.SIGKILL)
    wait_for(lambda: launcher.exit_reason(spec, handle))
    supervisor.adopt()
    wait_for(in_state(supervisor, "ready"))
    assert 2 == len(running())
    assert int(handle.id) != pid_of(only(supervisor))


def test_a_full_disk_is_no_reason_to_forget(table, make_spec, clock, tmp_path, log):
    """A task whose record could not be written is told of as an error, and started once it can be."""
    supervisor = Supervisor(table, ProcessRunner(log), clock=clock)
    (tmp_path / "tasks").rename(tmp_path / "away")
    (tmp_path / "tasks").touch()  # a folder that was only removed would be made anew
    with pytest.raises(FileExistsError):
        want(supervisor, make_spec())
    supervisor.poll()
    assert "backing_off" == only(supervisor).state
    (tmp_path / "tasks").unlink()
    (tmp_path / "away").rename(tmp_path / "tasks")
    wait_for(in_state(supervisor, "ready"))
    stop_all(supervisor)


def test_a_drain_is_finished_by_the_next_daemon(table, supervisor, make_spec, running, log):
    """A task that was told to stop is not kept because the daemon died."""
    want(supervisor, make_spec())
    wait_for(in_state(supervisor, "ready"))
    (record,) = table.all()
    table.put(replace(record, draining=True))
    successor = Supervisor(table, ProcessRunner(log))
    successor.adopt()
    wait_for(lambda: successor.poll() or not successor.tasks())
    assert [] == running()


def test_daemons_killed_at_any_moment_leave_one_task(make_spec, supervisor, running, tmp_path):
    """However often and whenever the daemon is killed, one process runs and it is known."""
    (tmp_path / "spec.json").write_text(json.dumps(asdict(make_spec())))
    for milliseconds in (180, 220, 240, 260, 280, 300, 340, 400):
        program = subprocess.Popen([sys.executable, "-c", DAEMON, str(tmp_path)], stdout=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            program.wait(milliseconds / 1000)
        program.kill()
        program.wait()
    supervisor.adopt()
    want(supervisor, make_spec())
    wait_for(in_state(supervisor, "ready"))
    assert [pid_of(only(supervisor))] == [process.pid for process in running()]


def test_logs_are_rotated_while_the_task_writes(table, make_spec, clock, log):
    """A look at everything keeps logs within their bounds."""
    supervisor = Supervisor(table, ProcessRunner(log), clock=clock)
    want(supervisor, make_spec())
    wait_for(in_state(supervisor, "ready"))
    written = log.file(only(supervisor).spec)
    with written.open("ab") as file:
        file.truncate(log_file.MAX_BYTES + 1)
    clock.now += 2
    supervisor.poll()
    assert (0, True) == (written.stat().st_size, written.with_name(f"{written.name}.1").exists())
    stop_all(supervisor)


def squat(port: int) -> socket.socket:
    """Take a port, the way a program does that shares it with whoever comes."""
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    taken.bind(("127.0.0.1", port))
    taken.listen()
    return taken


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells whose a socket is")
def test_a_task_whose_port_was_taken_starts_on_another(supervisor, make_spec, clock, monkeypatch):
    """Its first start ends with `address in use`: that says nothing of the task, and is no crash."""
    taken = free_port()
    ports = iter([taken])
    monkeypatch.setattr(module, "free_port", lambda: next(ports, None) or free_port())
    with squat(taken):
        want(supervisor, make_spec())
        wait_for(in_state(supervisor, "backing_off"))
        assert str(only(supervisor).reason).startswith(f"port {taken} was taken by ")
        clock.now += 1
        wait_for(in_state(supervisor, "ready"))
        assert taken != only(supervisor).spec.port


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells whose a socket is")
def test_the_answer_of_a_stranger_is_not_the_tasks(supervisor, make_spec, clock):
    """Another process that answers 200 on a task's port makes it neither ready nor a place for traffic."""
    want(supervisor, make_spec())
    wait_for(in_state(supervisor, "ready"))
    port = only(supervisor).spec.port
    impostor = ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    thread = threading.Thread(target=impostor.serve_forever)
    thread.start()
    # As if the task had let go of its port, and the impostor taken it.
    task = supervisor._tasks[ID]
    task.record = replace(task.record, spec=replace(task.spec, port=impostor.server_port))
    clock.now += 1
    assert "backing_off" == supervisor.check_now(ID).state
    assert "listens on its port" in str(only(supervisor).reason)
    impostor.shutdown()
    thread.join()
    impostor.server_close()
    clock.now += 1
    wait_for(in_state(supervisor, "ready"))
    assert (1, True) == (only(supervisor).restarts, only(supervisor).spec.port not in (port, impostor.server_port))


class Impostor(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass
