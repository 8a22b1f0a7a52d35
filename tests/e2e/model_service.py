"""An app that is the example's model service alone."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from tests.e2e.conftest import Shipway
from tests.parts import ROOT
from tests.waiting import wait_for

CONTRACT = "src/shipway/core/contract"
SERVICE: dict[str, Any] = {
    "path": "ml-model-service", "include": [CONTRACT], "model": True, "routes": ["/*"], "ready": "/ready",
    "command": "python -m ml_model_service --host 127.0.0.1 --port {port}",
    "probes": [{"method": "POST", "path": "/predict", "body": {"instances": [{"temp": 10}]}}],
}  # fmt: skip
"""Its entry in `services`."""


def copy_model_service(app: Shipway) -> None:
    """Let the app's folder have the model service as it lies here, in place of the service that it had."""
    shutil.rmtree(app.root / "hello")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "ml-model-service"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in listed.stdout.split():
        if "/tests/" not in name and (ROOT / name).exists():
            (app.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, app.root / name, follow_symlinks=False)
    shutil.copytree(ROOT / CONTRACT, app.root / CONTRACT, ignore=shutil.ignore_patterns("__pycache__"))
    # The environments that the parts' own tests run in: made once for all of them.
    (ROOT / ".venv" / "parts").mkdir(parents=True, exist_ok=True)
    (app.root / ".shipway").mkdir(exist_ok=True)
    (app.root / ".shipway" / "environments").symlink_to(ROOT / ".venv" / "parts")


def begin_with(app: Shipway, version: str) -> None:
    """Start it, and deploy it with this version."""
    app.up()
    app.run("model", "promote", version, "--yes")
    assert "succeeded" == app.deploy()["status"]


def end(app: Shipway) -> None:
    """Leave none of its processes behind."""
    app.run("up", "--detach", expect=None)
    app.run("down", "--yes", expect=None)
    wait_for(lambda: not app.processes())
