"""A trained model as files: model.txt, holdout.csv, metadata.json, as the registry and the model service read them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from training.features import schema, schema_digest
from training.holdout import HOLDOUT_FILE

MODEL_FILE = "model.txt"


def metadata(
    files: dict[str, bytes],
    *,
    trained_at: str,
    dataset_version: str,
    author: str,
    metrics: dict[str, float],
    hyperparameters: dict[str, Any],
    values: dict[str, list[str]],
    golden: list[dict[str, Any]],
    holdout_rows: int,
) -> dict[str, Any]:
    """The contents of metadata.json for the model's other files; the version is added when it is published."""
    feature_schema = schema(values)
    return {
        "name": "ontime-delay",
        "trained_at": trained_at,
        "dataset_version": dataset_version,
        "author": author,
        "metrics": metrics,
        "hyperparameters": hyperparameters,
        "approval": {"status": "pending", "by": None, "at": None, "why": None},
        "model_file": MODEL_FILE,
        "model_format": "lightgbm-text",
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
        },
        "feature_schema": feature_schema,
        "feature_schema_digest": schema_digest(feature_schema),
        "golden": golden,
        "holdout": {"file": HOLDOUT_FILE, "rows": holdout_rows},
    }


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
            _write_through(_beside(path), data)
        metadata_file.unlink(missing_ok=True)
        for path in places:
            _beside(path).replace(path)
    finally:
        for path in places:
            _beside(path).unlink(missing_ok=True)


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` so that a reader sees the old bytes or the new ones, also after a power cut."""
    try:
        _write_through(_beside(path), data)
        _beside(path).replace(path)
    finally:
        _beside(path).unlink(missing_ok=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
