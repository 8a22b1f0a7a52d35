"""A model version on its ways to production: pointer, canary, release, baked in; and back."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.clients import Clients
from tests.e2e.conftest import Shipway
from tests.e2e.model_app import SCHEMA, predicting, publish, state_of
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e


class Devices(Clients):
    """The clients, whose answers tell a model version instead of a release."""

    def says(self, text: str, release: str) -> bool:
        return "prediction" in json.loads(text)


def served(shipway: Shipway) -> str:
    """The version that prod answers with."""
    with urllib.request.urlopen(f"http://127.0.0.1:{shipway.ports['prod']}/ready", timeout=10) as answer:
        version: str = json.loads(answer.read())["model_version"]
        return version


def test_the_life_of_a_version(shipway: Shipway) -> None:
    """A good canary takes over, a shifted one is taken back by itself; decisions hold; nobody notices a thing."""
    predicting(shipway, model=True)
    publish(shipway, 0.3, "v1.0")
    shipway.run("model", "promote", "v1.0", "--why", "first")
    assert "succeeded" == shipway.deploy()["status"]
    publish(shipway, 0.301, "v1.1")
    publish(shipway, 0.8, "v1.2")
    with Devices(shipway.ports["prod"]) as clients:
        assert "model v1.1 as a canary" in shipway.run("model", "promote", "v1.1", "--canary", "--why", "better").stdout
        assert ("v1.1", "r2") == (served(shipway), shipway.environment("prod")["release"])
        bad = shipway.json("model", "promote", "v1.2", "--canary", "--why", "bolder", expect=4)
        assert "predictions shifted by more than" in bad["run"]["reason"]
        assert "v1.1" == served(shipway)
        shipway.run("model", "reject", "v1.2", "--why", "predicts far too much")
        refused = shipway.run("model", "promote", "v1.2", expect=3)
        assert "predicts far too much" in refused.stderr
        shipway.run("model", "rollback", "--why", "compare")
        assert "v1.0" == served(shipway)
        shipway.run("rollback", "--env", "prod", "--why", "that was it", "--yes")
        assert "v1.1" == served(shipway)
    assert [] == clients.failures
    assert clients.sent > 200
    assert [("approved", []), ("approved", ["prod"]), ("rejected", [])] == [
        state_of(shipway, version) for version in ("v1.0", "v1.1", "v1.2")
    ]
    shown = shipway.json("model", "show", "v1.1")
    assert ["promoted: better"] == [entry["why"] for entry in shown["metadata"]["approval_history"]]
    assert [("r2", False), ("r2", True)] == [(one["release"], one["until"] is None) for one in shown["served"]]
    said = shipway.run("model", "show", "v1.1").stdout
    assert "SERVED IN  RELEASE" in said
    actions = [entry["action"] for entry in shipway.json("audit")["entries"]]
    assert {"promote model", "reject model", "rolled back"} <= set(actions)


def test_a_canary_outlives_the_daemon(shipway: Shipway) -> None:
    """After kill -9 in the middle the next daemon goes on with the same rollout, and it stays a canary."""
    predicting(shipway, model=True)
    shipway.description["environments"]["prod"]["rollout"]["step_wait"] = 2
    shipway.commit("slower steps")
    publish(shipway, 0.3, "v1.0")
    shipway.run("model", "promote", "v1.0", "--why", "first")
    shipway.deploy()
    publish(shipway, 0.301, "v1.1")
    with Devices(shipway.ports["prod"]) as clients:
        run = shipway.json("model", "promote", "v1.1", "--canary", "--detach")["run"]
        wait_for(lambda: (shipway.environment("prod")["rollout"] or {}).get("phase") == "shifting")
        shipway.kill_daemon()
        shipway.up()
        wait_for(lambda: not shipway.json("run", "show", run["id"])["run"]["live"])
    assert [] == clients.failures
    whole = shipway.json("run", "show", run["id"])
    assert ("succeeded", ["rollout"]) == (whole["run"]["status"], [rollout["kind"] for rollout in whole["rollouts"]])
    assert "v1.1" == served(shipway)


def test_a_canary_without_clients_says_what_it_waits_for(shipway: Shipway, tmp_path: Path) -> None:
    """Who follows it reads how many requests and predictions it lacks, and so does `status`; clients let it pass."""
    predicting(shipway, model=True, health="/ready")
    publish(shipway, 0.3, "v1.0")
    shipway.run("model", "promote", "v1.0", "--why", "first")
    shipway.deploy()
    publish(shipway, 0.301, "v1.1")
    lacks = "waits for clients: 0 of 50 requests, 0 of 60 predictions, stable 0 of 60; else rolls back in "
    out, err = tmp_path / "out", tmp_path / "err"
    with out.open("w") as results, err.open("w") as rest:
        follower = subprocess.Popen(
            [sys.executable, "-m", "shipway", "model", "promote", "v1.1", "--canary", "--json"],
            cwd=shipway.root, stdin=subprocess.DEVNULL, stdout=results, stderr=rest,
        )  # fmt: skip
    try:
        wait_for(lambda: f"  · prod: step 1 of 2 (50 %) {lacks}" in err.read_text())
        assert f"\n      {lacks}" in shipway.run("status").stdout
        waiting = shipway.environment("prod")["rollout"]["waiting"]
        assert ([0, 0, 0], "rollback") == ([count["seen"] for count in waiting["counts"]], waiting["then"])
        assert waiting["until"] == pytest.approx(waiting["holds_from"] + 120)
        with Devices(shipway.ports["prod"]) as clients:
            assert 0 == follower.wait(60)
    finally:
        follower.kill()
        follower.wait()
    assert [] == clients.failures
    told = [line for line in err.read_text().splitlines() if "waits for" in line]
    assert 1 <= len(told) <= 8
    assert "succeeded" == json.loads(out.read_text())["run"]["status"]
    assert (None, "v1.1") == (shipway.environment("prod")["rollout"], served(shipway))


def test_a_version_that_takes_other_requests_comes_with_a_release(shipway: Shipway) -> None:
    """It can't be swapped in; new releases take it, and bring it by a rollout."""
    predicting(shipway, model=True)
    publish(shipway, 0.3, "v1.0")
    shipway.run("model", "promote", "v1.0", "--why", "first")
    shipway.deploy()
    publish(shipway, 0.3, "v2.0", {**SCHEMA, "features": [{"name": "y", "type": "number", "nullable": True}]})
    refused = shipway.run("model", "promote", "v2.0", expect=3)
    assert "y is new; x is gone" in refused.stderr
    assert "shipway model promote v2.0 --next-release" in refused.stderr
    shipway.run("model", "promote", "v2.0", "--next-release", "--why", "another input")
    assert "v1.0" == served(shipway)
    with Devices(shipway.ports["prod"]) as clients:
        run = shipway.deploy()
    assert [] == clients.failures
    assert "succeeded" == run["status"]
    assert "v2.0" == served(shipway)
    assert ["rollout"] == [rollout["kind"] for rollout in shipway.json("run", "show", run["id"])["rollouts"]]


def test_a_version_baked_in_goes_through_the_pipeline(shipway: Shipway) -> None:
    """Committed beside the code it is built, rolled out, read back and rolled back with it."""
    predicting(shipway, baked="models")
    refused = shipway.json("deploy", expect=3)["run"]
    assert "hello has no models/metadata.json" in refused["reason"]
    publish(shipway, 0.3, "v1.0")
    publish(shipway, 0.31, "v1.1")
    assert "✔ model v1.0 lies in hello/models" in shipway.run("model", "bake", "v1.0").stdout
    shipway.commit("bake v1.0")
    assert "succeeded" == shipway.deploy()["status"]
    assert ("v1.0", "v1.0") == (served(shipway), shipway.environment("prod")["model_version"])
    with Devices(shipway.ports["prod"]) as clients:
        shipway.run("model", "bake", "v1.1")
        shipway.commit("bake v1.1")
        run = shipway.deploy()
        assert ("succeeded", "v1.1") == (run["status"], served(shipway))
        shipway.run("rollback", "--env", "prod", "--why", "test", "--yes")
    assert [] == clients.failures
    assert "v1.0" == served(shipway)
    assert ("pending", ["prod"]) == state_of(shipway, "v1.0")
