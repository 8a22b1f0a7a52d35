"""A training's gate once more: both models asked about the tested month, days drawn by another seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from tests.replay.recomputed.figures import NOISE, Floats, Interval, brier, by_days, calibration_error
from tests.replay.recomputed.flights import Flight


@dataclass(frozen=True, slots=True)
class Gate:
    """What a gate came to by this computation."""

    rows: int
    difference: Interval
    kind: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model file, and the values of its categories, whose places are their codes."""

    booster: lightgbm.Booster
    names: Sequence[str]
    codes: Mapping[str, Mapping[str, int]]

    @classmethod
    def of_version(cls, folder: Path) -> Model:
        """A published version."""
        told = json.loads((folder / "metadata.json").read_bytes())["feature_schema"]["features"]
        values = {one["name"]: one["values"] for one in told if one["type"] == "category"}
        return cls._of(folder / "model.txt", [one["name"] for one in told], values)

    @classmethod
    def of_step(cls, folder: Path) -> Model:
        """What the step `train` left."""
        told = json.loads((folder / "training.json").read_bytes())
        return cls._of(folder / "model.txt", told["features"], told["categories"])

    @classmethod
    def _of(cls, file: Path, names: Sequence[str], values: Mapping[str, Sequence[str]]) -> Model:
        codes = {name: {value: code for code, value in enumerate(some)} for name, some in values.items()}
        return cls(lightgbm.Booster(model_file=str(file)), names, codes)

    def asked(self, flights: Sequence[Flight]) -> Floats:
        """Its prediction for each flight."""
        rows = np.array([[self._number(name, one.features[name]) for name in self.names] for one in flights])
        return np.asarray(self.booster.predict(rows, num_threads=1), dtype=np.float64)

    def _number(self, name: str, value: Any) -> float:
        if name in self.codes:
            value = self.codes[name].get(value)
        return float("nan") if value is None else float(value)


def gate(limits: Mapping[str, float], challenger: Model, champion: Model, flights: Sequence[Flight]) -> Gate:
    """Both on the flights of a month, those that arrived. `limits` are the gate's of shipway.yaml."""
    there = [one for one in flights if one.late is not None]
    late = np.array([float(bool(one.late)) for one in there])
    mine, other = challenger.asked(there), champion.asked(there)
    difference = by_days((mine - late) ** 2 - (other - late) ** 2, [one.day for one in there])
    errors = calibration_error(mine, late), calibration_error(other, late)
    beyond = (
        errors[0] > limits["max_calibration_error"] / 100
        or errors[0] - errors[1] > limits["max_calibration_increase"] / 100
    )
    if difference.low > 0 or beyond:
        kind = "refuse"
    else:
        kind = "promote" if difference.high < -limits["min_improvement"] else "no evidence"
    assert abs(difference.value - (brier(mine, late) - brier(other, late))) < 1e-12
    return Gate(len(there), difference, kind)


def agrees(reported: Mapping[str, float], found: Interval) -> bool:
    """Whether the value is the same, and the bounds are within what drawing days twice explains."""
    noise = NOISE * found.deviation + 1e-9  # equal models have no deviation
    return abs(reported["value"] - found.value) < 1e-9 and all(
        abs(reported[name] - getattr(found, name)) < noise for name in ("low", "high")
    )
