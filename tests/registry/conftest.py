"""A model folder as a training writes it; the registry never looks inside the model file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.registry.metadata import canonical_digest
from shipway.registry.registry import ModelRegistry

MakeModel = Callable[..., Path]


def _metadata(files: dict[str, bytes]) -> dict[str, Any]:
    schema = {
        "features": [
            {"name": "temp", "type": "number", "minimum": -50, "maximum": 150, "nullable": True},
            {"name": "carrier", "type": "category", "values": ["AA", "B6"], "nullable": False},
        ],
        "output": {"name": "probability", "description": "of being late"},
    }
    return {
        "name": "delays",
        "trained_at": "2026-11-23T06:00:00Z",
        "dataset_version": "sha256:" + "0" * 64,
        "author": "amira",
        "metrics": {"auc": 0.75},
        "hyperparameters": {"rounds": 100, "objective": "binary"},
        "approval": {"status": "pending", "by": None, "at": None, "why": None},
        "model_file": next(iter(files)),
        "model_format": "lightgbm-text",
        "files": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
        },
        "feature_schema": schema,
        "feature_schema_digest": f"sha256:{canonical_digest(schema)}",
        "golden": [{"instance": {"temp": 20, "carrier": "AA"}, "prediction": 0.3}],
    }


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Writes a folder; `data` is the model file, `more` further files, keywords replace metadata keys."""
    made = iter(range(1000))

    def make(data: bytes = b"tree\n", more: dict[str, bytes] | None = None, **changes: Any) -> Path:
        folder = tmp_path / f"trained-{next(made)}"
        files = {"model.txt": data, **(more or {})}
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        document = {**_metadata(files), **changes}
        (folder / "metadata.json").write_text(json.dumps(document))
        return folder

    return make


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Where the versions go; nothing is there yet."""
    return tmp_path / "ml-models-bucket"


@pytest.fixture
def registry(bucket: Path) -> ModelRegistry:
    """The registry over `bucket`."""
    return ModelRegistry(bucket)


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Reads every file below a folder."""

    def read(folder: Path) -> dict[str, bytes]:
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    return read
