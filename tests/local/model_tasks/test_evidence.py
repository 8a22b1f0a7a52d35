"""What speaks for or against two sides' models, from the files that their services captured to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shipway.core.description.app import App
from shipway.core.observations.losses import Losses
from shipway.core.observations.observation import Side
from shipway.core.releases.release import Artifact, BakedModel, Release
from shipway.core.rollouts.records import SideRecord
from shipway.local.model_tasks import evidence as model_evidence
from shipway.local.model_tasks.evidence import LossReader, ModelEvidence
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.places import Places
from shipway.local.sides import Sides
from shipway.local.state.store import Store
from shipway.local.tasks.task_specs import TaskSpecs
from shipway.monitor.labelled_losses import labelled_losses


def app(**env: str) -> App:
    """Services with a model, which capture as `env` says."""
    return App.model_validate(
        {
            "app": "hello",
            "services": {
                "ml": {"path": "ml", "command": "run", "model": True, "routes": ["/*"], "env": env},
                "again": {"path": "again", "command": "run", "model": True, "env": env},
                "third": {"path": "third", "command": "run", "model": True, "env": env},
            },
            "model": {"name": "m"},
            "environments": {
                name: {"branch": name, "port": port, "tasks": {"min": 1, "max": 1}, "rollout": {"strategy": "blue_green"}}
                for name, port in (("prod", 8080), ("dev", 8081))
            },
        }
    )  # fmt: skip


CAPTURES = {"ENDPOINT_NAME": "m-{environment}", "CAPTURE": "file://{buckets}/monitoring bucket"}


class Place:
    """Two environments with v1.0 on blue and v1.1 on green, and their monitoring bucket."""

    def __init__(self, folder: Path, described: App, read: LossReader = labelled_losses) -> None:
        places = Places(folder, folder)
        self.folder, self.now = places.state / "monitoring bucket", time.time()
        self.described, self.store = described, Store(folder / "state.db")
        nothing: Any = None
        specs = TaskSpecs(places, nothing, nothing, FileParameters(folder / "parameters"))
        self.evidence = ModelEvidence(Sides(self.store), nothing, specs, read)
        self.serve("blue", "v1.0", "ml")
        self.serve("green", "v1.1", "ml")

    def serve(self, side: Side, version: str, *services: str, **baked: str) -> None:
        models = {service: BakedModel(version, "digest") for service, version in baked.items()}
        artifacts = {
            service: Artifact(service, "0" * 64, "/tree", model=models.get(service)) for service in (*services, *models)
        }
        self.store.put(side, Release(side, "c", self.described, artifacts, version, "digest"))
        for environment in self.described.environments:
            self.store.put(f"{environment}-{side}", SideRecord(environment, side, side, 1))

    def losses(self, since: float = 60) -> Mapping[Side, Losses]:
        """Those from so many seconds ago on, once they have been read."""
        self.evidence.losses("prod", self.now - since)
        for thread in threading.enumerate():
            if thread.name == "losses":
                thread.join(60)
        return self.evidence.losses("prod", self.now - since)

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
    assert expected == place.losses()


def test_files_are_not_read_at_each_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rollout looks several times a second; labels come by the hour. Another rollout looks for itself."""
    place = Place(tmp_path, app(**CAPTURES))
    place.predicted("v1-0", "a", 1.0)
    place.came_true("z")
    assert 0 == place.losses()["blue"].count
    place.came_true("a")
    assert 0 == place.losses()["blue"].count
    assert 1 == place.losses(since=50)["blue"].count
    monkeypatch.setattr(model_evidence, "LOSSES_AGE", -1.0)
    assert 1 == place.losses()["blue"].count


def test_nobody_waits_for_the_files(tmp_path: Path) -> None:
    """Reading may take seconds: whoever looks meanwhile gets what is known, and no second reading begins."""
    began, goes_on = threading.Semaphore(0), threading.Event()

    def read(bucket: Path, endpoint: str, variants: Collection[str], since: float, until: float) -> dict[str, Losses]:
        began.release()
        assert goes_on.wait(60)
        return dict.fromkeys(variants, Losses(1, 0.5, 0.25))

    place = Place(tmp_path, app(**CAPTURES), read)
    assert [{}] * 3 == [place.evidence.losses("prod", 0.0) for _ in range(3)]
    assert began.acquire(timeout=60)
    assert not began.acquire(blocking=False)
    goes_on.set()
    assert dict.fromkeys(("blue", "green"), Losses(1, 0.5, 0.25)) == place.losses(place.now)


def test_environments_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Rollouts in two of them at once read their own files once each, not at every look again."""
    read: list[tuple[str, ...]] = []

    def count(bucket: Path, endpoint: str, variants: Collection[str], since: float, until: float) -> dict[str, Losses]:
        read.append((endpoint, *variants))
        return {}

    place = Place(tmp_path, app(**CAPTURES), count)
    for _ in range(3):
        place.evidence.losses("dev", place.now - 60)
        place.losses()
    assert [(f"m-{name}", variant) for name in ("dev", "prod") for variant in ("v1-0", "v1-1")] == sorted(read)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reading_that_fails_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with the files, the rollout hears nothing of it, and the next reading may do better."""
    faults = [OSError("the disk is gone")]

    def read(bucket: Path, endpoint: str, variants: Collection[str], since: float, until: float) -> dict[str, Losses]:
        if faults:
            raise faults.pop()
        return dict.fromkeys(variants, Losses(1, 0.5, 0.25))

    monkeypatch.setattr(model_evidence, "LOSSES_AGE", -1.0)
    place = Place(tmp_path, app(**CAPTURES), read)
    assert {} == place.evidence.losses("prod", place.now - 60)
    assert 1 == place.losses()["blue"].count


def test_services_that_capture_into_one_place(tmp_path: Path) -> None:
    """Their rows are counted once: the same label twice would be no more certain."""
    place = Place(tmp_path, app(**CAPTURES))
    place.serve("green", "v1.1", "ml", "again")
    place.predicted("v1-1", "b", 0.5)
    place.came_true("b")
    assert Losses(1, 0.25, 0.0625) == place.losses()["green"]


def test_models_that_both_sides_serve_say_nothing(tmp_path: Path) -> None:
    """Only what differs is compared, and several models of a side together."""
    place = Place(tmp_path, app(**CAPTURES))
    place.serve("blue", "v1.0", "ml", again="v3.0")
    place.serve("green", "v1.1", "ml", again="v3.0", third="v4.0")
    for variant, id in (("v1-0", "a"), ("v1-1", "b"), ("v3-0", "c"), ("v4-0", "d")):
        place.predicted(variant, id, 0.5)
    place.came_true("a", "b", "c", "d")
    assert {"blue": 1, "green": 2} == {side: losses.count for side, losses in place.losses().items()}


@pytest.mark.parametrize("env", [{}, {"CAPTURE": "s3://bucket/prefix"}])
def test_a_service_that_captures_nowhere_here_has_none(tmp_path: Path, env: dict[str, str]) -> None:
    """Nothing is known then, which holds nothing up."""
    losses = Place(tmp_path, app(**env)).losses()
    assert [Losses(), Losses()] == [losses["blue"], losses["green"]]
