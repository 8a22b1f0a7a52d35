"""The machine that faults strike: one app on it, its processes, and what the control plane says of itself."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil

from benchmarks.throwaway import Hello
from shipway.cli.client.over_socket import SocketClient
from shipway.core.errors import ShipwayError
from shipway.demo.leftovers import processes_in
from shipway.local.places import places_of
from tests.waiting import wait_for


class Machine:
    """The hello app with its daemon, router and tasks."""

    def __init__(self, app: Hello) -> None:
        self.app = app
        self._places = places_of(app.stage.app, os.getuid())
        self._client = SocketClient(str(self._places.socket))

    # -- what is there -------------------------------------------------------------------------------------------

    def daemon(self) -> list[psutil.Process]:
        """The control plane."""
        with suppress(OSError, ValueError, psutil.NoSuchProcess):
            return [psutil.Process(int(self._places.daemon_lock.read_text()))]
        return []

    def router_workers(self) -> list[psutil.Process]:
        """The HAProxy processes that carry requests."""
        return [process for process in self._haproxies() if self._is_haproxy(process.parent())]

    def router_masters(self) -> list[psutil.Process]:
        """The HAProxy process above them."""
        return [process for process in self._haproxies() if not self._is_haproxy(process.parent())]

    def router_holders(self) -> list[psutil.Process]:
        """The process that holds the listening sockets."""
        return [process for process in self._ours() if "router/holder.py" in " ".join(process.cmdline())]

    def tasks(self, role: str) -> list[psutil.Process]:
        """The processes of the tasks of `stable` or of the `candidate`."""
        environment = self.environment()
        stable = environment["side"]
        side = stable if role == "stable" else {"blue": "green", "green": "blue"}[stable]
        found = []
        for file in sorted((self._places.state / "tasks").glob("*.json")):
            with suppress(OSError, ValueError, psutil.NoSuchProcess):
                record = json.loads(file.read_text())
                if record["spec"]["side"] == side and record["handle"] and not record["draining"]:
                    found.append(psutil.Process(int(record["handle"]["id"])))
        return found

    # -- what it says --------------------------------------------------------------------------------------------

    def environment(self) -> dict[str, Any]:
        """Production, as `shipway status` shows it."""
        found: dict[str, Any] = self._client.get("status", timeout=5.0)["environments"][0]
        return found

    def run(self, id: str) -> dict[str, Any]:
        """A run."""
        found: dict[str, Any] = self._client.get("runs", id, timeout=5.0)["run"]
        return found

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for it, through times in which the control plane is away."""

        def holds() -> bool:
            with suppress(ShipwayError):
                return condition()
            return False

        wait_for(holds, what)

    def is_whole(self) -> bool:
        """Whether every task that serves is ready, and nothing is under way."""
        environment = self.environment()
        services = environment["services"]
        return environment["rollout"] is None and all(service["ready"] >= service["wanted"] for service in services)

    # -- what people do ------------------------------------------------------------------------------------------

    def up(self) -> None:
        """`shipway up --detach`, which is no error where it runs."""
        self.app.stage.shipway("up", "--detach").answer()

    def down(self, *words: str) -> None:
        """`shipway down`."""
        self.app.stage.shipway("down", "--yes", *words).answer()

    def _ours(self) -> list[psutil.Process]:
        return processes_in(self.app.stage.folder)

    def _haproxies(self) -> list[psutil.Process]:
        return [process for process in self._ours() if self._is_haproxy(process)]

    @staticmethod
    def _is_haproxy(process: psutil.Process | None) -> bool:
        with suppress(psutil.NoSuchProcess):
            return process is not None and "haproxy" in process.name()
        return False


def send(processes: list[psutil.Process], number: signal.Signals) -> None:
    """A signal to each that is still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
