"""A trained model as files: model.txt and metadata.json, as the registry and the model service read them."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from training.features import schema, schema_digest

MODEL_FILE = "model.txt"


def metadata(
    model: bytes,
    *,
    trained_at: str,
    dataset_version: str,
    author: str,
    metrics: dict[str, float],
    hyperparameters: dict[str, Any],
    values: dict[str, list[str]],
    golden: list[dict[str, Any]],
) -> dict[str, Any]:
    """The contents of metadata.json; the version is added when it is published."""
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
        "files": {MODEL_FILE: {"sha256": hashlib.sha256(model).hexdigest(), "bytes": len(model)}},
        "feature_schema": feature_schema,
        "feature_schema_digest": schema_digest(feature_schema),
        "golden": golden,
    }


def write_model(folder: Path, model: bytes, described: dict[str, Any]) -> None:
    """Write both files into `folder`, making it; metadata.json last, so a folder that has it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / MODEL_FILE, model)
    write_atomically(folder / "metadata.json", json.dumps(described, indent=1, allow_nan=False).encode() + b"\n")


def write_atomically(path: Path, data: bytes) -> None:
    """Replace `path` so that a reader sees the old bytes or the new ones, also after a power cut."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
