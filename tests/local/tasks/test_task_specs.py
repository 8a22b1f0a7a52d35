"""What a task is started with, as the description says."""

from __future__ import annotations

from pathlib import Path

from shipway.core.description.app import App
from shipway.core.features.record import Record
from shipway.core.releases.release import Artifact, Release
from shipway.local.builds.address import Address
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.local.features.online_store import OnlineStore
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.places import Places
from shipway.local.router.router import Router
from shipway.local.tasks.task_specs import TaskSpecs

APP = App.model_validate({
    "app": "shop",
    "services": {"web": {"path": "web", "command": "web {port}", "routes": ["/*"], "feature_store": "FEATURES"}},
    "environments": {
        "dev": {"branch": "main", "port": 8081, "tasks": {"min": 1, "max": 1}, "rollout": {"strategy": "rolling"}}
    },
})  # fmt: skip


def test_a_task_gets_the_address_of_its_environments_feature_store(tmp_path: Path) -> None:
    """It is where the store keeps what is put into that environment."""
    places = Places(tmp_path, tmp_path)
    environments, parameters = PythonEnvironments(tmp_path / "e"), FileParameters(tmp_path / "p")
    specs = TaskSpecs(places, environments, Router(tmp_path / "r", tmp_path), parameters)
    release = Release("r7", "c1", APP, {"web": Artifact("web", "0" * 64, Address(str(tmp_path)).text())})
    address = specs.make("dev", "blue", release, "web", 1).env["FEATURES"]
    OnlineStore(places.state).put("dev", [Record("weather", "JFK", 1.0)])
    assert address.startswith("file:///")
    assert Path(address.removeprefix("file://")).is_file()
