"""A summary as SageMaker Model Monitor's statistics.json, and back to what comparisons need of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from model_monitoring.problems import Problem
from model_monitoring.summary import Column, K, Numbers, Summary

BUCKETS = 10
MAX_SHOWN = 1000
"""Categories that are listed, the most frequent first; the others are counted in one bucket."""
OTHERS = "other values"


@dataclass(frozen=True)
class Known:
    """A column as its statistics tell it. `values` and `weights` are the sketch's, in ascending order."""

    name: str
    kind: str
    present: int
    missing: int
    values: np.ndarray[Any, np.dtype[np.float64]] = field(default_factory=lambda: np.empty(0))
    weights: np.ndarray[Any, np.dtype[np.float64]] = field(default_factory=lambda: np.empty(0))
    categories: Mapping[str, int] = field(default_factory=dict)


def document(summary: Summary) -> dict[str, Any]:
    """statistics.json, `version` 0."""
    return {
        "version": 0,
        "dataset": {"item_count": summary.rows},
        "features": [_feature(name, column) for name, column in summary.columns.items()],
    }


def _feature(name: str, column: Column) -> dict[str, Any]:
    kind = column.kind
    found: dict[str, Any] = {"name": name, "inferred_type": kind}
    # Values of another type than the column's count as present, as the check of types speaks of them.
    common = {"num_present": column.present, "num_missing": column.missing}
    if kind in ("Integral", "Fractional"):
        found["numerical_statistics"] = {"common": common} | _numerical(column.numbers)
    elif kind == "String":
        found["string_statistics"] = {"common": common} | _categorical(column)
    else:
        found["string_statistics"] = {"common": common, "distinct_count": 0}
    return found


def _numerical(numbers: Numbers) -> dict[str, Any]:
    edges = np.linspace(numbers.least, numbers.greatest, BUCKETS + 1)
    return {
        "mean": numbers.mean,
        "sum": numbers.mean * numbers.count,
        "std_dev": numbers.deviation,
        "min": numbers.least,
        "max": numbers.greatest,
        "distribution": {"kll": {"buckets": _buckets(numbers, edges), "sketch": _sketch(numbers)}},
    }


def _buckets(numbers: Numbers, edges: np.ndarray[Any, np.dtype[np.float64]]) -> list[dict[str, float]]:
    inner = np.unique(edges[1:-1])
    if len(inner) < BUCKETS - 1 or not edges[0] < inner[0]:  # one value, or values too close for ten buckets
        shares, edges = np.ones(1), edges[[0, -1]]
    else:
        values, weights = numbers.weighted()
        shares = np.bincount(np.searchsorted(inner, values, "right"), weights, BUCKETS) / numbers.count
    return [
        {"lower_bound": float(low), "upper_bound": float(high), "count": round(share * numbers.count)}
        for low, high, share in zip(edges, edges[1:], shares, strict=False)
    ]


def _sketch(numbers: Numbers) -> dict[str, Any]:
    """The sketches' items by level: an item of level i stands for 2 to the power of i values."""
    levels: dict[int, list[float]] = {}
    for base, sketch in numbers.sketches.items():
        for value, weight in sketch:
            levels.setdefault(base + int(weight).bit_length() - 1, []).append(value)
    data = [levels.get(level, []) for level in range(max(levels, default=-1) + 1)]
    return {"parameters": {"c": 0.64, "k": float(K)}, "data": data}


def _categorical(column: Column) -> dict[str, Any]:
    return {"distinct_count": len(column.texts), "distribution": {"categorical": {"buckets": _shown(column)}}}


def _shown(column: Column) -> list[dict[str, Any]]:
    shown = column.texts.most_common(MAX_SHOWN)
    buckets: list[dict[str, Any]] = [{"value": text, "count": count} for text, count in shown]
    if rest := column.text_count - sum(count for _, count in shown):
        buckets.append({"value": OTHERS, "count": rest})
    return buckets


def known_of(name: str, column: Column, kind: str | None = None) -> Known:
    """A column as its statistics would tell it, as `kind` if that is given."""
    kind = column.kind if kind is None else kind
    there = (name, kind, column.present, column.missing)
    if kind in ("Integral", "Fractional") and column.numbers.count:
        values, weights = column.numbers.weighted()
        return Known(*there, values=values, weights=weights)
    if kind == "String":
        return Known(*there, categories={bucket["value"]: bucket["count"] for bucket in _shown(column)})
    return Known(*there)


def known(statistics: bytes, name: str) -> dict[str, Known]:
    """The columns of a statistics.json by name. Raises Problem; `name` is the file's."""
    try:
        read = msgspec.json.decode(statistics, type=_Document)
    except msgspec.DecodeError as error:
        raise Problem(f"{name}: {error}") from None
    return {feature.name: _known(feature) for feature in read.features}


class _Common(msgspec.Struct):
    num_present: int
    num_missing: int


class _Sketch(msgspec.Struct):
    data: list[list[float]]


class _Kll(msgspec.Struct):
    sketch: _Sketch


class _NumberDistribution(msgspec.Struct):
    kll: _Kll


class _Numerical(msgspec.Struct):
    common: _Common
    distribution: _NumberDistribution | None = None


class _Bucket(msgspec.Struct):
    value: str
    count: int


class _Categories(msgspec.Struct):
    buckets: list[_Bucket]


class _TextDistribution(msgspec.Struct):
    categorical: _Categories


class _Strings(msgspec.Struct):
    common: _Common
    distribution: _TextDistribution | None = None


class _Feature(msgspec.Struct):
    name: str
    inferred_type: str
    numerical_statistics: _Numerical | None = None
    string_statistics: _Strings | None = None


class _Document(msgspec.Struct):
    features: list[_Feature]


def _known(feature: _Feature) -> Known:
    numbers, strings = feature.numerical_statistics, feature.string_statistics
    common = numbers.common if numbers else strings.common if strings else _Common(0, 0)
    there = (feature.name, feature.inferred_type, common.num_present, common.num_missing)
    if numbers and numbers.distribution:
        levels = numbers.distribution.kll.sketch.data
        values = np.concatenate([np.asarray(level, dtype=np.float64) for level in levels] or [np.empty(0)])
        weights = np.concatenate([np.full(len(level), 2.0**n) for n, level in enumerate(levels)] or [np.empty(0)])
        order = np.argsort(values, kind="stable")
        return Known(*there, values=values[order], weights=weights[order])
    if strings and strings.distribution:
        return Known(*there, categories={b.value: b.count for b in strings.distribution.categorical.buckets})
    return Known(*there)
