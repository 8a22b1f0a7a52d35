"""What speaks for or against two sides' models, from the files that their services captured to."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipway.core.description import App
from shipway.core.losses import Losses
from shipway.core.observation import Side
from shipway.core.places import Places
from shipway.core.records import SideRecord
from shipway.core.release import Artifact, Release
from shipway.local import model_evidence
from shipway.local.model_evidence import LocalModelEvidence
from shipway.local.parameters import FileParameters
from shipway.local.store import Store
from shipway.local.task_specs import TaskSpecs
from shipway.monitor.labelled_losses import labelled_losses


def app(**env: str) -> App:
    """One service with a model, which captures as `env` says."""
    return App.model_validate(
        {
            "app": "hello",
            "services": {"ml": {"path": "ml", "command": "run", "model": True, "routes": ["/*"], "env": env}},
            "model": {"name": "m"},
            "environments": {
                "prod": {
                    "branch": "main", "port": 8080, "tasks": {"min": 1, "max": 1}, "rollout": {"strategy": "blue_green"}
                },
            },
        }
    )  # fmt: skip


CAPTURES = {"ENDPOINT_NAME": "m-{environment}", "CAPTURE": "file://{buckets}/monitoring bucket"}


class Place:
    """An environment with v1.0 on blue and v1.1 on green, and its monitoring bucket."""

    def __init__(self, folder: Path, described: App) -> None:
        places = Places(folder, folder)
        self.folder, self.now = places.state / "monitoring bucket", time.time()
        store = Store(folder / "state.db")
        nothing: Any = None
        specs = TaskSpecs(places, nothing, nothing, FileParameters(folder / "parameters"))
        self.evidence = LocalModelEvidence(store, nothing, specs, labelled_losses)
        sides: dict[Side, str] = {"blue": "v1.0", "green": "v1.1"}
        for side, version in sides.items():
            artifacts = {"ml": Artifact("ml", "0" * 64, "c", "/tree")}
            store.put(version, Release(version, "c", described, artifacts, version, "digest"))
            store.put(f"prod-{side}", SideRecord("prod", side, version, 1))

    def write(self, place: str, *documents: dict[str, Any]) -> None:
        folder = self.folder / place / f"{datetime.fromtimestamp(self.now, UTC):%Y/%m/%d/%H}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "00-00-a.jsonl").write_text("".join(json.dumps(document) + "\n" for document in documents))

    def predicted(self, variant: str, id: str, prediction: float) -> None:
        at = f"{datetime.fromtimestamp(self.now, UTC):%Y-%m-%dT%H:%M:%SZ}"
        output = {"data": json.dumps({"predictions": [prediction]}), "encoding": "JSON"}
        event = {"eventId": id, "inferenceTime": at}
        self.write(f"m-prod/{variant}", {"captureData": {"endpointOutput": output}, "eventMetadata": event})

    def came_true(self, *ids: str) -> None:
        truth = {"groundTruthData": {"data": "1", "encoding": "CSV"}}
        self.write("ground-truth/m-prod", *({**truth, "eventMetadata": {"eventId": id}} for id in ids))


def test_each_side_has_the_losses_of_its_version(tmp_path: Path) -> None:
    """Captured where the service's own variables say, labelled beside it."""
    place = Place(tmp_path, app(**CAPTURES))
    place.predicted("v1-0", "a", 1.0)
    place.predicted("v1-1", "b", 0.5)
    place.came_true("a", "b")
    expected: dict[Side, Losses] = {"blue": Losses(1, 0.0, 0.0), "green": Losses(1, 0.25, 0.0625)}
    assert expected == place.evidence.losses("prod", place.now - 60)


def test_files_are_not_read_at_each_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout looks several times a second; labels come by the hour. Another rollout looks for itself."""
    place = Place(tmp_path, app(**CAPTURES))
    place.predicted("v1-0", "a", 1.0)
    place.came_true("z")
    assert 0 == place.evidence.losses("prod", place.now - 60)["blue"].count
    place.came_true("a")
    assert 0 == place.evidence.losses("prod", place.now - 60)["blue"].count
    assert 1 == place.evidence.losses("prod", place.now - 50)["blue"].count
    monkeypatch.setattr(model_evidence, "LOSSES_AGE", -1.0)
    assert 1 == place.evidence.losses("prod", place.now - 60)["blue"].count


@pytest.mark.parametrize("env", [{}, {"CAPTURE": "s3://bucket/prefix"}])
def test_a_service_that_captures_nowhere_here_has_none(tmp_path: Path, env: dict[str, str]) -> None:
    """Nothing is known then, which holds nothing up."""
    assert {} == Place(tmp_path, app(**env)).evidence.losses("prod", 0.0)
