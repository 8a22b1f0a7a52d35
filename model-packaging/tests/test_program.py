"""The program as it is started: a job on standard input, an answer in a file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
from conftest import FEATURES, Data, MakeFolder
from sklearn.base import BaseEstimator

PART = Path(__file__).parent.parent
SOURCES = (PART / "src", PART.parent / "ml-model-service" / "src")
NAMES = [feature.name for feature in FEATURES]


def start(job: dict[str, Any], work: Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any] | None]:
    """Run it to its end; the answer is None when there is none."""
    full = {"memory_bytes": 8 << 30, "processor_seconds": 60, "work": str(work), "keep_native": False, **job}
    path = ":".join(map(str, [*SOURCES, Path(__file__).parent]))
    variables = {"PYTHONPATH": path, "PATH": os.environ["PATH"], "HOME": str(work)}
    done = subprocess.run(
        [sys.executable, "-sP", "-m", "model_packaging"],
        input=json.dumps(full), env={**variables, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    answer = work / "answer.json"
    return done, json.loads(answer.read_text()) if answer.exists() else None


def trained(data: Data, rounds: int) -> Any:
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1}
    model = lightgbm.train(settings, lightgbm.Dataset(data[0], data[1], feature_name=NAMES), rounds)
    return model, model.predict(data[0])


def test_two_versions_on_the_same_rows(make_folder: MakeFolder, data: Data, tmp_path: Path) -> None:
    """Each different row that both schemas take counts once; the scores are of both versions' predictions for them."""
    folders, predictions = [], []
    for rounds in (3, 30):
        model, said = trained(data, rounds)
        folders.append(make_folder("lightgbm-text", "model.txt", model.save_model, said))
        predictions.append(said)
    lines = (folders[1] / "holdout.csv").read_text().splitlines()
    (folders[1] / "holdout.csv").write_text("\n".join([*lines, "21.5,Z,7,1,0.5,", "199,,7,,0.5,0"]) + "\n")
    metadata = json.loads((folders[1] / "metadata.json").read_text())
    metadata["holdout"]["rows"] = 402
    metadata["feature_schema"]["features"][0]["maximum"] = 200
    (folders[1] / "metadata.json").write_text(json.dumps(metadata))
    job = {"command": "score", "a": str(folders[0]), "b": str(folders[1]), "threshold": 0.5}
    done, answer = start(job, tmp_path)
    assert answer is not None, done.stderr
    scores = answer["done"]["scores"]
    assert {"count": 401, "a": 400, "b": 1, "both": 400, "judged": 400, "left_out": 1} == scores["rows"]
    assert "" == answer["done"]["note"]
    for said, version in zip(predictions, (scores["a"], scores["b"]), strict=True):
        assert 400 == version["quality"]["rows"]
        assert pytest.approx(np.mean((said - data[1]) ** 2)) == version["quality"]["brier"]
        assert said.min() >= version["predictions"]["minimum"]
        assert 0 < version["latency"]["one_row"] < version["latency"]["thousand_rows"]
    decided = (predictions[0] >= 0.5) != (predictions[1] >= 0.5)
    assert scores["disagreement"]["count"] - decided.sum() in (0, 1)
    assert 0.5 == scores["disagreement"]["threshold"]
    assert 0 < scores["ks_distance"] < 1


def test_versions_without_rows_in_common_are_judged_on_all(make_folder: MakeFolder, data: Data, tmp_path: Path) -> None:
    """With a word of warning. What only one of them held out has its values as they are written, and its label."""
    model, said = trained(data, 3)
    folders = [make_folder("lightgbm-text", "model.txt", model.save_model, said) for _ in range(2)]
    lines = (folders[1] / "holdout.csv").read_text().splitlines()
    (folders[1] / "holdout.csv").write_text("\n".join([*lines[:10], "21.5,,7,1,0.5,"]) + "\n")
    metadata = json.loads((folders[1] / "metadata.json").read_text())
    metadata["holdout"]["rows"] = 10
    (folders[1] / "metadata.json").write_text(json.dumps(metadata))
    (folders[1] / "model.txt").write_text(trained(data, 30)[0].model_to_string())
    job = {"command": "score", "a": str(folders[0]), "b": str(folders[1]), "threshold": None}
    done, answer = start(job, tmp_path)
    assert answer is not None, done.stderr
    scores = answer["done"]["scores"]
    assert {"count": 401, "a": 400, "b": 1, "both": 9, "judged": 401, "left_out": 0} == scores["rows"]
    assert 400 == scores["a"]["quality"]["rows"]
    assert answer["done"]["note"].startswith("only 9 rows were held out by both versions: either may have learned from")
    assert 0 < scores["disagreement"]["share"] < 1
    worst = scores["disagreement"]["worst"]
    assert all({"temp", "carrier", "minute", "delay"} == set(row["features"]) for row in worst)
    assert {0.0, 1.0} >= {row["label"] for row in worst}
    assert all(isinstance(row["features"]["minute"], int) for row in worst)


class Nosy(BaseEstimator):
    """What it does when it is unpickled is up to whoever wrote it."""

    def __init__(self, code: str = "") -> None:
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (self.code,)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; raise RuntimeError(sorted(os.environ))", "['HOME', "),
        ("x = bytearray(9 << 30)", "MemoryError"),
        ("import socket; socket.create_connection(('192.0.2.1', 80), 5)", "Network is unreachable"),
    ],
)
def test_a_pickle_finds_little(make_folder: MakeFolder, data: Data, tmp_path: Path, code: str, reason: str) -> None:
    """Bounded memory, where the kernel allows it no network, and no more variables than were given."""
    folder = make_folder("sklearn-pickle", "m.pkl", lambda path: joblib.dump(Nosy(code), path), data[1])
    done, answer = start({"command": "package", "folder": str(folder)}, tmp_path)
    assert answer is not None, done.stderr
    assert "m.pkl cannot be unpickled here" in answer["refused"]["what"]
    if "Network" not in reason or os.geteuid() == 0:
        assert reason in answer["refused"]["what"]
