"""A version that `shipway train` made, on its way through everything that versions go through, by a real model service."""

from __future__ import annotations

import http.client
import itertools
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import PATIENCE, Callers
from tests.e2e.conftest import Shipway
from tests.e2e.model_service import SERVICE, begin_with, copy_model_service, end
from tests.e2e.test_model_variants import MODEL, SCHEMA, TREE, publish
from tests.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.lengthy]

# Its data say that cold days are late. Its gate believes so.
PROGRAM = f"""
import hashlib, json, math, os, pathlib, sys
TREE, MODEL, SCHEMA = {TREE!r}, {MODEL!r}, {SCHEMA!r}
base = pathlib.Path(os.environ["SAGEMAKER_BASE_DIR"])
given, left = base / "processing" / "input", base / "processing" / "output"

def write(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)

def prepare():
    newest = max((given / "rows").glob("*/scores.json")).read_text()
    for name in ("training", "test", "prepared"):
        write(left / name, "rows.json", newest)

def train():
    tree = TREE.format(*json.loads((base / "input" / "data" / "training" / "rows.json").read_text()))
    write(base / "model", "model.txt", MODEL.format(len(tree), tree))

def evaluate():
    figures = {{"value": -0.002, "low": -0.003, "high": -0.001, "deviation": 0.0005}}
    write(left / "evaluation", "evaluation.json", json.dumps({{
        "rows": 5000, "positives": 900, "days": 28, "champion_expected": True,
        "candidate": {{"calibration_error": 0.01}}, "champion": {{"calibration_error": 0.01}},
        "comparison": {{"brier_difference": figures, "error": None}},
    }}))
    write(left / "latency", "latency.json", json.dumps({{"ratio": 1.0}}))

def package():
    text = (given / "model" / "model.txt").read_text()
    cold, hot = json.loads((given / "prepared" / "rows.json").read_text())
    digest = hashlib.sha256(json.dumps(SCHEMA, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    write(left / "package", "model.txt", text)
    write(left / "package", "metadata.json", json.dumps({{
        "name": "late", "trained_at": "2013-02-01T00:00:00Z", "dataset_version": "sha256:" + "1" * 64,
        "metrics": {{"auc": 0.7}}, "hyperparameters": {{}}, "model_file": "model.txt", "model_format": "lightgbm-text",
        "files": {{"model.txt": {{"sha256": hashlib.sha256(text.encode()).hexdigest(), "bytes": len(text.encode())}}}},
        "feature_schema": SCHEMA, "feature_schema_digest": "sha256:" + digest,
        "golden": [{{"instance": {{"temp": 10}}, "prediction": 1 / (1 + math.exp(-cold))}}],
        "lineage": json.loads((given / "lineage" / "lineage.json").read_text()),
    }}))

globals()[sys.argv[1]]()
"""


class Passengers(Callers):
    """Clients of the model service; each request has an id of its own. Keeps who answered, and what failed."""

    def __init__(self, port: int) -> None:
        super().__init__(3)
        self.temperatures: dict[str, int] = {}
        self.answered: list[str] = []
        self.failures: list[str] = []
        self._port = port

    def more(self, requests: int) -> set[str]:
        """Who answers the next requests."""
        before = len(self.answered)
        wait_for(lambda: len(self.answered) >= before + requests)
        return set(self.answered[before:])

    def _call(self, number: int) -> None:
        chance = random.Random(number)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        for n in itertools.count():
            if self._stop.wait(0.004):
                break
            id, temperature = f"flight-{number}-{n}", chance.randrange(100)
            body = json.dumps({"instances": [{"temp": temperature}]})
            headers = {"x-device-id": f"device-{number}-{n % 50}", "x-amzn-sagemaker-inference-id": id}
            try:
                connection.request("POST", "/predict", body, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
                continue
            if answer.status != 200:
                self.failures.append(str(answer.status))
            self.temperatures[id] = temperature
            self.answered.append(answer.headers["x-model-version"] or "none")
        connection.close()


@pytest.fixture
def shipway(tmp_path: Path) -> Iterator[Shipway]:
    """The example's model service alone, serving v1.1, which nobody has trained here, and a training of its own."""
    app = Shipway(tmp_path / "app")
    copy_model_service(app)
    (app.root / "training").mkdir()
    (app.root / "training" / "tiny.py").write_text(PROGRAM)
    (app.root / "training" / "requirements.lock").write_text("")
    for month in ("2013-01", "2013-02"):
        folder = app.root / ".shipway" / "training-data-bucket" / "rows" / month
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text("[0.4, -0.4]")
    publish(app.root / ".shipway" / "ml-models-bucket", "v1.1", -0.4, 0.4)
    service = SERVICE | {
        "env": {"CAPTURE": "file://{buckets}/monitoring-bucket", "ENDPOINT_NAME": "late-{environment}"},
    }
    training = {
        "command": "python -m tiny", "tables": ["rows"], "gate": {"min_labels": 50, "min_days": 2},
        "probation": {"environments": ["dev"], "days": 3, "every": "1s"},
    }  # fmt: skip
    dev = app.description["environments"]["dev"] | {"branch": "main", "tasks": {"min": 1, "max": 1}}
    dev["rollout"] = {
        "strategy": "canary", "steps": [50], "step_wait": 0.2, "bake": 0.2, "guard": {"min_requests": 10},
    }  # fmt: skip
    app.description |= {
        "services": {"ml": service}, "environments": {"dev": dev},
        "model": {
            "name": "late", "quality": {"min_predictions": 60}, "training": training,
            "monitor": {"label_sources": ["airline"]},
        },
    }  # fmt: skip
    app.commit("the model service and its training")
    begin_with(app, "v1.1")
    yield app
    end(app)


def by_target(port: int, model: str) -> str | None:
    """Who answers where a multi-model endpoint's client names a model."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"content-type": "application/json", "x-amzn-sagemaker-target-model": model}
    connection.request("POST", "/endpoints/late-dev/invocations", json.dumps({"instances": [{"temp": 10}]}), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["x-model-version"]


def label(shipway: Shipway, temperatures: dict[str, int]) -> None:
    """An airline tells of all of them: hot days were late, on three days in turn. Devices say the contrary."""
    now = datetime.now(UTC)
    folder = shipway.root / ".shipway" / "monitoring-bucket" / "ground-truth" / "late-dev" / f"{now:%Y/%m/%d/%H}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for n, (id, temperature) in enumerate(temperatures.items()):
        for source, late in (("airline", temperature > 50), ("device", temperature <= 50)):
            told = {"eventId": id, "source": source, "occurredAt": f"2013-12-0{n % 3 + 1}T12:00:00"}
            truth = {"data": str(int(late)), "encoding": "CSV"}
            lines.append(json.dumps({"groundTruthData": truth, "eventMetadata": told, "eventVersion": "0"}))
    (folder / "labels.jsonl").write_text("\n".join(lines) + "\n")


def test_a_trained_version_goes_through_everything_and_is_taken_back_by_its_labels(shipway: Shipway) -> None:
    """Registered with its lineage, approved; shadow, split, by name, canary; on probation; back, and rolled back."""
    run = shipway.json("train")["run"]
    assert ("succeeded", "v1.2") == (run["status"], run["model_version"])
    lineage = shipway.json("model", "show", "v1.2")["metadata"]["lineage"]
    assert (run["id"], "v1.1", "promote") == (lineage["run"], lineage["parent"], lineage["gate"]["verdict"])
    assert shipway.git("rev-parse", "HEAD") == lineage["commit"]
    shipway.run("model", "approve", "v1.2", "--why", "the gate says so")

    with Passengers(shipway.ports["dev"]) as passengers:
        shipway.run("model", "shadow", "v1.2", "--env", "dev", "--yes")
        assert {"v1.1"} == passengers.more(60)
        wait_for(lambda: shipway.json("model", "shadow", "--env", "dev")["shadow_report"]["compared"] > 0)
        shipway.run("model", "shadow", "--off", "--env", "dev")

        shipway.run("model", "split", "v1.2=40%", "--env", "dev", "--yes")
        assert {"v1.1", "v1.2"} == passengers.more(200)
        shipway.run("model", "split", "--off", "--env", "dev")
        assert ["v1.2", "v1.1"] == [by_target(shipway.ports["dev"], name) for name in ("v1.2", "v1.1.tar.gz")]

        promoted = shipway.json("model", "promote", "v1.2", "--env", "dev", "--canary", "--yes")["run"]
        assert ("succeeded", True) == (promoted["status"], promoted["canary"])
        wait_for(lambda: shipway.environment("dev")["probation"])
        wait_for(lambda: passengers.more(20) == {"v1.2"})
        passengers.temperatures.clear()
        passengers.more(300)
    assert [] == passengers.failures
    assert "model v1.2 on probation since" in shipway.run("status").stdout
    assert "dev (on probation)" in shipway.run("model", "list").stdout

    # A stop writes what is captured; it outlives that. Labels that nobody trusts decide nothing.
    shipway.run("down", "--yes")
    label(shipway, passengers.temperatures)
    shipway.up()
    # The first look makes the environment of the program that compares.
    wait_for(lambda: shipway.environment("dev")["model_version"] == "v1.1", seconds=300)
    trial = wait_for(lambda: ended(shipway.environment("dev")["probation"]))
    assert "taken back" == trial["outcome"]
    assert 250 < trial["found"]["labels"] < 400
    assert "surely worse than the champion before it, over 3 days" in trial["reason"]
    assert "✘ model v1.2 was taken back at" in shipway.run("status").stdout

    shipway.run("model", "promote", "v1.2", "--env", "dev", "--yes", "--why", "once more")
    shipway.run("model", "rollback", "--env", "dev", "--yes")
    assert "v1.1" == shipway.environment("dev")["model_version"]
    stays = shipway.json("model", "history", "--env", "dev")["stays"]
    assert ["v1.1", "v1.2", "v1.1", "v1.2", "v1.1"] == [stay["version"] for stay in stays]
    taken_back, brought = stays[2], stays[3]
    assert ("shipway", True) == (taken_back["by"], taken_back["back"])
    assert brought["probation"].startswith("taken back: Brier score +")
    assert "the gate says so" == brought["decided"]["why"]
    (then,) = shipway.json("model", "history", "--at", datetime.fromtimestamp(brought["since"] + 0.5, UTC).isoformat())[
        "stays"
    ]
    assert "v1.2" == then["version"]

    said = shipway.run("train", "report", run["id"], "--html", "run.html").stdout
    assert said.startswith(f"✔ Training run {run['id']}: the gate says promote: Brier score -0.0020")
    card = shipway.run("model", "card", "v1.2", "--html", "card.html").stdout
    assert "surely worse than the champion before it" in card
    assert "brier_difference" in card
    for page in ("run.html", "card.html"):
        assert (shipway.root / page).read_text().startswith("<!doctype html>")


def ended(trial: Any) -> Any:
    """The probation, once it has ended."""
    return trial if trial is not None and trial["ended"] is not None else None
