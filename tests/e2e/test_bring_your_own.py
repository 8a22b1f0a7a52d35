"""An app that is not the example, with no model and one file, from commit to production and back."""

from __future__ import annotations

import urllib.request

import pytest

from tests.e2e.clients import Clients
from tests.e2e.conftest import Shipway
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e


def test_from_commit_to_production_and_back(shipway: Shipway) -> None:
    """Two releases, a canary between them, a rollback: clients notice nothing but the new answer."""
    shipway.up()
    first = shipway.release()
    assert "succeeded" == first["status"]
    with Clients(shipway.ports["prod"]) as clients:
        shipway.answer_with("good day", "greet politely")
        assert "succeeded" == shipway.release()["status"]
        assert "r2" == shipway.environment("prod")["release"]
        wait_for(lambda: any(seen[-1] == "r2" for seen in clients.releases.values()))
        shipway.run("rollback", "--env", "prod", "--why", "test", "--yes")
        assert "r1" == shipway.environment("prod")["release"]
    assert [] == clients.failures
    assert clients.sent > 100
    for seen in clients.releases.values():
        changes = [b for a, b in zip(["r1", *seen], seen, strict=False) if a != b]
        assert changes in ([], ["r2"], ["r2", "r1"]), "a device met the candidate, left it and met it again"
    actions = [entry["action"] for entry in shipway.json("audit")["entries"]]
    assert {"deploy", "approved", "rollback", "promoted"} <= set(actions)


def test_bad_commit_is_taken_back_by_itself(shipway: Shipway) -> None:
    """A commit that fails half of its requests is rolled back: exit code 4, stable's clients see nothing."""
    shipway.up()
    shipway.release()
    code = """
    global count
    count = globals().get("count", 0) + (path == "/")
    # What fails, fails for clients alone: neither readiness nor the probes ask for this path.
    bad = path == "/" and count % 2
    return (500, "broken") if bad else (200, f"{ANSWER} from {os.environ['SHIPWAY_RELEASE']}")
    """
    with Clients(shipway.ports["prod"]) as clients:
        wait_for(lambda: clients.sent > 30)
        shipway.behave(code, "fail half of the requests")
        run = shipway.deploy()
        done = shipway.run("approve", run["id"], "--why", "looks fine", "--yes", expect=4)
        assert "rolled back" in done.stdout + done.stderr
    assert {"500 r2"} >= set(clients.failures)
    prod = shipway.environment("prod")
    assert ("r1", None) == (prod["release"], prod["rollout"])
    assert "failed" in shipway.json("run", "show", run["id"])["run"]["reason"]


def test_crash_at_start_fails_at_once_with_the_reason(shipway: Shipway) -> None:
    """A task that exits before it is ready ends the rollout with its last log lines."""
    shipway.up()
    shipway.release()
    (shipway.root / "hello" / "app.py").write_text("raise RuntimeError('no such table: flights')\n")
    shipway.commit("crash at start")
    done = shipway.run("deploy", expect=4)
    assert "no such table: flights" in done.stdout + done.stderr
    assert "r1" == shipway.environment("dev")["release"]


def test_daemon_killed_in_the_middle_of_a_rollout(shipway: Shipway) -> None:
    """After kill -9 nothing is lost: clients go on, and the next daemon brings the rollout to its end."""
    shipway.description["environments"]["prod"]["rollout"]["step_wait"] = 2
    shipway.commit("slower steps")
    shipway.up()
    shipway.release()
    shipway.answer_with("good day", "greet politely")
    with Clients(shipway.ports["prod"]) as clients:
        run = shipway.deploy()
        shipway.run("approve", run["id"], "--why", "test", "--yes", "--detach")
        wait_for(lambda: (shipway.environment("prod")["rollout"] or {}).get("phase") == "shifting")
        shipway.kill_daemon()
        seen = clients.sent
        wait_for(lambda: clients.sent > seen + 50)
        shipway.up()
        wait_for(lambda: shipway.environment("prod")["release"] == "r2")
    assert [] == clients.failures
    assert "succeeded" == shipway.json("run", "show", run["id"])["run"]["status"]


def test_down_and_up_again_bring_everything_back(shipway: Shipway) -> None:
    """What served before `down` serves after `up`."""
    shipway.up()
    shipway.release()
    shipway.run("down", "--yes")
    wait_for(lambda: not shipway.processes())
    shipway.up()
    wait_for(lambda: shipway.environment("prod")["services"][0]["ready"] == 2)
    with urllib.request.urlopen(f"http://127.0.0.1:{shipway.ports['prod']}/", timeout=10) as answer:
        assert "hello from r1" == answer.read().decode()
