"""A group of features as shipway.yaml declares it, and the columns of its files: SageMaker's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

TYPES: dict[str, pl.DataType] = {"String": pl.String(), "Integral": pl.Int64(), "Fractional": pl.Float64()}
MICROSECONDS = pl.Datetime("us", "UTC")
WRITTEN, ASKED, DELETED = "write_time", "api_invocation_time", "is_deleted"
OWN: dict[str, pl.DataType] = {WRITTEN: MICROSECONDS, ASKED: MICROSECONDS, DELETED: pl.Boolean()}
"""What SageMaker adds to the features of a record."""
_ISO = "%Y-%m-%dT%H:%M:%S%.fZ"


@dataclass(frozen=True, slots=True)
class Group:
    """`ttl` is in seconds; None: its records stay."""

    name: str
    record_id: str
    event_time: str
    types: Mapping[str, str]
    ttl: float | None

    @classmethod
    def of(cls, name: str, declared: Mapping[str, Any]) -> Group:
        """The group that a job describes."""
        return cls(name, declared["record_id"], declared["event_time"], declared["types"], declared["ttl"])

    @property
    def schema(self) -> dict[str, pl.DataType]:
        """The columns of its files."""
        return {name: TYPES[kind] for name, kind in self.types.items()} | OWN


def moments(column: pl.Series) -> pl.Series:
    """Event times as moments in UTC, to the microsecond, null where one is none.

    They are texts, 2013-07-04T12:15:00Z with or without a fraction, or Unix time, as text or number; or dates and
    times, UTC where they have no zone.
    """
    if isinstance(column.dtype, pl.Datetime):
        zoned = column if column.dtype.time_zone else column.dt.replace_time_zone("UTC")
        return zoned.dt.convert_time_zone("UTC").cast(MICROSECONDS)
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if column.dtype == pl.String:
        found = column.str.to_datetime(_ISO, time_unit="us", time_zone="UTC", strict=False)
        if found.null_count() == column.null_count():
            return found
        return found.zip_with(found.is_not_null(), _of_unix_time(column.cast(pl.Float64, strict=False)))
    return _of_unix_time(column.cast(pl.Float64, strict=False))


def _of_unix_time(seconds: pl.Series) -> pl.Series:
    sane = seconds.is_between(0, 1e11)
    micros = (seconds * 1e6).round().set(~sane.fill_null(True), None)
    return micros.cast(pl.Int64, strict=False).cast(MICROSECONDS)
