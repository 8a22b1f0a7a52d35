"""A real model service behind the real command line: splits, shadows, and what the platform does about bad candidates."""

from __future__ import annotations

import collections
import hashlib
import http.client
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import PATIENCE, Callers
from tests.e2e.conftest import Shipway
from tests.e2e.model_service import SERVICE, begin_with, copy_model_service, end
from tests.waiting import wait_for

pytestmark = pytest.mark.e2e

SCHEMA = {
    "features": [{"name": "temp", "type": "number", "minimum": 0, "maximum": 100, "nullable": False}],
    "output": {"name": "probability", "description": "chance of a late flight"},
}
TREE = """Tree=0
num_leaves=2
num_cat=0
split_feature=0
split_gain=1
threshold=50
decision_type=2
left_child=-1
right_child=-2
leaf_value={} {}
leaf_weight=1 1
leaf_count=1 1
internal_value=0
internal_weight=0
internal_count=2
is_linear=0
shrinkage=1


"""
MODEL = """tree
version=v4
num_class=1
num_tree_per_iteration=1
label_index=0
max_feature_idx=0
objective=binary sigmoid:1
feature_names=temp
feature_infos=[0:100]
tree_sizes={}

{}end of trees
"""
# Scores of a cold and of a hot day. v1.2 is as good as v1.1, v1.3 is always sure, v1.4 has no answer to hot days.
VERSIONS = {"v1.1": (-0.4, 0.4), "v1.2": (-0.401, 0.401), "v1.3": (3.0, 4.0), "v1.4": (-0.4, math.nan)}


def publish(bucket: Path, version: str, cold: float, hot: float) -> None:
    """Lay a model of one decision into the bucket, as publishing does."""
    tree = TREE.format(cold, hot)
    text = MODEL.format(len(tree), tree).encode()
    canonical = json.dumps(SCHEMA, sort_keys=True, separators=(",", ":"))
    metadata = {
        "name": "late", "version": version, "trained_at": "2026-11-23T06:00:00Z", "dataset_version": "sha256:" + "0" * 64,
        "author": "ann", "metrics": {"auc": 0.7}, "hyperparameters": {},
        "approval": {"status": "pending", "by": None, "at": None, "why": None},
        "model_file": "model.txt", "model_format": "lightgbm-text",
        "files": {"model.txt": {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}},
        "feature_schema": SCHEMA,
        "feature_schema_digest": f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}",
        "golden": [{"instance": {"temp": 10}, "prediction": 1 / (1 + math.exp(-cold))}],
    }  # fmt: skip
    folder = bucket / version
    folder.mkdir(parents=True)
    (folder / "model.txt").write_bytes(text)
    (folder / "metadata.json").write_text(json.dumps(metadata))


class Devices(Callers):
    """Clients of the model service. Keeps who answered whom, and every answer that is not 200."""

    def __init__(self, port: int) -> None:
        super().__init__(4)
        self.answered: dict[str, list[str]] = collections.defaultdict(list)
        self.failures: list[str] = []
        self._port = port

    def forget(self) -> None:
        """Begin to watch anew."""
        self.answered, self.failures = collections.defaultdict(list), []

    def more(self, requests: int) -> None:
        """Wait until so many more were answered, on a clean sheet."""
        self.forget()
        wait_for(lambda: sum(map(len, list(self.answered.values()))) >= requests)

    @property
    def versions(self) -> collections.Counter[str]:
        """How often each version answered."""
        return collections.Counter(version for versions in list(self.answered.values()) for version in versions)

    def _call(self, number: int) -> None:
        chance = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        while not self._stop.wait(0.002):
            device = f"device-{number}-{chance.randrange(100)}"
            body = json.dumps({"instances": [{"temp": chance.randrange(100)}]})
            try:
                connection.request("POST", "/predict", body, {"x-device-id": device})
                answer = connection.getresponse()
                version, text = answer.headers["x-model-version"], answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            if answer.status != 200:
                self.failures.append(f"{answer.status} {text.decode()}")
            elif json.loads(text)["model_version"] != version:
                self.failures.append(f"{version} says {text.decode()}")
            self.answered[device].append(version or "none")
        connection.close()


@pytest.fixture(scope="module")
def shipway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipway]:
    """An app that is the example's model service alone, with v1.1 in dev."""
    app = Shipway(tmp_path_factory.mktemp("variants") / "app")
    copy_model_service(app)
    dev = app.description["environments"]["dev"]
    app.description |= {"services": {"ml": SERVICE}, "model": {"name": "late"}, "environments": {"dev": dev}}
    dev |= {"branch": "main", "tasks": {"min": 2, "max": 2}}
    app.commit("the model service")
    for version, scores in VERSIONS.items():
        publish(app.root / ".shipway" / "ml-models-bucket", version, *scores)
    begin_with(app, "v1.1")
    yield app
    end(app)


@pytest.fixture
def devices(shipway: Shipway) -> Iterator[Devices]:
    """Clients of dev, which serves v1.1 to everyone; so it does again afterwards."""
    with Devices(shipway.ports["dev"]) as devices:
        yield devices
    shipway.run("model", "split", "--off", "--env", "dev")
    shipway.run("model", "shadow", "--off", "--env", "dev")


def split(shipway: Shipway, *arguments: str) -> Any:
    """`shipway model split … --env dev`."""
    return shipway.json("model", "split", *arguments, "--env", "dev")


def test_a_split_is_sticky_and_outlives_deploys_restarts_and_the_daemon(shipway: Shipway, devices: Devices) -> None:
    """Devices keep their version while shares grow, tasks come and go, and no request is lost."""
    split(shipway, "v1.2=20%")
    devices.more(600)
    assert {"v1.1", "v1.2"} == set(devices.versions)
    assert all(len(set(versions)) == 1 for versions in devices.answered.values())
    first = {device for device, versions in devices.answered.items() if versions[0] == "v1.2"}
    assert 0.1 < len(first) / len(devices.answered) < 0.3

    split(shipway, "v1.2=60%", "--why", "more of it")
    devices.more(600)
    second = {device for device, versions in devices.answered.items() if versions[-1] == "v1.2"}
    seen = set(devices.answered)
    assert first & set(devices.answered) <= second
    assert 0.45 < len(second) / len(devices.answered) < 0.75

    app = shipway.root / "ml-model-service" / "README.md"
    app.write_text(app.read_text() + "\nA change of the code alone.\n")
    shipway.commit("another commit, the same model")
    assert "succeeded" == shipway.deploy()["status"]
    shipway.kill_daemon()
    shipway.up()
    devices.more(500)
    third = {device for device, versions in devices.answered.items() if versions[-1] == "v1.2"}
    assert second & set(devices.answered) == third & seen
    assert [] == devices.failures
    assert {"v1.2": 60.0} == shipway.environment("dev")["experiment"]["split"]
    assert "model v1.1 40 %, v1.2 60 %" in shipway.run("status").stdout


def test_a_good_candidate_is_told_and_promoted_by_a_person(shipway: Shipway, devices: Devices) -> None:
    """It would be promoted and is not; another version is refused meanwhile; its promotion ends the split."""
    split(shipway, "v1.2=50%")
    devices.more(500)
    wait_for(lambda: split(shipway)["versions"][1]["verdict"]["kind"] == "promote")
    shown = shipway.run("model", "split", "--env", "dev").stdout
    assert "would promote: 0 of" in shown
    refused = shipway.run("model", "promote", "v1.3", "--yes", expect=3)
    assert "dev is split between v1.1, v1.2; promoting v1.3 would end the split silently" in refused.stderr
    shipway.run("model", "promote", "v1.2", "--yes")
    devices.more(100)
    assert {"v1.2"} == set(devices.versions)
    wait_for(lambda: shipway.environment("dev")["experiment"] is None)
    shipway.run("model", "rollback", "--yes")
    assert [] == devices.failures


@pytest.mark.parametrize(("version", "reason"), [("v1.3", "predictions shifted"), ("v1.4", "failed")])
def test_a_bad_candidate_is_taken_out_by_the_platform(
    shipway: Shipway, devices: Devices, version: str, reason: str
) -> None:
    """At once, with the reason in the status and in the audit log; stable answers everyone."""
    split(shipway, f"{version}=30%")
    wait_for(lambda: shipway.environment("dev")["experiment"]["stopped"])

    def only_stable_answers() -> bool:
        # recorded first, then told to the tasks, which look ten times a second
        devices.more(100)
        return {"v1.1"} == set(devices.versions)

    wait_for(only_stable_answers)
    assert [] == devices.failures
    (stopped,) = shipway.environment("dev")["experiment"]["stopped"]
    assert (version, 30.0) == (stopped["version"], stopped["percent"])
    assert reason in stopped["reason"]
    assert f"✘ {version} (30 %) was taken out at" in shipway.run("status").stdout
    entries = shipway.json("audit", "--lines", "3")["entries"]
    assert ("shipway", "take a model out") in [(entry["who"], entry["action"]) for entry in entries]


def test_a_shadow_answers_nobody_and_is_compared(shipway: Shipway, devices: Devices) -> None:
    """Clients see stable alone; how the shadow differs is shown, and nothing is done about it."""
    shipway.run("model", "shadow", "v1.3", "--env", "dev", "--yes")
    devices.more(400)
    assert {"v1.1"} == set(devices.versions)
    wait_for(lambda: shipway.json("model", "shadow", "--env", "dev")["shadow_report"]["verdict"]["kind"] == "rollback")
    report = shipway.json("model", "shadow", "--env", "dev")["shadow_report"]
    assert 0.35 < report["disagreement"] < 0.65
    assert (0, True) == (report["failed"], report["mean"] > 0.9 > report["stable_mean"])
    assert "shadow v1.3: " in shipway.run("model", "shadow", "--env", "dev").stdout
    assert "shadow v1.3 of 100 %" in shipway.run("status").stdout
    assert [] == devices.failures


def test_a_version_that_tasks_cannot_load_is_taken_back(shipway: Shipway, devices: Devices) -> None:
    """Its files are as published, and still no task serves it: everything stays as it was."""
    bucket = shipway.root / ".shipway" / "ml-models-bucket"
    publish(bucket, "v2.0", 0.1, 0.2)
    path = bucket / "v2.0" / "metadata.json"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps(metadata | {"golden": [{"instance": {"temp": 10}, "prediction": 0.9}]}))
    failed = shipway.run("model", "split", "v2.0=10%", "--env", "dev", expect=1)
    assert "golden[0]" in failed.stderr
    devices.more(100)
    assert ({"v1.1"}, []) == (set(devices.versions), devices.failures)
    assert shipway.environment("dev")["experiment"] is None
    swapped = shipway.json("model", "promote", "v2.0", "--env", "dev", "--yes", expect=4)
    assert "-ml-0 refuses: v2.0: golden[0]" in swapped["run"]["reason"]
    assert swapped["run"]["ended"] - swapped["run"]["created"] < 20


def test_a_canary_is_judged_by_what_it_predicts(shipway: Shipway, devices: Devices) -> None:
    """The platform reads the service's own counts: a version alike takes over, one that is always sure is taken back."""
    shipway.run("model", "promote", "v1.1", "--env", "dev", "--yes")
    canary = {"strategy": "canary", "steps": [50], "step_wait": 0.5, "bake": 0.2, "keep_warm": 0}
    shipway.description["environments"]["dev"]["rollout"] = canary
    shipway.commit("canaries in dev")
    shipway.deploy()
    good = shipway.run("model", "promote", "v1.2", "--canary", "--yes", "--why", "better")
    assert "predictions agree within 25 %" in good.stdout
    bad = shipway.json("model", "promote", "v1.3", "--canary", "--yes", "--why", "bolder", expect=4)
    assert "predictions shifted by more than" in bad["run"]["reason"]
    devices.more(100)
    assert ({"v1.2"}, []) == (set(devices.versions), devices.failures)
