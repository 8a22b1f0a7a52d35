"""Model folders as a training writes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from shipway.core.contract.schema import canonical_digest


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


def write_model(folder: Path, data: bytes = b"tree\n", more: dict[str, bytes] | None = None, **changes: Any) -> Path:
    """Write a folder; `data` is the model file, `more` further files, keywords replace metadata keys."""
    files = {"model.txt": data, **(more or {})}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    document = {**_metadata(files), **changes}
    (folder / "metadata.json").write_text(json.dumps(document))
    return folder
