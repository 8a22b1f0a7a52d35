"""Which model versions the tasks of each side are to answer with, over a real store and real parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipway.core.contract.wanted import Shadow
from shipway.core.description.app import App
from shipway.core.experiments.experiment import Experiment
from shipway.core.observations.observation import Side
from shipway.core.releases.release import Artifact, BakedModel, Release
from shipway.core.rollouts.records import SideRecord
from shipway.core.tasks import TaskSpec
from shipway.local.model_tasks.parameters import FileParameters
from shipway.local.model_tasks.wanted_versions import WantedVersions
from shipway.local.places import Places
from shipway.local.sides import Sides
from shipway.local.state.store import Store
from shipway.local.tasks.supervisor import TaskStatus
from shipway.local.tasks.task_specs import TaskSpecs

ROLLOUT = {"strategy": "blue_green"}
APP = App.model_validate(
    {
        "app": "hello",
        "services": {
            "web": {"path": "web", "command": "run", "routes": ["/*"]},
            "ml": {"path": "ml", "command": "run", "model": True},
        },
        "model": {"name": "m"},
        "environments": {
            "prod": {"branch": "main", "port": 8080, "tasks": {"min": 1, "max": 1}, "rollout": ROLLOUT},
        },
    }
)
SPLIT = Experiment("prod", "v1.1", (("v1.2", 10.0),), Shadow("v1.3", 100.0))
READY = {"status": "ready", "model_version": "v1.1"}


class Tasks:
    """Stands for the supervisor: tasks that say what the test lets them say."""

    def __init__(self) -> None:
        self.said: dict[tuple[Side, str], tuple[str, dict[str, Any] | None]] = {}

    def tasks(self, environment: str, side: Side) -> list[TaskStatus]:
        return [self.status(*key) for key in self.said if key[0] == side]

    def check_now(self, id: str) -> TaskStatus:
        return next(self.status(*key) for key in self.said if id == f"{key[0]}-{key[1]}")

    def status(self, side: Side, service: str) -> TaskStatus:
        state, body = self.said[side, service]
        spec = TaskSpec(
            id=f"{side}-{service}", environment="prod", side=side, service=service, release="r1", artifact=Artifact("ml", "", ""),
            argv=(), env={}, port=1, ready_path="/ready", start_timeout=1, drain_timeout=1,
        )  # fmt: skip
        return TaskStatus(spec, None, state, 0, 0.0, "no answer", body)  # type: ignore[arg-type]


class Place:
    """Wanted versions of an environment with two sides."""

    def __init__(self, folder: Path) -> None:
        self.store, self.tasks = Store(folder / "state.db"), Tasks()
        self.parameters = FileParameters(folder / "parameters")
        nothing: Any = None
        specs = TaskSpecs(Places(folder, folder), nothing, nothing, self.parameters)
        supervisor: Any = self.tasks
        self.versions = WantedVersions(self.store, Sides(self.store), supervisor, self.parameters, specs)

    def run(self, side: Side, release: Release) -> None:
        self.store.put(release.id, release)
        self.store.put(f"prod-{side}", SideRecord("prod", side, release.id, 1))

    def text(self, side: Side) -> str | None:
        return self.parameters.get(f"/prod/{side}/model-version")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def release(id: str, model: str | None, baked: str | None = None) -> Release:
    """A release whose model comes from the bucket, or is baked in."""
    carried = BakedModel(baked, "digest") if baked else None
    artifacts = {name: Artifact(name, "0" * 64, "/tree") for name in APP.services}
    artifacts["ml"] = Artifact("ml", "0" * 64, "/tree", model=carried)
    return Release(id, "c", APP, artifacts, model, "digest", "schema")


def test_each_side_is_told_its_release_and_the_experiment_beside_it(place: Place) -> None:
    """A side with another model than the experiment began beside has that model alone; a side without a release nothing."""
    place.store.put("prod", SPLIT)
    place.run("blue", release("r1", "v1.1"))
    place.versions.assign("prod")
    assert (SPLIT.wanted.text(), None) == (place.text("blue"), place.text("green"))
    place.run("green", release("r2", "v1.2"))
    place.versions.assign("prod")
    assert (SPLIT.wanted.text(), "v1.2") == (place.text("blue"), place.text("green"))
    place.store.delete(Experiment, "prod")
    place.versions.assign("prod")
    assert ("v1.1", "v1.2") == (place.text("blue"), place.text("green"))


def test_a_side_that_is_made_ready_carries_the_experiment_on(place: Place) -> None:
    """A deploy of other code with the same model; what is retired is forgotten."""
    place.store.put("prod", SPLIT)
    place.versions.point("prod", "green", release("r3", "v1.1"))
    assert SPLIT.wanted.text() == place.text("green")
    place.versions.forget("prod", "green")
    assert place.text("green") is None


def test_a_parameter_that_says_so_already_is_left_alone(place: Place) -> None:
    """Tasks read it anew when it is replaced, so it is replaced for a reason only."""
    place.run("blue", release("r1", "v1.1"))
    place.versions.assign("prod")
    file = next((place.parameters._folder / "prod" / "blue").iterdir())
    before = file.stat().st_ino
    place.versions.assign("prod")
    assert before == file.stat().st_ino


def test_a_baked_model_has_no_parameter(place: Place) -> None:
    """And nobody waits for its tasks."""
    place.run("blue", release("r1", None, baked="v1.1"))
    place.tasks.said["blue", "ml"] = ("ready", READY)
    place.versions.assign("prod")
    assert (None, []) == (place.text("blue"), place.versions.lagging("prod"))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (READY | {"split": {"v1.2": 10.0}, "shadow": "v1.3"}, None),
        (READY, "serves model v1.1"),
        (READY | {"split": {"v1.2": 5.0}, "shadow": "v1.3"}, "serves model v1.1, split {'v1.2': 5.0}, shadow v1.3"),
        (READY | {"split": {"v1.2": 10.0}}, "serves model v1.1, split {'v1.2': 10.0}"),
        (READY | {"pending": {"version": "v1.2", "error": "v1.2: broken"}}, "refuses: v1.2: broken"),
        (None, "says no answer"),
    ],
)
def test_who_does_not_follow_is_named(place: Place, body: dict[str, Any] | None, said: str | None) -> None:
    """With what it says instead; services without a model have nothing to follow."""
    place.store.put("prod", SPLIT)
    place.run("blue", release("r1", "v1.1"))
    place.tasks.said = {("blue", "ml"): ("ready", body), ("blue", "web"): ("ready", {})}
    found = place.versions.lagging("prod")
    assert ([] if said is None else [("blue-ml", said)]) == [(task.task, task.says) for task in found]
    assert [said is not None and said.startswith("refuses")] * len(found) == [task.refuses for task in found]


def test_a_task_that_only_starts_is_not_waited_for(place: Place) -> None:
    """It reads the parameter when it comes up."""
    place.store.put("prod", SPLIT)
    place.run("blue", release("r1", "v1.1"))
    place.tasks.said["blue", "ml"] = ("starting", None)
    assert ([], []) == (place.versions.lagging("prod"), place.versions.figures("prod"))
