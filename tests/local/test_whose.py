"""Whose port and whose process: another app's Shipway is named, and nobody is told to end it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from shipway.core.errors import ShipwayError
from shipway.local.router.ports import holder_of, require_free
from shipway.local.whose import app_of, apps_running
from tests.free_ports import free_port

LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); sys.stdin.read()"

Listen = Callable[..., int]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Starts a process with these words in its command line and answers the port that it listens on."""
    started = []

    def start(*words: str, cwd: Path | None = None) -> int:
        process = subprocess.Popen(
            [sys.executable, "-c", LISTEN, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd
        )
        started.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield start
    for process in started:
        process.communicate()


@pytest.mark.parametrize(
    "words",
    [
        ("haproxy", "-W", "-f", "/home/ada/shop/.shipway/router/haproxy.cfg"),
        ("-m", "shipway.server", "--root", "/home/ada/shop"),
    ],
    ids=["router", "daemon"],
)
def test_another_clones_shipway_is_named_and_left_alone(listen: Listen, words: tuple[str, ...]) -> None:
    """It is that app's production: another port is advised, or to stop it as its own folder does, never to end it."""
    port = listen(*words)
    with pytest.raises(ShipwayError) as error:
        require_free([port], (), Path("/home/ada/clone"))
    assert f"port {port} is taken by Shipway's of the app in /home/ada/shop" in error.value.what
    assert (
        "choose another port in shipway.yaml here. If the app in /home/ada/shop need not serve: shipway down there"
    ) == error.value.fix
    assert Path("/home/ada/shop") in set(apps_running())


def test_a_task_of_another_app_is_told_by_where_it_works(listen: Listen, tmp_path: Path) -> None:
    """A service's command says nothing of Shipway; the folder of its artifact does."""
    tree = tmp_path / "shop" / ".shipway" / "artifacts" / "abc" / "tree"
    tree.mkdir(parents=True)
    holder = holder_of(listen(cwd=tree), tmp_path / "clone")
    assert f"Shipway's of the app in {tmp_path / 'shop'}" in holder.who
    assert "end that process" not in holder.fix


def test_what_holds_the_port_of_its_own_app_is_for_repair(listen: Listen, tmp_path: Path) -> None:
    """A leftover of this very app is no stranger's."""
    port = listen("-f", f"{tmp_path}/.shipway/router/haproxy.cfg")
    assert "shipway repair" == holder_of(port, tmp_path).fix


def test_a_program_of_somebody_else_is_named(listen: Listen) -> None:
    """With its process, and the choice is the person's."""
    port = listen("something", "else")
    holder = holder_of(port, Path("/home/ada/clone"))
    assert "process" in holder.who
    assert "choose another port in shipway.yaml, or end that process if it is yours to end" == holder.fix


def test_a_shell_in_the_state_is_no_shipway(tmp_path: Path) -> None:
    """Who reads a log there serves nothing."""
    logs = tmp_path / ".shipway" / "logs"
    logs.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"], cwd=logs) as reader:
        found = app_of(psutil.Process(reader.pid))
        reader.kill()
    assert (None, None) == (found, app_of(psutil.Process(os.getpid())))


def test_a_free_port_is_nobodys() -> None:
    """Nothing is raised."""
    require_free([free_port()], (), Path("/home/ada/clone"))
