"""Constraints of model quality: suggested from a baseline, read strictly, held to a window."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from model_monitoring.problems import Problem, decoded
from model_monitoring.quality.judged import WORSE, Judged, Kind
from model_monitoring.windows import FEWEST, LENGTHS, Length, labelled_windows

MARGIN = 4.0
"""Standard errors by which a metric must be beyond its threshold, where `Robust`."""
Operator = Literal["LessThanThreshold", "GreaterThanThreshold"]


class Constraint(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What a metric is compared with; `window_thresholds` (ours) win for windows of their length."""

    threshold: float
    comparison_operator: Operator
    window_thresholds: dict[Length, float] = msgspec.field(default_factory=dict)


class Constraints(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The whole file: the constraints of one kind of problem.

    `Robust` (ours) leaves out what chance explains; `Simple` compares as SageMaker does. `window_labels` (ours) are the
    labels that the baseline's windows had: with as many, chance is in their thresholds already.
    """

    version: float
    comparison_method: Literal["Simple", "Robust"] = "Robust"
    min_labels: Annotated[int, msgspec.Meta(ge=1)] = 200
    window_labels: dict[Length, Annotated[float, msgspec.Meta(ge=1)]] = msgspec.field(default_factory=dict)
    binary_classification_constraints: dict[str, Constraint] | None = None
    regression_constraints: dict[str, Constraint] | None = None
    multiclass_classification_constraints: dict[str, Constraint] | None = None

    @property
    def kind(self) -> Kind | None:
        """The kind of problem; None for a file that constrains nothing."""
        return next((kind for kind in WORSE if self.of(kind)), None)

    def of(self, kind: Kind) -> Mapping[str, Constraint]:
        """The constraints of a kind of problem."""
        found: dict[str, Constraint] | None = getattr(self, f"{kind}_constraints")
        return found or {}


def suggested(judged: Judged, rate: float) -> Constraints:
    """As good as the baseline, and in a window as good as the baseline's own of that length.

    `rate`: of windows with any false alarm, shared by the metrics.
    """
    lower, higher = WORSE[judged.kind]
    metrics = judged.metrics()
    own, counts = _of_windows(judged, rate)
    operators: tuple[tuple[Sequence[str], Operator], ...] = (
        (lower, "LessThanThreshold"),
        (higher, "GreaterThanThreshold"),
    )
    found = {
        name: Constraint(
            value, operator, {length: thresholds[name] for length, thresholds in own.items() if name in thresholds}
        )
        for names, operator in operators
        for name in names
        if (value := metrics.get(name)) is not None
    }
    suggestion = Constraints(0.0, window_labels=counts)
    setattr(suggestion, f"{judged.kind}_constraints", found)
    return suggestion


def _of_windows(judged: Judged, rate: float) -> tuple[dict[Length, dict[str, float]], dict[Length, float]]:
    lower, higher = WORSE[judged.kind]
    if not np.isfinite(judged.joined.times).all():
        return {}, {}
    counts: dict[Length, float] = {}
    found: dict[Length, dict[str, float]] = {}
    for length in LENGTHS:
        windows = labelled_windows(judged.joined.times[judged.rows], length)
        if len(windows) < FEWEST:
            continue
        counts[length] = median(map(len, windows))
        sets = [_comparable(judged, judged.rows[places]) for places in windows]
        found[length] = {}
        for names in (lower, higher):
            for name in names:
                values = [value for one in sets if (value := one.get(name)) is not None]
                if len(values) >= max(FEWEST, len(sets) / 2):
                    # Bonferroni: each metric has an equal part of the rate. The order statistic is split conformal's.
                    place = min(len(values), math.ceil((len(values) + 1) * (1 - rate / (len(lower) + len(higher)))))
                    found[length][name] = sorted(values, reverse=names is lower)[place - 1]
    return found, counts


def _comparable(judged: Judged, rows: Any = None) -> dict[str, float | None]:
    """The metrics; of the calibration error what is beyond chance, or few labels would look like a bad model."""
    found = judged.metrics(rows)
    error = found.get("calibration_error")
    if error is not None:
        found["calibration_error"] = max(0.0, error - judged.chance_of_calibration(rows))
    return found


def read(text: bytes, name: str) -> Constraints:
    """The file's constraints. Raises Problem that names the line; `name` is the file's."""
    found = decoded(text, Constraints, name)
    kinds = [kind for kind in WORSE if found.of(kind)]
    if len(kinds) > 1:
        raise Problem(f"{name}: constraints of one kind of problem are wanted; found {', '.join(kinds)}")
    for kind in kinds:
        known = [*WORSE[kind][0], *WORSE[kind][1], "mean_prediction", "label_rate"]
        for metric in found.of(kind):
            if metric not in known:
                where = f"$.{kind}_constraints.{metric}"
                raise Problem.at(name, text, where, f"there is no metric {metric!r}; there is: {', '.join(known)}")
    return found


def check(judged: Judged, held: Constraints, length: Length) -> Iterator[dict[str, str]]:
    """The violations. None where fewer rows are labelled than `min_labels`: that is no evidence."""
    if len(judged) < held.min_labels:
        return
    is_robust = held.comparison_method == "Robust"
    metrics = _comparable(judged) if is_robust else judged.metrics()
    errors = judged.standard_errors() if is_robust else {}
    # Windows of a length vary by chance as well: only what fewer labels add to that is left out.
    added = max(0.0, 1 - len(judged) / held.window_labels.get(length, len(judged))) ** 0.5
    for name, constraint in held.of(judged.kind).items():
        value = metrics.get(name)
        if value is None:
            continue
        own = constraint.window_thresholds.get(length)
        if own is None and length in held.window_labels:
            continue  # most of the baseline's windows could not tell it
        threshold = constraint.threshold if own is None else own
        margin = MARGIN * (errors.get(name) or 0.0) * (1.0 if own is None else added)
        is_lower = constraint.comparison_operator == "LessThanThreshold"
        if threshold - value > margin if is_lower else value - threshold > margin:
            operator = constraint.comparison_operator
            said = f"Metric {name} with {value:.4f} was {operator} {threshold:.4f}"
            said += f" for a {length}" if own is not None else ""
            said += f", by more than chance explains ({margin:.4f})" if margin else ""
            yield {"constraint_check_type": operator, "description": said, "metric_name": name}
