"""A model's folder as its metadata.json describes it; the caller has checked the file's shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_model_service.formats.encoder import Encoder
from ml_model_service.metadata import read_schema
from model_packaging.refusal import would_not_serve

Matrix = NDArray[np.float64]
"""Shape (rows, features): categories as codes (positions in `values`), NaN is missing."""
Vector = NDArray[np.float64]

FAR = 1e37
"""What stands for no bound: libraries of single precision take no larger numbers."""
EXACT = 2.0**53
"""Up to here a double tells whole numbers apart."""


@dataclass(frozen=True)
class Feature:
    """One input. `values` is empty for a number; `whole` is one that a graph takes no fraction of."""

    name: str
    nullable: bool
    values: tuple[str, ...] = ()
    minimum: float = -FAR
    maximum: float = FAR
    whole: bool = False

    @property
    def is_category(self) -> bool:
        """Whether it takes one of `values` rather than a number."""
        return bool(self.values)

    @cached_property
    def codes(self) -> dict[str, float]:
        """Value → code."""
        return {value: float(code) for code, value in enumerate(self.values)}


@dataclass(frozen=True)
class Described:
    """A folder with its metadata."""

    folder: Path
    document: dict[str, Any]
    features: tuple[Feature, ...]

    @property
    def format(self) -> str:
        """What the model file is."""
        return str(self.document["model_format"])

    @property
    def model_path(self) -> Path:
        """The model file."""
        return self.folder / str(self.document["model_file"])

    @property
    def takes_values(self) -> bool:
        """Whether the original wants categories as they are written, in a table with named columns."""
        return bool(self.document.get("input", "codes") == "values")

    @property
    def names(self) -> list[str]:
        """The features' names in the order of the schema."""
        return [feature.name for feature in self.features]


def describe(folder: Path) -> Described:
    """Read the folder's metadata. Raises Refusal for a schema that the model server does not take."""
    document = json.loads((folder / "metadata.json").read_bytes())
    try:
        Encoder(read_schema(document["feature_schema"]))
    except ValueError as error:
        raise would_not_serve(error) from error
    return Described(folder, document, tuple(_feature(entry) for entry in document["feature_schema"]["features"]))


def _feature(entry: dict[str, Any]) -> Feature:
    minimum, maximum = (entry.get(bound) for bound in ("minimum", "maximum"))
    return Feature(
        entry["name"],
        entry["nullable"],
        tuple(entry.get("values") or ()),
        -FAR if minimum is None else float(minimum),
        FAR if maximum is None else float(maximum),
    )
