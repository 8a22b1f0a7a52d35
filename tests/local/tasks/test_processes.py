"""Tasks as processes."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import psutil
import pytest

from shipway.core.errors import Refused, ShipwayError
from shipway.core.releases.release import Artifact
from shipway.core.tasks import LAUNCH, TaskHandle
from shipway.local.builds.address import Address
from shipway.local.secrets import log_filters
from shipway.local.tasks import processes, task_ports
from shipway.local.tasks.process_table import started_at
from shipway.local.tasks.processes import ProcessRunner
from shipway.local.tasks.readiness import ask
from tests.free_ports import free_port
from tests.waiting import wait_for

SAY = (
    "import os, sys; "
    "print(sorted(os.environ), os.listdir('/dev/fd'), repr(sys.stdin.read()), os.getsid(0) == os.getpid())"
)


def lines(spec, log) -> list[str]:
    return log.file(spec).read_text().splitlines()


def test_a_task_sees_only_what_its_spec_gives(make_spec, log):
    """Environment as given plus PORT, standard input empty, no descriptor inherited, a session of its own."""
    runner = ProcessRunner(log)
    inherited = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    spec = replace(make_spec(argv=(sys.executable, "-S", "-E", "-c", SAY), LC_ALL="C"), port=4321)
    handle = runner.start(spec)
    wait_for(lambda: runner.exit_reason(spec, handle))
    os.close(inherited)
    assert ["['LC_ALL', 'PORT', 'SHIPWAY_TASK', 'TEST_MARK'] ['0', '1', '2', '3'] '' True"] == lines(spec, log)


def test_the_port_is_filled_in(make_spec, log):
    """`{port}` in arguments and variables becomes the port of this start."""
    runner = ProcessRunner(log)
    code = "import os, sys; print(sys.argv[1], os.environ['ADDRESS'], os.environ['PORT'])"
    argv = (sys.executable, "-S", "-E", "-c", code, "--port={port}")
    spec = replace(make_spec(argv=argv, ADDRESS="http://h:{port}/"), port=4321)
    handle = runner.start(spec)
    wait_for(lambda: runner.exit_reason(spec, handle))
    assert ["--port=4321 http://h:4321/ 4321"] == lines(spec, log)


@pytest.mark.parametrize(
    ("code", "reason"),
    [("raise SystemExit(3)", "exit code 3"), ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL")],
)
def test_the_end_is_told(make_spec, code, reason, log):
    """The exit code, or the signal by its name; nothing while the task runs."""
    runner = ProcessRunner(log)
    spec = make_spec(argv=(sys.executable, "-S", "-E", "-c", code))
    handle = runner.start(spec)
    wait_for(lambda: runner.exit_reason(spec, handle))
    assert reason == runner.exit_reason(spec, handle)


def test_an_ended_task_leaves_no_zombie(make_spec, log):
    """The child is waited for as soon as its end is seen."""
    runner = ProcessRunner(log)
    spec = make_spec(argv=(sys.executable, "-S", "-E", "-c", ""))
    handle = runner.start(spec)
    wait_for(lambda: runner.exit_reason(spec, handle))
    assert not psutil.pid_exists(int(handle.id))


def test_a_command_that_does_not_exist_is_named(make_spec, log):
    """A task that cannot be started says what was not found."""
    with pytest.raises(ShipwayError, match=r"cannot start `no-such-program`: .*No such file"):
        ProcessRunner(log).start(make_spec(argv=("no-such-program",)))


def test_a_reused_process_id_is_never_taken_for_ours(make_spec, log):
    """Another start time means another process: neither seen as alive nor hit by terminate and kill."""
    runner = ProcessRunner(log)
    spec = replace(make_spec(), port=free_port())
    handle = runner.start(spec)
    stale, other = TaskHandle(handle.id, handle.started - 50), make_spec("other")
    assert runner.exit_reason(other, stale)
    runner.terminate(other, stale)
    runner.kill(other, stale)
    assert None is runner.exit_reason(spec, handle)
    runner.kill(spec, handle)


def test_kill_takes_the_whole_session(make_spec, running, log):
    """A task that ignores SIGTERM ends with its children."""
    runner = ProcessRunner(log)
    spec = replace(make_spec(IGNORE_TERM="1", CHILD="1"), port=free_port())
    handle = runner.start(spec)
    wait_for(lambda: log.file(spec).read_text())
    runner.terminate(spec, handle)
    assert 2 == len(running())
    runner.kill(spec, handle)
    assert [] == running()


def test_kill_finds_children_that_outlived_their_leader(make_spec, running, log):
    """Children of a task that was killed from outside are ended too."""
    runner = ProcessRunner(log)
    spec = replace(make_spec(CHILD="1"), port=free_port())
    handle = runner.start(spec)
    wait_for(lambda: len(running()) == 2)
    os.kill(int(handle.id), 9)
    wait_for(lambda: runner.exit_reason(spec, handle))
    assert 1 == len(running())
    runner.kill(spec, handle)
    assert [] == running()


def test_kill_finds_children_in_sessions_of_their_own(make_spec, running, log):
    """The launch mark gives away what left the task's session."""
    runner = ProcessRunner(log)
    code = "import subprocess, time; subprocess.Popen(['sleep', '600'], start_new_session=True); time.sleep(600)"
    spec = make_spec(argv=(sys.executable, "-S", "-E", "-c", code), **{LAUNCH: "one-of-a-kind"})
    handle = runner.start(spec)
    wait_for(lambda: len(running()) == 2)
    runner.kill(spec, handle)
    assert [] == running()


def test_another_runner_knows_the_task(make_spec, log):
    """A handle is enough to watch and end a process that another program started; a launch mark finds it."""
    first, second = ProcessRunner(log), ProcessRunner(log)
    spec = replace(make_spec(**{LAUNCH: "my-launch"}), port=free_port())
    handle = first.start(spec)
    wait_for(lambda: log.file(spec).read_text())
    assert handle == second.find(spec)
    assert None is second.exit_reason(spec, handle)
    assert None is second.find(replace(spec, env={LAUNCH: "another-launch"}))
    second.terminate(spec, handle)
    wait_for(lambda: second.exit_reason(spec, handle))
    assert "exit code 0" == first.exit_reason(spec, handle)


def test_what_a_task_really_runs_is_read_off_its_process(make_spec, log, tmp_path):
    """The artifact in whose folder it works; a record that says otherwise is found out, and so is an end."""
    runner = ProcessRunner(log)
    spec = replace(make_spec(), port=free_port())
    handle = runner.start(spec)
    other = replace(spec, artifact=Artifact("web", "b" * 64, Address(str(tmp_path / "other")).text()))
    assert ["a" * 64, "unknown"] == [runner.runs(one, handle) for one in (spec, other)]
    runner.kill(spec, handle)
    assert "gone" == runner.runs(spec, handle)


def test_start_times_tell_processes_apart():
    """A live process has one, a missing process has none."""
    assert started_at(os.getpid()) is not None
    assert None is started_at(2**22 + 1)


def test_free_ports_are_free_and_distinct():
    """No port is given twice in a row, each can be listened on, none is one the kernel hands out by itself."""
    ports = [task_ports.free_port() for _ in range(50)]
    assert 50 == len(set(ports))
    for port in ports[:5]:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            listener.listen()
            assert 10_000 <= port < 20_000


SLEEP = f"613.{os.getpid()}"
"""So many seconds, which tell the sleepers of this process from all others of the machine."""
ESCAPE = """
import subprocess, sys, time
# Twice forked, in a session of its own, with nothing left of the environment.
subprocess.run(["sh", "-c", "env -i setsid sleep {sleep} & env -i setsid sleep {sleep} &"])
print("started", flush=True)
{then}
"""


def sleepers() -> list[psutil.Process]:
    return [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", SLEEP]]


@pytest.fixture
def no_sleepers() -> Iterator[None]:
    yield
    for process in sleepers():
        process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells whose orphans are")
def test_kill_finds_orphans_without_mark_and_session(make_spec, no_sleepers, log):
    """What was forked twice, left the session and dropped its environment ends with its task all the same."""
    runner = ProcessRunner(log)
    spec = make_spec(argv=(sys.executable, "-S", "-E", "-c", ESCAPE.format(sleep=SLEEP, then="time.sleep(600)")))
    handle = runner.start(spec)
    wait_for(lambda: len(sleepers()) == 2)
    runner.kill(spec, handle)
    assert [] == sleepers()
    assert None is not runner.exit_reason(spec, handle)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells whose orphans are")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_orphans_end_with_a_task_that_was_ended(make_spec, no_sleepers, monkeypatch, number, log):
    """They were seen while the task lived: whether it ended when asked or was killed from outside."""
    monkeypatch.setattr(processes, "_COUNT_INTERVAL", 0.0)
    runner = ProcessRunner(log)
    spec = make_spec(argv=(sys.executable, "-S", "-E", "-c", ESCAPE.format(sleep=SLEEP, then="time.sleep(600)")))
    handle = runner.start(spec)
    wait_for(lambda: len(sleepers()) == 2)
    if number == signal.SIGTERM:
        runner.terminate(spec, handle)
    else:
        assert None is runner.exit_reason(spec, handle)
        os.kill(int(handle.id), signal.SIGKILL)
    wait_for(lambda: runner.exit_reason(spec, handle) is not None)
    assert 2 == len(sleepers())
    runner.kill(spec, handle)
    assert [] == sleepers()


def test_others_are_left_alone(make_spec, no_sleepers, log):
    """A process that is not the task's lives on, however alike it looks."""
    runner = ProcessRunner(log)
    with subprocess.Popen(["sleep", SLEEP], start_new_session=True) as bystander:
        spec = make_spec(argv=(sys.executable, "-S", "-E", "-c", ESCAPE.format(sleep=SLEEP, then="time.sleep(600)")))
        handle = runner.start(spec)
        wait_for(lambda: len(sleepers()) == 3)
        runner.kill(spec, handle)
        assert [bystander.pid] == [process.pid for process in sleepers()]
        bystander.kill()


def test_a_start_that_lacks_a_descriptor_is_no_fault_of_the_command(make_spec, log):
    """The machine's lack is told as such, so that it is tried again; nothing is left running."""
    runner = ProcessRunner(log)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        with pytest.raises(OSError, match="Too many open files"):
            runner.start(make_spec())
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def listener(port: int, address: str = "127.0.0.1") -> socket.socket:
    taken = socket.socket()
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    taken.bind((address, port))
    taken.listen()
    return taken


HANDS_ITS_LISTENER_ON = """
import os, socket, subprocess, time
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
listener.set_inheritable(True)
subprocess.Popen(["sleep", "600"], close_fds=False, start_new_session=True)
listener.close()
time.sleep(600)
"""


@pytest.mark.parametrize("argv", [None, (sys.executable, "-S", "-E", "-c", HANDS_ITS_LISTENER_ON)])
def test_the_port_is_the_tasks_own(make_spec, argv, log):
    """A task that listens itself, or through a child of its own, has no stranger on its port."""
    runner = ProcessRunner(log)
    spec = replace(make_spec(argv=argv, **{LAUNCH: "own"}), port=free_port())
    handle = runner.start(spec)
    wait_for(lambda: ask(spec.port, "/ready", 0.2).said != f"nothing listens on port {spec.port}")
    assert None is runner.stranger(spec, handle)
    runner.kill(spec, handle)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells whose a socket is")
@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_stranger_on_the_port_is_named(make_spec, address, log):
    """Somebody else listens where the task should."""
    runner = ProcessRunner(log)
    port = free_port()
    with listener(port, address):
        spec = replace(make_spec(argv=("sleep", "600")), port=port)
        handle = runner.start(spec)
        wait_for(lambda: runner.stranger(spec, handle) is not None)
        assert f"(process {os.getpid()})" in str(runner.stranger(spec, handle))
        runner.kill(spec, handle)


VALUE = "of great value"
ALOUD = (
    "import os, sys, time; print('out', os.environ['KEY'], flush=True); print('err', os.environ['KEY'], file=sys.stderr); "
    "[time.sleep(0.01) for _ in range(int(sys.argv[1]))]; print('last words', os.environ['KEY'], end='')"
)


def with_secret(make_spec, waits: int = 0):
    """A task that says its secret aloud, at its start and at its end."""
    spec = make_spec(argv=(sys.executable, "-S", "-E", "-c", ALOUD, str(waits)), **{LAUNCH: f"launch {waits}"})
    return replace(spec, secrets=("KEY",))


def values(environment, names):
    """The test's own place for secrets."""
    assert environment == "dev"
    return dict.fromkeys(names, VALUE)


def test_a_task_gets_its_secrets_and_its_log_does_not(make_spec, log):
    """Its last line is there as well, once it is killed: it may say why the task ended."""
    runner = ProcessRunner(log, values)
    spec = with_secret(make_spec)
    handle = runner.start(spec)
    wait_for(lambda: runner.exit_reason(spec, handle))
    runner.kill(spec, handle)
    assert ["err ***", "last words ***", "out ***"] == sorted(lines(spec, log))
    assert VALUE not in repr(spec)


def test_what_filters_a_log_outlives_the_runner_and_ends_with_the_task(make_spec, log):
    """Its command line and environment tell no value; the next runner waits for the last words."""
    spec = with_secret(make_spec, waits=100_000)
    first, second = ProcessRunner(log, values), ProcessRunner(log)
    handle = first.start(spec)
    found = wait_for(lambda: [p for p in psutil.process_iter() if _variable(p, log_filters.MARK) == spec.env[LAUNCH]])
    assert VALUE not in repr([found[0].cmdline(), found[0].environ()])
    wait_for(lambda: log.file(spec).exists() and "out ***" in lines(spec, log))
    second.kill(spec, handle)
    assert not psutil.pid_exists(found[0].pid) or found[0].status() == psutil.STATUS_ZOMBIE
    assert "killed by SIGKILL" == first.exit_reason(spec, handle)
    first.kill(spec, handle)


def test_a_task_whose_secret_has_no_value_is_not_started(make_spec, log):
    """The way out is the error's."""

    def none(environment, names):
        raise Refused("no value is set for KEY in dev", fix="shipway secrets set KEY --env dev")

    with pytest.raises(Refused, match="no value is set"):
        ProcessRunner(log, none).start(with_secret(make_spec))


def _variable(process, name):
    try:
        return process.environ().get(name)
    except psutil.Error:
        return None
