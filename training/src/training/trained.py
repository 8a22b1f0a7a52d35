"""Models as files: what the train step leaves for the next ones, and versions that are published already."""

from __future__ import annotations

import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from training.files import ARCHIVE, MODEL_FILE, TRAINED_FILE
from training.prepare import columns


class WrongModel(ValueError):
    """A model's folder is not what it must be."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that predicts. `text` is its file; `features` are its columns in order, `values` its categories'."""

    text: str
    features: tuple[str, ...]
    values: dict[str, list[str]]
    described: dict[str, Any]

    @property
    def booster(self) -> lightgbm.Booster:
        """The model, loaded."""
        return lightgbm.Booster(model_str=self.text)

    def matrix(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """Shape (rows, features): prepared rows as this model numbers them."""
        return columns(rows, self.features, self.values)

    def predict(self, rows: pl.DataFrame) -> NDArray[np.float64]:
        """Shape (rows,): a probability each."""
        if not rows.height:
            return np.empty(0)
        return np.asarray(self.booster.predict(self.matrix(rows), num_threads=1), dtype=np.float64)


def unpacked(folder: Path) -> None:
    """Put the files of a platform's model.tar.gz, if there is one, beside it. Raises WrongModel."""
    archive = folder / ARCHIVE
    if archive.exists():
        try:
            with tarfile.open(archive, "r:gz") as opened:
                opened.extractall(folder, filter="data")
        except (tarfile.TarError, OSError, EOFError) as error:
            raise WrongModel(f"{archive}: found {error}, allowed is a whole archive") from None


def read_trained(folder: Path) -> Trained:
    """What the train step left. Raises WrongModel."""
    unpacked(folder)
    described = _json(folder / TRAINED_FILE)
    values = described["categories"]
    text = _text(folder / MODEL_FILE, described["sha256"])
    return Trained(text, tuple(described["features"]), values, described)


def read_version(folder: Path) -> Trained:
    """A published version, such as the champion. Raises WrongModel where it cannot be loaded here."""
    unpacked(folder)
    described = _json(folder / "metadata.json")
    if described.get("model_format") != "lightgbm-text":
        raise WrongModel(
            f"{folder}: found a {described.get('model_format')} model, allowed is lightgbm-text: "
            "another cannot be loaded for a comparison"
        )
    features = described["feature_schema"]["features"]
    values = {feature["name"]: feature["values"] for feature in features if feature["type"] == "category"}
    names = tuple(feature["name"] for feature in features)
    file = described["model_file"]
    return Trained(_text(folder / file, described["files"][file]["sha256"]), names, values, described)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WrongModel(f"{path}: found {error}, allowed is the JSON that a training writes") from None
    if not isinstance(content, dict):
        raise WrongModel(f"{path}: found {json.dumps(content)[:60]}, allowed is a JSON object")
    return content


def _text(path: Path, sha256: str) -> str:
    """The model's file. LightGBM ends the whole process over a broken one, so its digest is asked first."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WrongModel(f"{path}: found {error.strerror}, allowed is a LightGBM model") from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise WrongModel(f"{path}: found a file with the digest {found[:12]}, allowed is {sha256[:12]}, as described")
    return data.decode()
