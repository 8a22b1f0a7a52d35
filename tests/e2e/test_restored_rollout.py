"""A canary under way while everything is stopped and started again, under load."""

from __future__ import annotations

import os
import signal
import threading
import urllib.error
import urllib.request

import psutil
import pytest

from tests.e2e.conftest import Shipway, wait_for

pytestmark = pytest.mark.e2e


class Clients:
    """Asks again and again until told to stop; counts what was answered with what."""

    def __init__(self, port: int) -> None:
        self.answers: list[int] = []
        self._url, self._stop = f"http://127.0.0.1:{port}/", threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.01):
            try:
                with urllib.request.urlopen(self._url, timeout=5) as answer:
                    self.answers.append(answer.status)
            except urllib.error.HTTPError as error:
                self.answers.append(error.code)
                error.close()
            except OSError:
                self.answers.append(0)


def kill_everything(app: Shipway) -> None:
    """`kill -9` of all that runs of the app, as when the machine goes down."""
    for process in psutil.process_iter(["cmdline", "cwd", "environ"]):
        line, inside = " ".join(process.info["cmdline"] or []), (process.info["cwd"] or "").startswith(str(app.root))
        if process.pid != os.getpid() and (inside or str(app.root) in line):
            process.send_signal(signal.SIGKILL)
    wait_for(lambda: not app.processes())


def test_a_restart_is_not_held_against_the_candidate(shipway: Shipway) -> None:
    """Its canary goes on after `up`, and is promoted; clients meet no refusal of a router that has no tasks yet."""
    del shipway.description["environments"]["dev"]
    for key in ("after", "approval"):
        del shipway.description["environments"]["prod"][key]
    rollout = {"strategy": "canary", "steps": [50], "step_wait": 2, "bake": 0, "guard": {"min_requests": 30}}
    shipway.commit("first")
    shipway.up()
    shipway.deploy()
    shipway.description["environments"]["prod"]["rollout"] = rollout
    shipway.answer_with("again", "second")
    shipway.up()
    run = shipway.json("deploy", "--detach")["run"]
    with Clients(shipway.ports["prod"]) as clients:
        wait_for(lambda: (shipway.environment("prod")["rollout"] or {}).get("phase") == "shifting")
        kill_everything(shipway)
        before = len(clients.answers)
        shipway.up()
        wait_for(lambda: not shipway.json("run", "show", run["id"])["run"]["live"], 60)
    assert "succeeded" == shipway.json("run", "show", run["id"])["run"]["status"]
    assert [] == [answer for answer in clients.answers[before:] if answer >= 500]
