"""HAProxy, the holder of its sockets and the daemon die, in any order: connections wait, and are not refused."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from router_harness import DEADLINE, Task, ask, topology

from shipway.core.observations.observation import Side
from shipway.local.router import Router
from shipway.local.router.process import find_haproxy
from shipway.local.router.runtime_socket import RuntimeSocket
from tests.free_ports import free_port
from tests.waiting import wait_for


def _holders(folder: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder) in " ".join(command := process.info["cmdline"] or []) and "-W" not in command
    ]


def _kill(*pids: int) -> None:
    processes = [psutil.Process(pid) for pid in pids]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=DEADLINE)


@contextmanager
def _no_connection_is_refused(port: int) -> Iterator[None]:
    """Connects without a pause meanwhile."""
    refused: list[OSError] = []
    connected = threading.Event()
    done = threading.Event()

    def connect() -> None:
        while not done.is_set():
            try:
                socket.create_connection(("127.0.0.1", port), timeout=DEADLINE).close()
            except ConnectionResetError:
                pass  # taken by the HAProxy that died at that moment
            except OSError as error:
                refused.append(error)
            connected.set()

    thread = threading.Thread(target=connect)
    thread.start()
    connected.wait(DEADLINE)
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert [] == refused


@pytest.mark.parametrize("victims", [("worker",), ("master",), ("worker", "master")])
def test_connections_wait_while_haproxy_is_dead(
    router: Router, both: dict[Side, Task], port: int, runtime: Path, victims: tuple[str, ...]
) -> None:
    """After kill -9 HAProxy comes back by itself, without the daemon, on the same sockets and with the last shift."""
    router.shift("prod", "green", 10_000)
    router.close()
    haproxy = RuntimeSocket(runtime / "haproxy.sock").processes()
    with _no_connection_is_refused(port):
        _kill(*(getattr(haproxy, victim) for victim in victims))
        wait_for(router.is_running, "HAProxy is back")
        assert "green" == ask(port).json["task"]
    assert haproxy.worker != RuntimeSocket(runtime / "haproxy.sock").processes().worker


def test_a_successor_takes_over_the_sockets_of_the_port_that_came_last(
    router: Router, both: dict[Side, Task], port: int, runtime: Path
) -> None:
    """A reload brings an internal port or an environment: the holder has it, too."""
    environment = topology(port).environments[0]
    second = type(environment)("dev", free_port(), None, environment.services, 1)
    router.ensure_running(type(topology(port))((environment, second)))
    with _no_connection_is_refused(second.port):
        _kill(RuntimeSocket(runtime / "haproxy.sock").processes().worker)
        wait_for(router.is_running, "HAProxy is back")
    assert 503 == ask(second.port).status


def test_killed_holder_costs_nothing_and_is_replaced(
    router: Router, both: dict[Side, Task], port: int, runtime: Path, tmp_path: Path
) -> None:
    """HAProxy serves on, the same one; the next holder asks it for its sockets and is as good as the first."""
    worker = RuntimeSocket(runtime / "haproxy.sock").processes().worker
    with _no_connection_is_refused(port):
        _kill(*(process.pid for process in _holders(tmp_path)))
        assert (False, True) == (router.is_held(), router.is_running())
        router.ensure_running(topology(port))
        assert worker == RuntimeSocket(runtime / "haproxy.sock").processes().worker
        _kill(worker)
        wait_for(router.is_running, "HAProxy is back")
        assert 200 == ask(port).status
    assert 1 == len(_holders(tmp_path))


def test_holder_and_haproxy_killed_together_come_back(
    router: Router, both: dict[Side, Task], port: int, runtime: Path, tmp_path: Path
) -> None:
    """With nobody left to hold the sockets, the daemon's next look starts all of it."""
    haproxy = RuntimeSocket(runtime / "haproxy.sock").processes()
    _kill(haproxy.master, haproxy.worker, *(process.pid for process in _holders(tmp_path)))
    router.ensure_running(topology(port))
    assert (200, True) == (ask(port).status, router.is_held())


def test_haproxy_that_lost_its_socket_is_replaced_beside_its_connections(
    router: Router, both: dict[Side, Task], port: int, runtime: Path
) -> None:
    """A HAProxy that cannot be reached any more hands over without a refused connection."""
    with _no_connection_is_refused(port):
        (runtime / "haproxy.sock").unlink()
        router.ensure_running(topology(port))
        assert 200 == ask(port).status


def test_haproxy_without_a_holder_is_taken_over(
    router: Router, both: dict[Side, Task], port: int, runtime: Path, tmp_path: Path
) -> None:
    """A router as earlier versions started it goes on through the upgrade: one reload, no refused connection."""
    router.stop()
    file = tmp_path / "router" / "haproxy.cfg"
    text = file.read_text()
    file.write_text("".join(line for line in text.splitlines(True) if "expose-fd" not in line and "descr" not in line))
    command = [find_haproxy(), "-W", "-D", "-f", str(file), "-S", f"{runtime / 'haproxy.sock'},mode,600"]
    subprocess.run(command, cwd=file.parent, check=True, capture_output=True)
    wait_for(router.is_running, "HAProxy serves")
    master = RuntimeSocket(runtime / "haproxy.sock").processes().master
    with _no_connection_is_refused(port):
        router.ensure_running(topology(port))
        haproxy = RuntimeSocket(runtime / "haproxy.sock").processes()
        assert master == haproxy.master
        _kill(haproxy.worker)
        wait_for(router.is_running, "HAProxy is back")
        assert 200 == ask(port).status


def test_adoption_keeps_the_holder(
    router: Router, start: Callable[..., Task], port: int, tmp_path: Path, runtime: Path
) -> None:
    """The next daemon finds the holder that runs and goes on with it."""
    before = [process.pid for process in _holders(tmp_path)]
    router.close()
    successor = Router(tmp_path / "router", runtime)
    successor.ensure_running(topology(port))
    assert before == [process.pid for process in _holders(tmp_path)]
    successor.close()
