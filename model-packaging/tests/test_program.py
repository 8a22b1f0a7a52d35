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


def test_two_versions_answer_the_same_rows(make_folder: MakeFolder, data: Data, tmp_path: Path) -> None:
    """Each different row that both schemas take, once, with both predictions, the label, and how long a row takes."""
    folders, predictions = [], []
    for rounds in (3, 30):
        model, said = trained(data, rounds)
        folders.append(make_folder("lightgbm-text", "model.txt", model.save_model, said))
        predictions.append(said.tolist())
    lines = (folders[1] / "holdout.csv").read_text().splitlines()
    (folders[1] / "holdout.csv").write_text("\n".join([*lines, "21.5,Z,7,1,0.5,", "199,,7,,0.5,0"]) + "\n")
    metadata = json.loads((folders[1] / "metadata.json").read_text())
    metadata["holdout"]["rows"] = 402
    metadata["feature_schema"]["features"][0]["maximum"] = 200
    (folders[1] / "metadata.json").write_text(json.dumps(metadata))
    done, answer = start({"command": "score", "a": str(folders[0]), "b": str(folders[1])}, tmp_path)
    assert answer is not None, done.stderr
    scores = answer["done"]
    assert predictions == [scores["a"][:400], scores["b"][:400]]
    assert (401, 400, 1, 400) == (len(scores["rows"]), scores["from_a"], scores["left_out"], sum(scores["both"]))
    assert {"temp": 21.5, "carrier": "Z", "minute": 7, "delay": 1} == scores["rows"][400]
    assert [None] == scores["labels"][400:]
    assert all(0 < version["one_row"] < version["thousand_rows"] for version in scores["latency"])


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
