"""Tasks that live and do nothing: found, left out, replaced."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from shipway.local.tasks import supervisor as module
from shipway.local.tasks.processes import ProcessRunner
from shipway.local.tasks.supervisor import Supervisor, TaskStatus
from shipway.local.tasks.task_table import FileTaskTable
from tests.waiting import PATIENCE, wait_for

# Answers its readiness path until the file `hang` is there; then it takes connections and says nothing.
HANGS = """
import http.server, os, pathlib, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        hang = pathlib.Path("hang").read_text() if pathlib.Path("hang").exists() else ""
        while self.path in hang.split():
            time.sleep(1)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
HANGING = (sys.executable, "-S", "-E", "-c", HANGS)


@pytest.fixture
def supervisor(tmp_path, clock, make_spec, monkeypatch, log):
    monkeypatch.setattr(module, "_PROBE_TIMEOUT", 0.5)
    supervisor = Supervisor(FileTaskTable(tmp_path / "tasks"), ProcessRunner(log), clock=clock)
    yield supervisor
    clock.now += 60
    supervisor.stop([task.spec.id for task in supervisor.tasks()])


def only(supervisor) -> TaskStatus:
    (task,) = supervisor.tasks()
    return task


def pid_of(status: TaskStatus) -> int:
    """The task's process."""
    assert status.handle is not None
    return int(status.handle.id)


def ready(supervisor, *specs):
    supervisor.want(specs)
    wait_for(lambda: supervisor.poll() or all(task.state == "ready" for task in supervisor.tasks()))


def test_a_stopped_task_is_known_at_the_next_look(supervisor, make_spec):
    """SIGSTOP shows in the process table: nobody waits for a readiness answer that can't come."""
    ready(supervisor, make_spec())
    os.kill(pid_of(only(supervisor)), signal.SIGSTOP)
    wait_for(lambda: supervisor.poll() or only(supervisor).silent)
    assert ("unready", "a signal such as SIGSTOP holds it still") == (only(supervisor).state, only(supervisor).reason)


def test_a_task_that_stays_stopped_is_replaced(supervisor, make_spec, clock):
    """After two seconds it is ended and started anew; its record counts a restart."""
    ready(supervisor, make_spec())
    before = only(supervisor)
    os.kill(pid_of(before), signal.SIGSTOP)
    wait_for(lambda: supervisor.poll() or only(supervisor).silent)
    clock.now += 1.9
    supervisor.poll()
    assert pid_of(before) == pid_of(only(supervisor))
    clock.now += 0.1
    supervisor.poll()
    assert str(only(supervisor).reason).startswith("was held still by a signal such as SIGSTOP for 2 s")
    clock.now += 0.5
    wait_for(lambda: supervisor.poll() or only(supervisor).state == "ready")
    assert (1, False) == (only(supervisor).restarts, pid_of(before) == pid_of(only(supervisor)))


def test_a_task_that_goes_on_is_kept(supervisor, make_spec, clock):
    """SIGCONT in time: the same process is ready again."""
    ready(supervisor, make_spec())
    before = only(supervisor)
    os.kill(pid_of(before), signal.SIGSTOP)
    wait_for(lambda: supervisor.poll() or only(supervisor).silent)
    os.kill(pid_of(before), signal.SIGCONT)
    wait_for(lambda: supervisor.poll() or only(supervisor).state == "ready")
    clock.now += 60
    supervisor.poll()
    assert (pid_of(before), 0) == (pid_of(only(supervisor)), only(supervisor).restarts)


def test_a_task_that_answers_nothing_for_long_is_replaced(supervisor, make_spec, clock, tmp_path):
    """It takes connections and is silent on readiness and liveness alike: after 15 s it is as good as dead."""
    ready(supervisor, make_spec(argv=HANGING))
    before = only(supervisor)
    (tmp_path / "hang").write_text("/ready")
    clock.now += 1
    wait_for(lambda: supervisor.poll() or only(supervisor).silent)
    wait_for(lambda: supervisor.poll() or supervisor._tasks[before.spec.id].silent_answers >= 3)
    assert pid_of(before) == pid_of(only(supervisor))
    (tmp_path / "hang").unlink()
    clock.now += 15
    supervisor.poll()
    assert str(only(supervisor).reason).startswith("answered nothing for 15 s (GET /ready gave no answer")
    clock.now += 0.5
    wait_for(lambda: supervisor.poll() or only(supervisor).state == "ready")
    assert 1 == only(supervisor).restarts


def test_a_task_that_answers_on_its_liveness_path_is_not_killed(supervisor, make_spec, clock, tmp_path):
    """One slow dependency holds up readiness: the task gets no traffic, and lives."""
    ready(supervisor, make_spec(argv=HANGING, health_path="/health"))
    before = only(supervisor)
    (tmp_path / "hang").write_text("/ready")
    clock.now += 1
    wait_for(lambda: supervisor.poll() or only(supervisor).state == "unready")
    for _ in range(3):
        clock.now += 30
        wait_for(lambda: supervisor.poll() or supervisor._tasks[before.spec.id].probe is not None)
        wait_for(supervisor._tasks[before.spec.id].probe.done)
        supervisor.poll()
    # one late answer is no silence that lasts
    wait_for(lambda: supervisor.poll() or not only(supervisor).silent)
    assert pid_of(before) == pid_of(only(supervisor))


def test_tasks_that_are_all_silent_are_replaced_one_after_the_other(supervisor, make_spec, clock, tmp_path):
    """Where the whole machine is slow, ending all of them at once would make it worse."""
    ready(supervisor, make_spec("one", argv=HANGING), make_spec("two", argv=HANGING))
    (tmp_path / "hang").write_text("/ready")
    clock.now += 1
    wait_for(lambda: supervisor.poll() or all(task.silent_answers >= 3 for task in supervisor._tasks.values()))
    clock.now += 15
    supervisor.poll()
    clock.now += 0.5
    supervisor.poll()
    assert ["starting", "unready"] == sorted(task.state for task in supervisor.tasks())


def test_a_settled_task_that_dies_is_started_again_at_once(supervisor, make_spec, clock, monkeypatch):
    """The look that sees the death starts the next process."""
    monkeypatch.setattr(module, "_PROBE_TIMEOUT", PATIENCE)
    ready(supervisor, make_spec())
    clock.now += 10
    assert "ready" == supervisor.check_now(only(supervisor).spec.id).state
    os.kill(pid_of(only(supervisor)), signal.SIGKILL)
    wait_for(lambda: supervisor.poll() or only(supervisor).restarts == 1)
    assert "starting" == only(supervisor).state
