"""What the tables of the channels must hold: the columns by name, and what may stand in each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from training.features import CATEGORIES, NAMES

Kind = Literal["whole number", "number", "text", "time", "day", "true or false"]

TYPES: dict[Kind, pl.DataType] = {
    "whole number": pl.Int64(),
    "number": pl.Float64(),
    "text": pl.String(),
    "time": pl.Datetime("us"),
    "day": pl.Date(),
    "true or false": pl.Boolean(),
}
TIME_FORMAT, DAY_FORMAT = "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d"
EXAMPLES: dict[Kind, str] = {
    "whole number": "a whole number",
    "number": "a finite number",
    "text": "text",
    "time": "a time in UTC such as 2013-07-04T12:00:00Z",
    "day": "a day such as 2013-07-04",
    "true or false": "true or false",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `nullable`: whether a value may be missing; `needed`: whether the column may."""

    name: str
    kind: Kind
    nullable: bool = True
    needed: bool = True
    minimum: float | None = None
    maximum: float | None = None

    @property
    def allowed(self) -> str:
        """What may stand in it, in words."""
        bounds = "" if self.minimum is None else f" from {self.minimum:g} to {self.maximum:g}"
        return EXAMPLES[self.kind] + bounds + (", or NA for missing" if self.nullable else "")


@dataclass(frozen=True, slots=True)
class Table:
    """The columns of a channel, in any order. No two rows are equal in `key`."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()


def _key(name: str, kind: Kind, minimum: float | None = None, maximum: float | None = None) -> Column:
    return Column(name, kind, nullable=False, minimum=minimum, maximum=maximum)


def _unread(name: str, kind: Kind) -> Column:
    return Column(name, kind, needed=False)


_DAY = (
    _key("year", "whole number", 1900, 2200),
    _key("month", "whole number", 1, 12),
    _key("day", "whole number", 1, 31),
)
FLIGHTS = Table(
    "flights",
    (
        *_DAY,
        _unread("dep_time", "whole number"),
        _unread("sched_dep_time", "whole number"),
        Column("dep_delay", "whole number", minimum=-1440, maximum=10_000),
        _unread("arr_time", "whole number"),
        Column("sched_arr_time", "whole number", minimum=0, maximum=2400),
        Column("arr_delay", "whole number", minimum=-1440, maximum=10_000),
        Column("carrier", "text"),
        _unread("flight", "whole number"),
        _unread("tailnum", "text"),
        _key("origin", "text"),
        Column("dest", "text"),
        _unread("air_time", "whole number"),
        Column("distance", "whole number", minimum=0, maximum=20_000),
        _key("hour", "whole number", 0, 23),
        _key("minute", "whole number", 0, 59),
        _key("time_hour", "time"),
    ),
)
WEATHER = Table(
    "weather",
    (
        *_DAY,
        _key("origin", "text"),
        _key("hour", "whole number", 0, 23),
        *(Column(name, "number") for name in ("temp", "dewp", "humid", "wind_dir", "wind_speed")),
        _unread("wind_gust", "number"),
        *(Column(name, "number") for name in ("precip", "pressure", "visib")),
        _key("time_hour", "time"),
    ),
    # a second observation of an hour would double the flights after it
    key=("origin", "time_hour"),
)
_WHOLE = ("distance", "day_of_week", "departure_minute", "arrival_minute", "clock_minutes")
ROWS = Table(
    "rows",
    (
        _key("day", "day"),
        _key("departure", "time"),
        _key("late", "true or false"),
        *(Column(n, "text" if n in CATEGORIES else "whole number" if n in _WHOLE else "number") for n in NAMES),
    ),
)
"""Prepared rows: what a model learns from and is tested on."""
