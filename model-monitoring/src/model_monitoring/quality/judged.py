"""Labelled rows → the metrics of their kind of problem, and SageMaker's statistics.json of model quality."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from model_monitoring.answers import Coded
from model_monitoring.labels import Joined
from model_monitoring.quality import binary, multiclass, regression

Kind = Literal["binary_classification", "regression", "multiclass_classification"]
KINDS: Mapping[str, Kind] = {
    "BinaryClassification": "binary_classification",
    "Regression": "regression",
    "MulticlassClassification": "multiclass_classification",
}
"""SageMaker's `problem_type` → what its files call it."""
WORSE: Mapping[Kind, tuple[Sequence[str], Sequence[str]]] = {
    "binary_classification": (binary.LOWER_IS_WORSE, binary.HIGHER_IS_WORSE),
    "regression": (regression.LOWER_IS_WORSE, regression.HIGHER_IS_WORSE),
    "multiclass_classification": (multiclass.LOWER_IS_WORSE, ()),
}
"""Metrics that are worse when lower, and when higher."""
_ENOUGH = 200
_RESAMPLES, _SHARE = 5, 0.8
_REPEATS, _MOST = 50, 10_000
_CHANCES = 20

Rows = np.ndarray[Any, np.dtype[np.intp]]
Vector = np.ndarray[Any, np.dtype[np.float64]]
Metrics = dict[str, float | None]


def kind_of(joined: Joined) -> Kind:
    """What the rows look like: classes by name, probabilities of 0 or 1, or numbers."""
    if joined.coded.texts:
        return "multiclass_classification"
    is_binary = (
        np.isin(joined.labels, (0.0, 1.0)).all() and ((joined.predictions >= 0) & (joined.predictions <= 1)).all()
    )
    return "binary_classification" if is_binary else "regression"


@dataclass(frozen=True)
class Judged:
    """Labelled rows that can be judged as `kind`; `threshold` parts probabilities into two classes."""

    joined: Joined
    kind: Kind
    threshold: float = 0.5
    repeats: int = field(default=_REPEATS)

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def rows(self) -> Rows:
        """Places of the rows that can be judged: numbers by numbers, probabilities by labels that are 0 or 1."""
        said, true = self.joined.predictions, self.joined.labels
        usable = np.isfinite(said) & np.isfinite(true)
        if self.kind == "binary_classification":
            usable &= np.isin(true, (0.0, 1.0)) & (said < Coded.TEXT)
        elif self.kind == "regression":
            usable &= (said < Coded.TEXT) & (true < Coded.TEXT)
        return np.flatnonzero(usable)

    def metrics(self, rows: Rows | None = None) -> Metrics:
        """The metrics of the rows, of all by default; none without rows."""
        rows = self.rows if rows is None else rows
        if not len(rows):
            return {}
        if self.kind == "multiclass_classification":
            said, true = self._classes
            return multiclass.metrics(said[rows], true[rows], len(self.names))
        predictions, labels = self.joined.predictions[rows], self.joined.labels[rows]
        if self.kind == "regression":
            return regression.metrics(predictions, labels)
        return binary.metrics(predictions, labels, self.threshold)

    @cached_property
    def names(self) -> list[str]:
        """The classes by name, in order."""
        coded = self.joined.coded
        return sorted({*coded.names(np.unique(self.joined.labels)), *coded.names(np.unique(self.joined.predictions))})

    def document(self, times: Mapping[str, str]) -> dict[str, Any]:
        """statistics.json of model quality, `times` beside its counts. A metric that does not exist there is null."""
        joined, rows = self.joined, self.rows
        dataset = {
            "item_count": joined.rows,
            **times,
            "labelled_count": len(rows),
            "labelled_share": len(rows) / joined.rows if joined.rows else 0.0,
            "labels": {name: getattr(joined, name) for name in ("corrected", "repeated", "unknown", "early")}
            | {"not judged": len(joined.labels) - len(rows), **joined.unreadable},
        }
        found: dict[str, Any] = {"version": 0.0, "dataset": dataset}
        if len(rows):
            found[f"{self.kind}_metrics"] = self._extras() | self._with_deviations(
                lambda some: self.metrics(some) | self._constant(some)
            )
        return found

    def standard_errors(self) -> Metrics:
        """Of each metric how far chance alone moves it at this many rows: bootstrap by row (Efron 1979)."""
        draw = np.random.default_rng(len(self))
        size = min(len(self), _MOST)
        sets = [self.metrics(draw.choice(self.rows, size)) for _ in range(self.repeats)] if size else []
        scale = (size / len(self)) ** 0.5 if size else 1.0
        return {name: _spread([one[name] for one in sets], scale) for name in (sets[0] if sets else ())}

    def chance_of_calibration(self, rows: Rows | None = None) -> float:
        """The calibration error that as many rows of a perfectly calibrated model show: the mean of some draws."""
        rows = self.rows if rows is None else rows
        predictions = self.joined.predictions[rows]
        draw = np.random.default_rng(len(rows))
        errors = [
            binary.calibration_error(predictions, (draw.random(len(rows)) < predictions).astype(np.float64))
            for _ in range(_CHANCES)
        ]
        return float(np.mean(errors))

    @cached_property
    def _classes(self) -> tuple[Rows, Rows]:
        place = {name: number for number, name in enumerate(self.names)}
        coded = self.joined.coded

        def of(values: Vector) -> Rows:
            return np.array([place[name] for name in coded.names(values)], dtype=np.intp)

        return of(self.joined.predictions), of(self.joined.labels)

    def _extras(self) -> dict[str, Any]:
        if self.kind == "regression":
            return {}
        if self.kind == "binary_classification":
            joined = self.joined
            return binary.extras(joined.predictions[self.rows], joined.labels[self.rows], self.threshold)
        said, true = self._classes
        table = multiclass.confusion(said[self.rows], true[self.rows], len(self.names)).tolist()
        names = self.names
        return {
            "confusion_matrix": {a: dict(zip(names, row, strict=True)) for a, row in zip(names, table, strict=True)}
        }

    def _constant(self, rows: Rows) -> Metrics:
        if self.kind == "binary_classification":
            return binary.best_constant(self.joined.labels[rows])
        if self.kind == "multiclass_classification":
            return multiclass.best_constant(self._classes[1][rows], len(self.names))
        return {}

    def _with_deviations(self, measure: Callable[[Rows], Metrics]) -> dict[str, Any]:
        """Each metric with its standard deviation over 5 resamples of 80 %, "NaN" below 200 rows, as SageMaker's."""
        draw = np.random.default_rng(len(self))
        sets = [
            measure(draw.choice(self.rows, int(_SHARE * len(self)), replace=False))
            for _ in range(_RESAMPLES if len(self) >= _ENOUGH else 0)
        ]
        found = {}
        for name, value in measure(self.rows).items():
            spread = _spread([one[name] for one in sets], 1.0)
            found[name] = {"value": value, "standard_deviation": "NaN" if spread is None else spread}
        return found


def _spread(values: Sequence[float | None], scale: float) -> float | None:
    there = [value for value in values if value is not None]
    return float(np.std(there, ddof=1)) * scale if len(there) > 1 else None
