"""A pickle that no other form is faithful to, from a training to answers: published as it is, served where trusted."""

from __future__ import annotations

import csv
import hashlib
import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shipway.core.contract.schema import canonical_digest
from shipway.core.errors import Refused
from shipway.core.views.models import Publishing
from shipway.local.builds.python_environment import PythonEnvironments
from shipway.registry.folder_store import FolderStore
from shipway.registry.packer import Packer
from shipway.registry.registry import ModelRegistry
from tests.free_ports import free_port
from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent
SERVICE = ROOT / "ml-model-service"
DEADLINE = 30.0
TRAIN = """
import csv, sys, joblib, numpy, pandas
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
random = numpy.random.default_rng(0)
table = pandas.DataFrame({"x": random.uniform(0, 9, 400), "place": random.choice(list("ABCDE"), 400)})
late = (numpy.sin(table["x"]) + (table["place"] == "C") + random.normal(0, 0.5, 400) > 0).astype(int)
# no graph and no tree has a word for the sine of a feature
encode = make_column_transformer((FunctionTransformer(numpy.sin), ["x"]), (OneHotEncoder(), ["place"]))
model = make_pipeline(encode, LogisticRegression()).fit(table, late)
joblib.dump(model, sys.argv[1] + "/model.pkl")
out = csv.writer(open(sys.argv[1] + "/holdout.csv", "w"))
out.writerow(["x", "place", "prediction", "label"])
for x, place, said, label in zip(table["x"], table["place"], model.predict_proba(table)[:, 1].tolist(), late):
    out.writerow([x, place, said, label])
"""


def _python(lock: Path) -> Path:
    return PythonEnvironments(ROOT / ".venv" / "parts").python(lock, "a part's tests", lambda line: None)


def _trained(python: Path, folder: Path) -> Path:
    folder.mkdir()
    subprocess.run([python, "-c", TRAIN, folder], check=True, timeout=120)
    schema = {
        "features": [
            {"name": "x", "type": "number", "nullable": False, "minimum": 0, "maximum": 9},
            {"name": "place", "type": "category", "nullable": False, "values": list("ABCDE")},
        ],
        "output": {"name": "probability"},
    }
    files = {name: (folder / name).read_bytes() for name in ("model.pkl", "holdout.csv")}
    document = {
        "name": "lateness", "trained_at": "2026-11-23T06:00:00Z", "dataset_version": "made", "metrics": {},
        "hyperparameters": {}, "model_file": "model.pkl", "model_format": "sklearn-pickle", "input": "values",
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
        },
        "feature_schema": schema, "feature_schema_digest": f"sha256:{canonical_digest(schema)}",
        "holdout": {"file": "holdout.csv", "rows": 400},
    }  # fmt: skip
    (folder / "metadata.json").write_text(json.dumps(document))
    return folder


class _Task:
    """A running model service."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and content of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def until(self, said: str) -> str:
        """Wait until `/ready` says it; the whole answer."""

        def there() -> str | None:
            try:
                found = json.dumps(self.ask("GET", "/ready"))
            except ConnectionRefusedError:
                return None
            return found if said in found else None

        return wait_for(there, f"it says {said!r}")


@contextmanager
def _service(bucket: Path, log: Path, **variables: str) -> Iterator[_Task]:
    """The model service with scikit-learn in its environment, as its own tests have it."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [_python(SERVICE / "requirements-test.lock"), "-m", "ml_model_service", "--port", str(port)],
            env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(SERVICE / "src"), "PYTHONDONTWRITEBYTECODE": "1",
                "MODEL_BUCKET": str(bucket), **variables,
            },
            stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield _Task(port)
    finally:
        process.terminate()
        process.wait(DEADLINE)


def test_a_kept_pickle_from_training_to_answers(bucket: Path, tmp_path: Path) -> None:
    """It is refused where it could not serve, and answers what scikit-learn recorded where its bucket is trusted."""
    python = _python(ROOT / "model-packaging" / "requirements-test.lock")
    registry = ModelRegistry(FolderStore(bucket), Packer(lambda lock, tell: python, ROOT))
    folder = _trained(python, tmp_path / "trained")
    digest = hashlib.sha256((folder / "model.pkl").read_bytes()).hexdigest()
    with pytest.raises(Refused, match="no form that can be served is faithful") as refused:
        registry.publish(folder, None, "jonas", Publishing(pickle_sha256=digest))
    assert "--keep-native" in refused.value.fix
    told: list[str] = []
    kept = registry.publish(folder, None, "jonas", Publishing(pickle_sha256=digest, keep_native=True), told.append)
    assert ("v1.0", "sklearn-pickle") == (kept.version, registry.metadata("v1.0")["model_format"])
    assert "it serves only where the environment variable MODEL_PICKLES names this bucket" == told[-1]

    (bucket / "latest").write_text("v1.0")
    with _service(bucket, tmp_path / "log-1", MODEL_PICKLES=str(tmp_path)) as task:
        assert f"MODEL_PICKLES must name its bucket, {bucket}, before it is loaded" in task.until("MODEL_PICKLES")
    with _service(bucket, tmp_path / "log-2", MODEL_PICKLES=bucket.as_uri()) as task:
        task.until('"status": "ready"')
        with (folder / "holdout.csv").open(newline="") as file:
            lines = list(csv.DictReader(file))
        rows = [{"x": float(line["x"]), "place": line["place"]} for line in lines]
        expected = [float(line["prediction"]) for line in lines]
        status, answer = task.ask("POST", "/predict", {"instances": rows})
        assert (200, expected) == (status, answer.get("predictions", answer))
        one = [task.ask("POST", "/predict", {"instances": [row]})[1]["predictions"][0] for row in rows[:20]]
        # a matrix product of one row may add in another order
        assert expected[:20] == pytest.approx(one, abs=1e-15)
