"""A trained model as files: model.txt, holdout.csv, metadata.json, as the registry and the model service read them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.evaluate import evaluate
from training.features import schema, schema_digest
from training.files import MODEL_FILE, beside, write_through
from training.holdout import BASELINE_FILE, DAY, HOLDOUT_FILE, pick, render
from training.prepare import Rows
from training.trained import Trained

AUTHOR, GOLDEN = "training", 20


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a model comes from. `window` is from, until (not trained on) and test_until; `lineage` the platform's."""

    author: str
    dataset_version: str
    window: dict[str, str]
    lineage: dict[str, Any]


def describe_model(
    trained: Trained, learned: Rows, test: Rows, provenance: Provenance
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of a version, and its metadata without the version; equal for equal arguments.

    `learned` are the rows that it was trained on; they and `test` have at least one row.
    `trained_at` is the data's: the end of the window that was trained on.
    """
    scores = trained.predict(test.table)
    picked = pick(scores.size)
    baseline = Rows(learned.table[pick(learned.labels.size)], 0)
    known = trained.predict(baseline.table)
    files = {
        MODEL_FILE: trained.text.encode(),
        HOLDOUT_FILE: render(test, scores, picked),
        BASELINE_FILE: render(baseline, known, np.arange(known.size), (DAY,)),
    }
    feature_schema = schema(trained.values)
    parameters, window = trained.described["parameters"], provenance.window
    described = {
        "name": "ontime-delay",
        "trained_at": f"{window['until']}T00:00:00Z",
        "dataset_version": provenance.dataset_version,
        "author": provenance.author,
        "metrics": evaluate(test.labels, scores) | {"train_rows": float(trained.described["rows"])},
        "hyperparameters": parameters | window,
        "lineage": {
            **provenance.lineage,
            "data": {"digest": provenance.dataset_version, **window},
            "parameters": parameters,
        },
        "approval": {"status": "pending", "by": None, "at": None, "why": None},
        "model_file": MODEL_FILE,
        "model_format": "lightgbm-text",
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
        },
        "feature_schema": feature_schema,
        "feature_schema_digest": schema_digest(feature_schema),
        "golden": golden(test, scores),
        "holdout": {"file": HOLDOUT_FILE, "rows": picked.size},
        "baseline": {"file": BASELINE_FILE, "rows": known.size, "time": DAY},
    }
    return files, described


def golden(rows: Rows, scores: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Requests spread evenly over the test window, with the predictions any serving must reproduce."""
    picked = np.unique(np.linspace(0, scores.size - 1, GOLDEN).astype(int))
    return [{"instance": rows.instance(row), "prediction": float(scores[row])} for row in picked.tolist()]


def write_model(folder: Path, files: dict[str, bytes], described: dict[str, Any]) -> None:
    """Write the files into `folder`, making it; metadata.json last, so a folder that has it is whole.

    What lies there before stays as it is when there is no room for the new files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metadata_file = folder / "metadata.json"
    content = json.dumps(described, indent=1, allow_nan=False).encode() + b"\n"
    places = {folder / name: data for name, data in files.items()} | {metadata_file: content}
    try:
        for path, data in places.items():
            write_through(beside(path), data)
        metadata_file.unlink(missing_ok=True)
        for path in places:
            beside(path).replace(path)
    finally:
        for path in places:
            beside(path).unlink(missing_ok=True)
