"""Data that looks like a model's, and folders as a training writes them."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import configuration, settings

from model_packaging.frames import values_frame
from model_packaging.schema import Feature

# the folder under test may be read-only
configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"hypothesis-model-packaging-{os.getuid()}")
settings.register_profile("packaging", database=None, deadline=None, max_examples=8)
settings.load_profile("packaging")

FEATURES = (
    Feature("temp", True, minimum=-50.0, maximum=150.0),
    Feature("carrier", True, tuple("ABCDEFGHIJKL")),
    Feature("minute", False, minimum=0.0, maximum=1439.0),
    Feature("delay", True),
)
Data = tuple[Any, Any]
MakeFolder = Callable[..., Path]
Write = Callable[..., Path]


def draw(rows: int = 400, seed: int = 0) -> Data:
    """Rows of codes, and an outcome that depends on all of them."""
    random = np.random.default_rng(seed)
    matrix = np.column_stack(
        [
            random.normal(60, 20, rows).clip(-50, 150),
            random.integers(0, 12, rows).astype(float),
            random.integers(0, 1440, rows).astype(float),
            random.normal(0, 30, rows),
        ]
    )
    for column in (0, 1, 3):
        matrix[random.random(rows) < 0.1, column] = np.nan
    known = np.nan_to_num(matrix)
    late = known[:, 0] / 40 + (known[:, 1] % 3 == 1) + known[:, 2] / 1440 + known[:, 3] / 30 + random.normal(size=rows)
    return matrix, (late > np.median(late)).astype(int)


@pytest.fixture(scope="session")
def data() -> Data:
    """400 rows."""
    return draw()


@pytest.fixture(scope="session")
def table(data: Data) -> Any:
    """The same rows with the categories as they are written."""
    return values_frame(FEATURES, data[0])


@pytest.fixture
def make_folder(tmp_path: Path, data: Data) -> MakeFolder:
    """Writes a folder; `save` writes the model file, `predictions` are those of the rows of `data`."""
    made = iter(range(100))

    def make(format: str, file: str, save: Callable[[str], object], predictions: Any, **changes: Any) -> Path:
        folder = tmp_path / f"trained-{next(made)}"
        folder.mkdir()
        save(str(folder / file))
        entries = [
            {"name": f.name, "type": "category", "nullable": f.nullable, "values": list(f.values)}
            if f.is_category
            else {"name": f.name, "type": "number", "nullable": f.nullable}
            | ({} if f.name == "delay" else {"minimum": f.minimum, "maximum": f.maximum})
            for f in FEATURES
        ]
        with (folder / "holdout.csv").open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow([*(f.name for f in FEATURES), "prediction", "label"])
            for row, prediction, label in zip(data[0], predictions, data[1], strict=True):
                values = [
                    "" if np.isnan(v) else f.values[int(v)] if f.is_category else repr(float(v))
                    for f, v in zip(FEATURES, row, strict=True)
                ]
                writer.writerow([*values, repr(float(prediction)), int(label)])
        document = {
            "name": "m",
            "model_format": format,
            "model_file": file,
            "files": {file: {"sha256": hashlib.sha256((folder / file).read_bytes()).hexdigest()}},
            "feature_schema": {"features": entries, "output": {"name": "probability"}},
            "holdout": {"file": "holdout.csv", "rows": len(data[0])},
            **changes,
        }
        (folder / "metadata.json").write_text(json.dumps(document))
        return folder

    return make


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a folder without held-out rows; keywords are more of its metadata."""

    def run(format: str, file: str, save: Callable[[str], object], features: tuple[Feature, ...], **more: Any) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        save(str(folder / file))
        entries = [
            {"name": f.name, "nullable": f.nullable}
            | ({"type": "category", "values": list(f.values)} if f.is_category else {"type": "number"})
            | ({} if f.is_category or f.minimum < -1e36 else {"minimum": f.minimum})
            | ({} if f.is_category or f.maximum > 1e36 else {"maximum": f.maximum})
            for f in features
        ]
        schema = {"features": entries, "output": {"name": "p"}}
        document = {"name": "m", "model_format": format, "model_file": file, "feature_schema": schema, **more}
        (folder / "metadata.json").write_text(json.dumps(document))
        return folder

    return run
