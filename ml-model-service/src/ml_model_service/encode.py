"""Rows to the matrix a model reads, compiled once from the model's own feature schema."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from math import nan
from typing import Any

from ml_model_service.errors import MISSING, Detail, Problem, invalid
from ml_model_service.schema import Category, Feature, FeatureSchema, Number

MAX_DETAILS = 20


class _Invalid(Exception):
    """A value that the feature does not allow."""


class Encoder:
    """Checks rows and turns them into numbers: a category into its code, a missing value into NaN."""

    def __init__(self, schema: FeatureSchema) -> None:
        self._features = {feature.name: feature for feature in schema.features}
        self._columns = [(feature.name, _column(feature)) for feature in schema.features]
        if len(self._features) != len(self._columns):
            raise ValueError("two features have the same name")

    def encode(self, rows: Sequence[dict[str, Any]]) -> array[float]:
        """All rows, one after the other: shape (rows * features,). Raises Problem 422 that names row and field."""
        columns, width = self._columns, len(self._columns)
        values: list[float] = []
        try:
            for row in rows:
                if len(row) != width:
                    raise self._problem(rows)
                values += [encode(row[name]) for name, encode in columns]
        except (KeyError, _Invalid):
            raise self._problem(rows) from None
        return array("d", values)

    def _problem(self, rows: Sequence[dict[str, Any]]) -> Problem:
        """Everything that is wrong, bounded; only computed once something is."""
        found: list[Detail] = []
        total = 0
        for position, row in enumerate(rows):
            details = self._details(f"instances[{position}]", row)
            total += len(details)
            found += details[: MAX_DETAILS - len(found)]
        return invalid(found, total - len(found))

    def _details(self, path: str, row: dict[str, Any]) -> list[Detail]:
        details: list[Detail] = []
        for name, encode in self._columns:
            value = row.get(name, MISSING)
            try:
                encode(value)
            except _Invalid:
                details.append(Detail(f"{path}.{name}", value, self._features[name].allowed))
        unknown = [name for name in row if name not in self._features]
        return details + [Detail(f"{path}.{name}", row[name], "no such feature") for name in unknown]


def _column(feature: Feature) -> Callable[[Any], float]:
    return _number(feature) if isinstance(feature, Number) else _category(feature)


def _number(feature: Number) -> Callable[[Any], float]:
    low, high, nullable = feature.minimum, feature.maximum, feature.nullable

    def encode(value: Any) -> float:
        # type() rather than isinstance(): true is no number here
        if (type(value) is float or type(value) is int) and low <= value <= high:
            return float(value)
        if value is None and nullable:
            return nan
        raise _Invalid

    return encode


def _category(feature: Category) -> Callable[[Any], float]:
    codes, nullable = {value: float(code) for code, value in enumerate(feature.values)}, feature.nullable

    def encode(value: Any) -> float:
        if type(value) is str:
            code = codes.get(value)
            if code is not None:
                return code
            if nullable:
                return nan
        elif value is None and nullable:
            return nan
        raise _Invalid

    return encode
