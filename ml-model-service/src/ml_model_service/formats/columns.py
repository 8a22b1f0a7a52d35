"""One feature's values to numbers: in bulk for a column that is right, one by one to find what is wrong with one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import nan
from typing import Annotated, Any

import msgspec

from ml_model_service.metadata import Category, Feature, Number, WholeNumber


class Unfit(Exception):
    """A value is not allowed by its feature. Raised for a whole column; `one`, asked value by value, tells which."""


class NumberColumn:
    """Finite numbers within bounds. Missing ones become NaN where the feature is nullable."""

    def __init__(self, feature: Number) -> None:
        self.feature = feature
        self._step = 1.0 if isinstance(feature, WholeNumber) else None
        bounded: Any = Annotated[float, msgspec.Meta(ge=feature.minimum, le=feature.maximum, multiple_of=self._step)]
        # a type for msgspec, which then checks kind and bounds in C
        kind: Any = bounded | None if feature.nullable else bounded
        self.type = kind
        self._numbers = msgspec.json.Decoder(list[kind]).decode

    def one(self, value: Any) -> float:
        """The number that stands for a JSON value. Raises Unfit."""
        # type() rather than isinstance(): true is no number here
        if (
            (type(value) is float or type(value) is int)
            and self.feature.minimum <= value <= self.feature.maximum
            and (self._step is None or value % self._step == 0)
        ):
            return float(value)
        if value is None and self.feature.nullable:
            return nan
        raise Unfit

    def of_checked(self, values: Sequence[float | None]) -> Iterable[float]:
        """The numbers of a column that msgspec has checked against `type`."""
        return [nan if value is None else value for value in values] if None in values else values  # type: ignore[return-value]

    def of_text(self, fields: Sequence[str]) -> Iterable[float]:
        """The numbers of CSV fields that JSON would read alike (no field may be `null`). Raises Unfit for others."""
        try:
            values = self._numbers(f"[{','.join([field or 'null' for field in fields])}]")
        except msgspec.DecodeError:
            raise Unfit from None
        if len(values) != len(fields):
            raise Unfit
        return self.of_checked(values)


class _OrMissing(dict[str | None, float]):
    def __missing__(self, _: str | None) -> float:
        return nan


class CategoryColumn:
    """Strings, each standing for its position in the feature's values."""

    def __init__(self, feature: Category) -> None:
        self.feature = feature
        self.type: Any = str | None if feature.nullable else str
        codes: dict[str | None, float] = {value: float(code) for code, value in enumerate(feature.values)}
        # by value; what is missing or was never seen is NaN where the feature is nullable, else a KeyError
        self.codes = _OrMissing(codes) if feature.nullable else codes

    def one(self, value: Any) -> float:
        """The code of a JSON value; NaN for null or one that training never saw, if nullable. Raises Unfit."""
        if type(value) is str or value is None:
            try:
                return self.codes[value]
            except KeyError:
                raise Unfit from None
        raise Unfit

    def of_checked(self, values: Sequence[str | None]) -> Iterable[float]:
        """The codes of a column that msgspec has checked against `type`. Raises Unfit when one is unknown."""
        try:
            return [self.codes[value] for value in values]
        except KeyError:
            raise Unfit from None

    def of_text(self, fields: Sequence[str]) -> Iterable[float]:
        """The codes of CSV fields, an empty one being missing. Raises Unfit when one is not allowed."""
        # an empty field is missing, even where a category is called the empty string
        return self.of_checked([field or None for field in fields])


Column = NumberColumn | CategoryColumn


def column_of(feature: Feature) -> Column:
    """The column of a feature."""
    return NumberColumn(feature) if isinstance(feature, Number) else CategoryColumn(feature)
