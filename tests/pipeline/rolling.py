"""Releases that are rolled out to dev, straight to the rollouts: no run is around them."""

from __future__ import annotations

from shipway.core.description.app import App
from shipway.core.releases.release import Artifact, Release
from shipway.core.rollouts.records import RolloutRecord
from tests.pipeline.house import DESCRIPTION, House

ROLLING = {"strategy": "rolling", "step_wait": 0, "bake": 0}
CANARY = {"strategy": "canary", "steps": [10, 50], "step_wait": 0, "bake": 0}


def release(id: str, policy: dict[str, object]) -> Release:
    dev = DESCRIPTION["environments"]["dev"] | {"tasks": {"min": 2, "max": 2}, "rollout": policy}
    app = App.model_validate(DESCRIPTION | {"environments": {"dev": dev}})
    return Release(id, id, app, {"hello": Artifact("hello", id.ljust(64, "0"), "/tree")}, "v1.0", "d", "schema")


def roll_out(house: House, new: Release, *, back: bool = False) -> RolloutRecord:
    """Take dev to the release, or go on with that. The way back has a name of its own."""
    house.store.put(new.id, new)
    id = f"{'back to' if back else 'to'} {new.id}"
    with house.rollouts.entered("dev", id, "1", lambda: None):
        return house.rollouts.roll_out(id, "dev", new, run="1", by="ann", back=back)
