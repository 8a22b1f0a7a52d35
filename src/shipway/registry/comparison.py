"""What differs between two model versions. The scores are the packaging program's answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from shipway.registry.metadata import Metadata


class MetricDifference(TypedDict):
    """A metric of both versions; None where a version lacks it. `difference` is b − a."""

    a: float | None
    b: float | None
    difference: float | None


class Difference(TypedDict):
    """A value of both versions; None where a version lacks it."""

    a: Any
    b: Any


class SchemaDifference(TypedDict):
    """Features that only one version has, and those that both have but describe differently."""

    added: list[str]
    removed: list[str]
    changed: dict[str, Difference]
    reordered: bool


class Size(TypedDict):
    """Bytes of the files that serve."""

    a: int
    b: int


class Row(TypedDict):
    """One row that two versions answer differently. `label` is what came true, None where it is not known."""

    features: Mapping[str, Any]
    a: float
    b: float
    label: float | None


class Disagreement(TypedDict):
    """Rows that the two versions decide differently: `count` of them, and their share of all rows.

    A prediction of at least `threshold` is one decision, a smaller one the other. Without a threshold (None) a row
    counts when its predictions differ by more than 10 % of the larger one. `worst` are the rows with the largest differences, at most 10.
    """

    count: int
    share: float
    threshold: float | None
    mean_difference: float
    largest_difference: float
    worst: list[Row]


class Distribution(TypedDict):
    """The distribution of a version's predictions."""

    mean: float
    minimum: float
    p05: float
    p25: float
    p50: float
    p75: float
    p95: float
    maximum: float


class Bin(TypedDict):
    """Predictions in `[lower, upper)`: how many, their mean, and how often the event came true."""

    lower: float
    upper: float
    count: int
    predicted: float
    observed: float


class Quality(TypedDict):
    """A version against the labels of `rows` rows.

    Probabilities (labels 0 and 1) have Brier score, log loss, AUC (None with one class only), calibration and its
    expected error; other predictions have mean absolute and root mean squared error. What does not apply is None.
    """

    rows: int
    brier: float | None
    log_loss: float | None
    auc: float | None
    calibration_error: float | None
    calibration: list[Bin]
    mean_absolute_error: float | None
    root_mean_squared_error: float | None


class Latency(TypedDict):
    """Median microseconds of one call of the bare model, one thread."""

    one_row: float
    thousand_rows: float


class Scored(TypedDict):
    """One version on the compared rows. `quality` is None when no row that it is judged on has a label."""

    predictions: Distribution
    quality: Quality | None
    latency: Latency


class Rows(TypedDict):
    """Which rows were compared: held-out rows of either version, each different one once.

    `count` = those of `a` + those of `b` that `a` does not have; `both` of them were held out by both; `left_out` rows
    do not fit one of the two schemas. A model knows the rows that it learned from, so quality is judged on those that
    both held out, or, where they are too few, on all rows (`note` says so): `judged` of them.
    """

    count: int
    a: int
    b: int
    both: int
    judged: int
    left_out: int


class Scores(TypedDict):
    """Both versions on the same rows. `ks_distance` is between their predictions."""

    rows: Rows
    a: Scored
    b: Scored
    disagreement: Disagreement
    ks_distance: float


class Comparison(TypedDict):
    """Every metric; of hyperparameters and the schema only what differs.

    `note` says why `scores` is None, or what to mind when reading them; empty when there is nothing to say.
    """

    metrics: dict[str, MetricDifference]
    hyperparameters: dict[str, Difference]
    schema: SchemaDifference
    size: Size
    scores: Scores | None
    note: str


def compared(a: Metadata, b: Metadata, scores: Scores | None, note: str) -> Comparison:
    """What changes from version `a` to version `b`."""
    return {
        "size": {"a": a.files[a.model_file].bytes, "b": b.files[b.model_file].bytes},
        "scores": scores,
        "note": note,
        "metrics": {name: _metric(a.metrics.get(name), b.metrics.get(name)) for name in _names(a.metrics, b.metrics)},
        "hyperparameters": _differences(a.hyperparameters, b.hyperparameters),
        "schema": _schema(a, b),
    }


def _metric(a: float | None, b: float | None) -> MetricDifference:
    return {"a": a, "b": b, "difference": None if a is None or b is None else b - a}


def _schema(a: Metadata, b: Metadata) -> SchemaDifference:
    before = {feature.name: feature.model_dump() for feature in a.feature_schema.features}
    after = {feature.name: feature.model_dump() for feature in b.feature_schema.features}
    both = [name for name in before if name in after]
    changed = _differences({name: before[name] for name in both}, {name: after[name] for name in both})
    return {
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "changed": changed,
        "reordered": both != [name for name in after if name in before],
    }


def _differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Difference]:
    return {
        name: {"a": a.get(name), "b": b.get(name)}
        for name in _names(a, b)
        if name not in a or name not in b or a[name] != b[name]
    }


def _names(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return [*a, *(name for name in b if name not in a)]
