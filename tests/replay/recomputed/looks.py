"""A look of the monitor once more: its window's captured rows against the rows that the version learned from."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tests.replay.recomputed.figures import (
    Floats,
    auc,
    brier,
    calibration_by_chance,
    calibration_deviation,
    calibration_error,
    robust_distance,
)
from tests.replay.recomputed.traffic import Captured, Label

SKETCHED = 0.004
"""By which a distance of sketches (KLL, k = 2048) on both sides may be off."""
_DRAWN = 0.002
"""By which what is drawn anew may be off: a calibration error by chance."""
_MARGIN = 4.0
"""Deviations beyond its threshold from which a metric of few labels counts."""
_LEAST = 0.02
"""The least threshold of a distance."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What the platform reported, what is computed here, and by how much they may differ."""

    name: str
    reported: float
    found: float
    allowed: float

    @property
    def ok(self) -> bool:
        """Whether they agree."""
        return abs(self.reported - self.found) <= self.allowed


@dataclass(frozen=True, slots=True)
class Look:
    """What a window came to by this computation. `causes` are the triggers that drift."""

    figures: Sequence[Figure]
    causes: Sequence[str]


def folder_of(looks: Path, begin: float, end: float) -> Path | None:
    """The newest look at this window of the clock, by the times in its file of model quality."""
    for folder in sorted(looks.glob("[!.]*"), reverse=True):
        told = _json(folder / "model_quality_statistics.json").get("dataset", {})
        if _unix(told.get("start_time")) == begin and abs(_unix(told.get("end_time")) - end) < 0.01:
            return folder
    return None


def look(rows: Sequence[Captured], labels: Mapping[str, Label], learned: Path, baseline: Path, folder: Path) -> Look:
    """Compute the look of `folder` from its rows. `learned` is baseline.csv of the version, `baseline` its constraints."""
    before = _Learned.read(learned)
    reported = {one["feature_name"]: one for one in _json(folder / "distances.json")["features"]}
    figures, causes = [], []
    for name, now in (
        ("probability", np.array([row.prediction for row in rows])),
        ("airport_late_share", _numbers(row.features["airport_late_share"] for row in rows)),
    ):
        far, threshold = robust_distance(now, _there(before.columns[name])), before.threshold(name)
        figures += [
            Figure(f"{name}: distance", reported[name]["value"], far, SKETCHED),
            Figure(f"{name}: threshold", reported[name]["threshold"], threshold, SKETCHED),
        ]
        if far > threshold:
            causes.append(name)

    known = [(row.prediction, labels[row.id].value) for row in rows if row.id in labels]
    predictions, outcomes = np.array(known, dtype=np.float64).reshape(-1, 2).T
    quality = _json(folder / "model_quality_statistics.json")["binary_classification_metrics"]
    error = calibration_error(predictions, outcomes)
    threshold = before.calibration_threshold()
    constraint = _json(baseline / "model_quality_constraints.json")["binary_classification_constraints"]
    figures += [
        Figure("auc", quality["auc"]["value"], auc(predictions, outcomes), 1e-9),
        Figure("brier", quality["brier"]["value"], brier(predictions, outcomes), 1e-9),
        Figure("calibration_error", quality["calibration_error"]["value"], error, 1e-9),
        Figure(
            "calibration_error: threshold",
            constraint["calibration_error"]["window_thresholds"]["month"],
            threshold,
            _DRAWN,
        ),
    ]
    fewer = max(0.0, 1 - len(known) / before.usual) ** 0.5
    margin = _MARGIN * calibration_deviation(predictions, outcomes) * fewer
    if error - calibration_by_chance(predictions) - threshold > margin:
        causes.append("calibration_error")
    return Look(figures, causes)


@dataclass(frozen=True)
class _Learned:
    """Rows that a version learned from, in `months` (places of each month's rows), those that are mostly cut off left out."""

    columns: Mapping[str, Floats]
    labels: Floats
    months: Sequence[Floats]

    @classmethod
    def read(cls, path: Path) -> _Learned:
        with path.open(newline="") as file:
            rows = [*csv.DictReader(file)]
        places = defaultdict(list)
        for place, row in enumerate(rows):
            places[row["day"][:7]].append(place)
        usual = np.median([len(some) for some in places.values()])
        months = [np.array(some) for some in places.values() if len(some) >= usual / 2]
        columns = {
            name: np.array([float(row[column] or "nan") for row in rows])
            for name, column in (("probability", "prediction"), ("airport_late_share", "airport_late_share"))
        }
        return cls(columns, np.array([float(row["label"]) for row in rows]), months)

    @property
    def usual(self) -> float:
        """Rows of a month."""
        return float(np.median([len(places) for places in self.months]))

    def threshold(self, name: str) -> float:
        """The most that a month of it was away from its other months. With 20 months a rate could be held; here are few."""
        values = self.columns[name]
        return max(_LEAST, *(robust_distance(*_apart(values, places)) for places in self.months))

    def calibration_threshold(self) -> float:
        """The most by which a month's error was beyond chance."""
        predictions = self.columns["probability"]
        return max(
            max(0.0, calibration_error(said, true) - calibration_by_chance(said))
            for said, true in ((predictions[places], self.labels[places]) for places in self.months)
        )


def _apart(values: Floats, places: Floats) -> tuple[Floats, Floats]:
    """The values at those places, and the others; without those that are missing."""
    inside = np.zeros(len(values), dtype=bool)
    inside[places] = True
    return _there(values[inside]), _there(values[~inside])


def _there(values: Floats) -> Floats:
    return values[~np.isnan(values)]


def _numbers(values: Iterator[Any]) -> Floats:
    return np.array([float(value) for value in values if value is not None])


def _unix(text: str | None) -> float:
    return datetime.fromisoformat(text).timestamp() if text else float("nan")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
