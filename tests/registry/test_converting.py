"""Publishing and comparing with the real program, in its own environment."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shipway.core.contract.schema import canonical_digest
from shipway.core.errors import Refused
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.registry.folder_store import FolderStore
from shipway.registry.packer import Packer
from shipway.registry.registry import ModelRegistry

ROOT = Path(__file__).parent.parent.parent
TRAIN = """
import csv, sys, numpy, xgboost
random = numpy.random.default_rng(0)
rows = numpy.column_stack([random.normal(0, 1, 600), random.integers(0, 5, 600)])
late = (rows[:, 0] + (rows[:, 1] == 2) + random.normal(0, 1, 600) > 0).astype(int)
data = xgboost.DMatrix(rows, late, feature_types=["float", "c"], enable_categorical=True)
model = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, int(sys.argv[2]))
model.save_model(sys.argv[1] + "/model.json")
out = csv.writer(open(sys.argv[1] + "/holdout.csv", "w"))
out.writerow(["x", "place", "prediction", "label"])
for row, said, label in zip(rows.tolist(), model.predict(data).tolist(), late.tolist()):
    out.writerow([row[0], "ABCDE"[int(row[1])], said, label])
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """The part's test environment, which has all that the program's own has."""
    environments = PythonEnvironments(ROOT / ".venv" / "parts")
    return environments.python(
        ROOT / "model-packaging" / "requirements-test.lock", "model packaging's tests", lambda line: None
    )


def trained(python: Path, folder: Path, rounds: int) -> Path:
    """An XGBoost model's folder."""
    folder.mkdir()
    subprocess.run([python, "-c", TRAIN, folder, str(rounds)], check=True, timeout=120)
    schema = {
        "features": [
            {"name": "x", "type": "number", "nullable": True},
            {"name": "place", "type": "category", "nullable": False, "values": list("ABCDE")},
        ],
        "output": {"name": "probability"},
    }
    names = ("model.json", "holdout.csv")
    document: dict[str, Any] = {
        "name": "lateness",
        "trained_at": "2026-11-23T06:00:00Z",
        "dataset_version": "made",
        "metrics": {},
        "hyperparameters": {"rounds": rounds},
        "model_file": "model.json",
        "model_format": "xgboost-json",
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
            for name, data in ((name, (folder / name).read_bytes()) for name in names)
        },
        "feature_schema": schema,
        "feature_schema_digest": f"sha256:{canonical_digest(schema)}",
        "holdout": {"file": "holdout.csv", "rows": 600},
    }
    (folder / "metadata.json").write_text(json.dumps(document))
    return folder


def test_two_models_from_training_to_comparison(python: Path, bucket: Path, tmp_path: Path) -> None:
    """Both are converted and checked; compared, the one with more trees fits better and takes longer."""
    registry = ModelRegistry(FolderStore(bucket), Packer(lambda lock, tell: python, ROOT))
    told: list[str] = []
    for version, rounds in (("v1.0", 2), ("v1.1", 80)):
        folder = trained(python, tmp_path / version, rounds)
        assert version == registry.publish(folder, None, "jonas", tell=told.append).version
        written = registry.metadata(version)
        assert ("lightgbm-text", 20, 600) == (
            written["model_format"],
            len(written["golden"]),
            written["conversion"]["rows"],
        )
    assert any(line.startswith("as lightgbm-text it agrees; largest difference") for line in told)
    found = registry.compare("v1.0", "v1.1", told.append)
    scores = found["scores"]
    assert scores is not None
    assert (600, 600, "") == (scores["rows"]["count"], scores["rows"]["judged"], found["note"])
    a, b = scores["a"], scores["b"]
    assert a["quality"] is not None
    assert b["quality"] is not None
    assert a["quality"]["brier"] > b["quality"]["brier"]  # type: ignore[operator]
    assert a["latency"]["thousand_rows"] < b["latency"]["thousand_rows"]
    assert found["size"]["a"] < found["size"]["b"]
    assert 0 < scores["disagreement"]["share"] < 1

    folder = trained(python, tmp_path / "wrong", 3)
    lines = list(csv.reader((folder / "holdout.csv").open()))
    lines[7][2] = "0.99"
    with (folder / "holdout.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    document = json.loads((folder / "metadata.json").read_text())
    data = (folder / "holdout.csv").read_bytes()
    document["files"]["holdout.csv"] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "metadata.json").write_text(json.dumps(document))
    with pytest.raises(Refused, match=r"recorded differ by more than 1e-06 on 1 of 600 rows .first 7."):
        registry.publish(folder, None, "jonas")
    assert ("v1.0", "v1.1") == tuple(model.version for model in registry.list())
