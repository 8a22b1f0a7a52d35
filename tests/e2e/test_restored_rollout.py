"""A canary under way while everything is stopped and started again, under load."""

from __future__ import annotations

import os
import signal

import psutil
import pytest

from tests.e2e.clients import Clients
from tests.e2e.conftest import Shipway
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e


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
        before = len(clients.statuses)
        shipway.up()
        wait_for(lambda: not shipway.json("run", "show", run["id"])["run"]["live"])
    assert "succeeded" == shipway.json("run", "show", run["id"])["run"]["status"]
    assert [] == [answer for answer in clients.statuses[before:] if answer >= 500]
