"""Bias of labels and predictions between groups, by the formulas of Amazon SageMaker Clarify's documentation.

A facet's group is compared with everybody else: `d` are the rows of the group, `a` the others. The favourable outcome
is an arrival in time, so a positive figure of the first kind says that the group is worse off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
FAVOURABLE = "punctual"
THRESHOLD = 0.5
_MOST_VALUES = 100


class NotComputable(ValueError):
    """A metric has no value on these rows."""


@dataclass(frozen=True, slots=True)
class Facet:
    """Rows whose `column` is one of `values`, as one group."""

    column: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Groups:
    """Labels and predictions by row, True where favourable, and which rows are of the group."""

    group: Flags
    labels: Flags
    predicted: Flags

    def rate(self, of: Flags, where: Flags, what: str) -> float:
        """Share of `of` among the rows `where`. Raises NotComputable when there are none."""
        count = int(where.sum())
        if not count:
            raise NotComputable(f"no rows: {what}")
        return float((of & where).sum()) / count

    def difference(self, of: Flags, where: Flags, what: str) -> float:
        """`rate` of the others less that of the group."""
        others = self.rate(of, where & ~self.group, f"{what} among the others")
        return others - self.rate(of, where & self.group, f"{what} in the group")


def facet(text: str) -> Facet:
    """`carrier=MQ,EV` as a facet. Raises ValueError."""
    column, _, values = text.partition("=")
    group = tuple(value for value in values.split(",") if value)
    if not column or not group or len(group) > _MOST_VALUES:
        raise ValueError(f"--facet: found {text[:60]!r}, allowed is a column and 1 to 100 values: carrier=MQ,EV")
    return Facet(column, group)


def analysis(rows: pl.DataFrame, scores: NDArray[np.float64], facets: Sequence[Facet]) -> dict[str, Any]:
    """What analysis.json holds, in Clarify's shape; a metric that cannot be computed is null and has an `error`.

    Raises ValueError for a facet whose column the rows do not have.
    """
    labels, predicted = ~rows["late"].to_numpy().astype(np.bool_), scores < THRESHOLD
    before: dict[str, list[Any]] = {}
    after: dict[str, list[Any]] = {}
    for asked in facets:
        if asked.column not in rows.columns:
            raise ValueError(f"--facet: found column {asked.column[:60]!r}, allowed are {', '.join(rows.columns)}")
        group = rows[asked.column].cast(pl.String).is_in(asked.values).fill_null(False).to_numpy().astype(np.bool_)
        groups, named = Groups(group, labels, predicted), ",".join(asked.values)
        for report, metrics in ((before, PRE_TRAINING), (after, POST_TRAINING)):
            entry = {"value_or_threshold": named, "metrics": [_metric(*one, groups) for one in metrics]}
            report.setdefault(asked.column, []).append(entry)
    label = {"label": FAVOURABLE, "label_value_or_threshold": "1"}
    return {
        "version": "1.0",
        "rows": rows.height,
        "threshold": THRESHOLD,
        "pre_training_bias_metrics": {**label, "facets": before},
        "post_training_bias_metrics": {**label, "facets": after},
    }


def _metric(name: str, description: str, compute: Callable[[Groups], float], groups: Groups) -> dict[str, Any]:
    try:
        value = compute(groups)
        if not math.isfinite(value):
            raise NotComputable("the figure is not finite")
    except NotComputable as reason:
        return {"name": name, "description": description, "value": None, "error": str(reason)}
    return {"name": name, "description": description, "value": value}


def class_imbalance(groups: Groups) -> float:
    """(n_a - n_d) / (n_a + n_d)."""
    if not groups.group.size:
        raise NotComputable("no rows")
    return 1 - 2 * float(groups.group.mean())


def label_difference(groups: Groups) -> float:
    """q_a - q_d, with q the share of favourable labels."""
    return groups.difference(groups.labels, np.ones_like(groups.group), "rows")


def divergence(groups: Groups) -> float:
    """Kullback-Leibler divergence of the others' labels from the group's, natural logarithm."""
    everyone = np.ones_like(groups.group)
    others = groups.rate(groups.labels, everyone & ~groups.group, "the others")
    group = groups.rate(groups.labels, everyone & groups.group, "the group")
    total = 0.0
    for a, d in ((others, group), (1 - others, 1 - group)):
        if a and not d:
            raise NotComputable("an outcome that the others have is missing in the group")
        total += a * math.log(a / d) if a else 0.0
    return total


def greatest_difference(groups: Groups) -> float:
    """Kolmogorov-Smirnov: the greatest difference of an outcome's shares."""
    return abs(label_difference(groups))


def conditional_disparity(_: Groups) -> float:
    """Needs a column to condition on, which none is named for here."""
    raise NotComputable("no group column is named to condition on")


def predicted_difference(groups: Groups) -> float:
    """q'_a - q'_d, with q' the share of favourable predictions."""
    return groups.difference(groups.predicted, np.ones_like(groups.group), "rows")


def disparate_impact(groups: Groups) -> float:
    """q'_d / q'_a."""
    others = groups.rate(groups.predicted, ~groups.group, "the others")
    if not others:
        raise NotComputable("the others have no favourable prediction")
    return groups.rate(groups.predicted, groups.group, "the group") / others


def recall_difference(groups: Groups) -> float:
    """TP_a / n_a - TP_d / n_d over rows with a favourable label."""
    return groups.difference(groups.predicted, groups.labels, "rows with a favourable label")


def accuracy_difference(groups: Groups) -> float:
    """Accuracy of the others less that of the group."""
    return groups.difference(groups.predicted == groups.labels, np.ones_like(groups.group), "rows")


def treatment_equality(groups: Groups) -> float:
    """FN_d / FP_d - FN_a / FP_a."""

    def ratio(where: Flags, what: str) -> float:
        wrongly_favoured = int((groups.predicted & ~groups.labels & where).sum())
        if not wrongly_favoured:
            raise NotComputable(f"no false positives {what}")
        return float((~groups.predicted & groups.labels & where).sum()) / wrongly_favoured

    return ratio(groups.group, "in the group") - ratio(~groups.group, "among the others")


PRE_TRAINING: tuple[tuple[str, str, Callable[[Groups], float]], ...] = (
    ("CI", "Class Imbalance", class_imbalance),
    ("DPL", "Difference in Proportions of Labels", label_difference),
    ("KL", "Kullback-Leibler Divergence", divergence),
    ("KS", "Kolmogorov-Smirnov Distance", greatest_difference),
    ("CDDL", "Conditional Demographic Disparity in Labels", conditional_disparity),
)
POST_TRAINING: tuple[tuple[str, str, Callable[[Groups], float]], ...] = (
    ("DPPL", "Difference in Positive Proportions in Predicted Labels", predicted_difference),
    ("DI", "Disparate Impact", disparate_impact),
    ("RD", "Recall Difference", recall_difference),
    ("AD", "Accuracy Difference", accuracy_difference),
    ("TE", "Treatment Equality", treatment_equality),
)
