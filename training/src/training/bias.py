"""Bias of labels and predictions between groups, as analysis.json of Amazon SageMaker Clarify holds it.

A facet's group is compared with everybody else. The favourable outcome is an arrival in time, so most figures above 0
say that the group is worse off.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from training import bootstrap
from training.clarify import NO_BIAS, POST_TRAINING, PRE_TRAINING, Counts, Floats, Formula, NotComputable
from training.features import NAMES
from training.fliptest import flips

Flags = NDArray[np.bool_]
FAVOURABLE = "punctual"
THRESHOLD = 0.5
DRAWS, CONFIDENCE = 1000, 0.95
NOTE = (
    "Facets of this app are airlines, airports and distances. Their figures are about equal service between them, not "
    "about persons: no row says who travels."
)
_MOST_VALUES = 100
_NUMBER = re.compile(r"([^=>]+)>(-?[0-9]+(?:\.[0-9]+)?)")


@dataclass(frozen=True, slots=True)
class Facet:
    """Rows of one group: whose `column` is one of `values`, or above `threshold`."""

    column: str
    values: tuple[str, ...] = ()
    threshold: float | None = None

    def group(self, rows: pl.DataFrame) -> Flags:
        """Shape (rows,); a row without a value is of no group. Raises ValueError for a column that does not fit."""
        if self.column not in rows.columns:
            raise ValueError(f"--facet: found column {self.column[:60]!r}, allowed are {', '.join(rows.columns)}")
        values = rows[self.column]
        if self.threshold is None:
            inside = values.cast(pl.String).is_in(self.values)
        elif values.dtype.is_numeric():
            inside = values > self.threshold
        else:
            raise ValueError(f"--facet: found {self.column}>…, allowed is > for numbers only: {self.column}=A,B")
        return inside.fill_null(False).to_numpy().astype(np.bool_)

    def named(self, rows: pl.DataFrame) -> str:
        """Clarify's `value_or_threshold`: the values, or the interval that begins at the threshold."""
        if self.threshold is None:
            return ",".join(self.values)
        greatest = rows[self.column].max()
        return (
            f"({self.threshold:g}, {float(greatest):g}]"
            if isinstance(greatest, int | float)
            else f"({self.threshold:g}, ]"
        )


def facet(text: str) -> Facet:
    """`carrier=MQ,EV` or `distance>1000` as a facet. Raises ValueError."""
    if number := _NUMBER.fullmatch(text):
        return Facet(number[1], threshold=float(number[2]))
    column, _, values = text.partition("=")
    group = tuple(value for value in values.split(",") if value)
    if not column or not group or len(group) > _MOST_VALUES:
        raise ValueError(
            f"--facet: found {text[:60]!r}, allowed is a column and 1 to 100 values, carrier=MQ,EV, or a column of "
            "numbers and a threshold, distance>1000"
        )
    return Facet(column, group)


def analysis(
    rows: pl.DataFrame, scores: NDArray[np.float64], facets: Sequence[Facet], group_variable: str | None = None
) -> dict[str, Any]:
    """What analysis.json holds, in Clarify's shape; a metric that cannot be computed is null and has an `error`.

    `rows` have `late`, `day` and the features; `scores` are the predicted chances of being late. CDDL and CDDPL are
    conditioned on the column `group_variable`. `low` and `high` hold a metric in 95 % of the draws of days. Raises
    ValueError for a column that the rows do not have.
    """
    labels, predicted = ~rows["late"].to_numpy().astype(np.bool_), scores < THRESHOLD
    days, strata = _days(rows), _strata(rows, group_variable)
    before: dict[str, list[Any]] = {}
    after: dict[str, list[Any]] = {}
    for asked in facets:
        group, named = asked.group(rows), asked.named(rows)
        cells = _daily(days, strata, group, labels, predicted)
        whole, drawn = (Counts(each, group_variable is not None) for each in (cells.sum(axis=0), _drawn(cells)))
        metrics = [_metric(*one, whole, drawn) for one in PRE_TRAINING]
        before.setdefault(asked.column, []).append({"value_or_threshold": named, "metrics": metrics})
        metrics = [_metric(*one, whole, drawn) for one in POST_TRAINING]
        # in the order of Clarify's pages: FT before GE
        metrics.insert(-1, _fliptest(rows, asked.column, group, predicted, days))
        after.setdefault(asked.column, []).append({"value_or_threshold": named, "metrics": metrics})
    label = {"label": FAVOURABLE, "label_value_or_threshold": "1"}
    return {
        "version": "1.0",
        "note": NOTE,
        "rows": rows.height,
        "threshold": THRESHOLD,
        "pre_training_bias_metrics": {**label, "facets": before},
        "post_training_bias_metrics": {**label, "facets": after},
    }


def violations(found: Mapping[str, Any], baseline: Mapping[str, Any]) -> dict[str, Any]:
    """What constraint_violations.json holds: metrics that are surely farther from no bias than the baseline's were.

    As SageMaker's bias monitor does, but for noise: all that the draws of days leave must be farther, not the value
    alone. Raises ValueError when the baseline is no analysis.
    """
    try:
        before = {place: metric["value"] for place, metric in _metrics(baseline)}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"baseline: found {error!r}, allowed is an analysis.json that this step wrote") from None
    worse = []
    for (column, value, name), metric in _metrics(found):
        was, none = before.get((column, value, name)), NO_BIAS.get(name, 0.0)
        if was is None or metric["value"] is None:
            continue
        low, high = (metric["value"] if metric[end] is None else metric[end] for end in ("low", "high"))
        nearest = 0.0 if low <= none <= high else min(abs(low - none), abs(high - none))
        if nearest > abs(was - none):
            said = f"Value {metric['value']:.4f} [{low:.4f}, {high:.4f}] does not meet the constraint requirement"
            worse.append(
                {
                    "facet": column,
                    "facet_value": value,
                    "metric_name": name,
                    "constraint_check_type": "bias_drift_check",
                    "description": f"{said}: was {was:.4f}",
                }
            )
    return {"version": "1.0", "violations": worse}


def _metrics(report: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], Mapping[str, Any]]]:
    """Each metric by column, group and name. An interval is known by its threshold: its end is the window's."""
    for kind in ("pre_training_bias_metrics", "post_training_bias_metrics"):
        for column, groups in report[kind]["facets"].items():
            for group in groups:
                value = group["value_or_threshold"]
                known = value.partition(",")[0] if value.startswith("(") else value
                for metric in group["metrics"]:
                    yield (column, known, metric["name"]), metric


def _metric(name: str, description: str, formula: Formula, whole: Counts, drawn: Counts) -> dict[str, Any]:
    """The metric over all days, with its bounds over draws of days."""
    try:
        value = float(formula(whole))
    except NotComputable as reason:
        return _null(name, description, reason)
    found = np.asarray(formula(drawn))
    return _figures(name, description, bootstrap.interval(value, found[np.isfinite(found)], CONFIDENCE))


def _fliptest(
    rows: pl.DataFrame, column: str, group: Flags, predicted: Flags, days: NDArray[np.intp]
) -> dict[str, Any]:
    name, description = "FT", "Counterfactual Fliptest"
    compared = [one for one in NAMES if one in rows.columns and one != column]
    try:
        asked, flipped = flips(rows, compared, group, predicted)
    except NotComputable as reason:
        return _null(name, description, reason)
    mine = np.unique(days[asked], return_inverse=True)[1]
    drawn = bootstrap.draws(int(mine.max()) + 1, DRAWS)
    return _figures(name, description, bootstrap.mean_interval(flipped, mine, drawn, CONFIDENCE))


def _figures(name: str, description: str, found: bootstrap.Interval) -> dict[str, Any]:
    low, high = (None if math.isnan(end) else end for end in (found.low, found.high))
    return {"name": name, "description": description, "value": found.value, "low": low, "high": high}


def _null(name: str, description: str, reason: NotComputable) -> dict[str, Any]:
    return {"name": name, "description": description, "value": None, "low": None, "high": None, "error": str(reason)}


def _days(rows: pl.DataFrame) -> NDArray[np.intp]:
    """Shape (rows,): the days numbered from 0."""
    return np.unique(rows["day"].to_numpy(), return_inverse=True)[1].astype(np.intp)


def _strata(rows: pl.DataFrame, column: str | None) -> NDArray[np.intp]:
    """Shape (rows,): the strata numbered from 0. Raises ValueError."""
    if column is None:
        return np.zeros(rows.height, np.intp)
    if column not in rows.columns:
        raise ValueError(f"--group-variable: found column {column[:60]!r}, allowed are {', '.join(rows.columns)}")
    return np.unique(rows[column].cast(pl.String).fill_null("").to_numpy(), return_inverse=True)[1].astype(np.intp)


def _daily(days: NDArray[np.intp], strata: NDArray[np.intp], group: Flags, labels: Flags, predicted: Flags) -> Floats:
    """The rows counted by day, stratum, facet, label and prediction: shape (days, strata, 2, 2, 2)."""
    shape = (int(days.max(initial=0)) + 1, int(strata.max(initial=0)) + 1, 2, 2, 2)
    place = np.ravel_multi_index((days, strata, group.astype(int), labels.astype(int), predicted.astype(int)), shape)
    return np.bincount(place, minlength=math.prod(shape)).reshape(shape).astype(np.float64)


def _drawn(daily: Floats) -> Floats:
    """The counts of draws of days: shape (draws, strata, 2, 2, 2)."""
    days = daily.shape[0]
    return (bootstrap.draws(days, DRAWS) @ daily.reshape(days, -1)).reshape(DRAWS, *daily.shape[1:])
