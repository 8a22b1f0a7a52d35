"""What differs between two model versions."""

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


class Comparison(TypedDict):
    """Every metric; of hyperparameters and the schema only what differs."""

    metrics: dict[str, MetricDifference]
    hyperparameters: dict[str, Difference]
    schema: SchemaDifference


def compared(a: Metadata, b: Metadata) -> Comparison:
    """The way from version `a` to version `b`."""
    return {
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
