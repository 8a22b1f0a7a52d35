"""What is old goes, what serves stays: through the command line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.conftest import Shipway

pytestmark = pytest.mark.e2e


def _age(path: Path) -> None:
    os.utime(path, (0, 0))


def test_prune_removes_old_builds_and_leaves_what_serves(shipway: Shipway) -> None:
    """Two of three releases are kept by the policy; the oldest one's artifact goes, and is built anew when asked for."""
    del shipway.description["environments"]["prod"]
    shipway.description["environments"]["dev"]["branch"] = "main"
    shipway.description["environments"]["dev"]["rollout"] = {"strategy": "all_at_once", "bake": 0, "keep_warm": 0}
    shipway.description["retention"] = {"releases": 2, "builds": "1h"}
    first = shipway.commit("retention")
    shipway.up()
    shipway.deploy()
    for text in ("two", "three"):
        shipway.answer_with(text, text)
        shipway.deploy()
    artifacts = shipway.root / ".shipway" / "artifacts"
    for artifact in artifacts.iterdir():
        _age(artifact)
    planned = shipway.json("prune", "--dry-run")
    assert (["artifact"], False) == ([item["kind"] for item in planned["items"]], planned["removed"])
    assert 3 == len([path for path in artifacts.iterdir() if path.is_dir()])
    done = shipway.json("prune", "--yes")
    assert (planned["items"][0]["path"], True) == (done["items"][0]["path"], done["removed"])
    assert 2 == len([path for path in artifacts.iterdir() if path.is_dir()])
    assert done["usage"]["bytes"]["all"] == shipway.json("status")["disk"]["bytes"]["all"]
    assert "prune" == shipway.json("audit")["entries"][0]["action"]
    assert "nothing is older" in shipway.run("prune", "--yes").stdout
    assert "succeeded" == shipway.json("deploy", first)["run"]["status"]
