"""Several commits one after the other, without waiting for the one before."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest

from tests.e2e.conftest import Shipway
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e
COMMITS = 20


def served(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        text: str = answer.read().decode()
        return text


def ended(shipway: Shipway) -> list[dict[str, Any]]:
    """All runs, oldest first, once none is live."""
    wait_for(lambda: not any(run["live"] for run in shipway.json("runs", "--lines", "100")["runs"]), seconds=180)
    return sorted(shipway.json("runs", "--lines", "100")["runs"], key=lambda run: int(run["id"]))


def test_the_last_commit_of_a_burst_serves(shipway: Shipway) -> None:
    """Twenty commits in a row: the last one ends up in production, and no older one ever follows a newer one."""
    prod = shipway.description["environments"]["prod"]
    del shipway.description["environments"]["dev"], prod["after"], prod["approval"]
    prod |= {"tasks": {"min": 1, "max": 1}, "rollout": {"strategy": "all_at_once", "bake": 0, "keep_warm": 0}}
    shipway.commit("prod alone")
    shipway.up()
    for number in range(COMMITS):
        shipway.answer_with(f"commit {number}", f"number {number}")
        shipway.run("deploy", "--detach")
    runs = ended(shipway)
    assert served(shipway.ports["prod"]).startswith(f"commit {COMMITS - 1} from ")
    assert {"succeeded", "superseded"} >= {run["status"] for run in runs}
    audit = [entry for entry in shipway.json("audit", "--lines", "1000")["entries"] if entry["action"] == "promoted"]
    order = [int(entry["detail"]["release"][1:]) for entry in sorted(audit, key=lambda entry: entry["number"])]
    commits = {release["id"]: release["commit"] for release in shipway.json("releases", "--lines", "100")["releases"]}
    numbers = {run["commit"]: int(run["id"]) for run in runs}
    entered = [numbers[commits[f"r{number}"]] for number in order]
    assert sorted(entered) == entered
