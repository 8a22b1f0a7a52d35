"""Raw flights to model rows that hold only what was known 60 minutes before each departure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ontime_features import departures, observation
from ontime_features.observation import WEATHER
from training.features import CATEGORIES, LATE_MINUTES, NAMES


@dataclass(frozen=True, slots=True)
class Rows:
    """Flights of a window in order of departure, with their labels; `unlabelled` were cancelled or diverted."""

    table: pl.DataFrame
    unlabelled: int

    @property
    def labels(self) -> NDArray[np.bool_]:
        """Shape (rows,): whether the flight arrived more than 15 minutes late."""
        return self.table["late"].to_numpy()

    def matrix(self, values: dict[str, list[str]]) -> NDArray[np.float64]:
        """Shape (rows, features): categories as positions in `values`, NaN for null and for unseen values."""
        return columns(self.table, NAMES, values)

    def instance(self, row: int) -> dict[str, Any]:
        """The row as a request to the model service holds it."""
        return dict(self.table.select(NAMES).row(row, named=True))


def columns(rows: pl.DataFrame, names: Sequence[str], values: dict[str, list[str]]) -> NDArray[np.float64]:
    """Shape (rows, names): categories as positions in `values`, NaN for null and for unseen values."""
    return np.column_stack([_codes(rows[n], values[n]) if n in values else _floats(rows[n]) for n in names])


def prepare(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """All flights with their features, `day` (local date), `late` (null without an arrival) and `departure`."""
    table = with_airport_delays(with_weather(flights, weather))
    arrival = pl.col("sched_arr_time")
    table = table.with_columns(
        day=pl.date("year", "month", "day"),
        late=pl.col("arr_delay") > LATE_MINUTES,
        day_of_week=pl.date("year", "month", "day").dt.weekday().cast(pl.Int64),
        departure_minute=pl.col("hour") * 60 + pl.col("minute"),
        # 24:00 is midnight
        arrival_minute=(arrival // 100 * 60 + arrival % 100) % 1440,
    ).with_columns(clock_minutes=(pl.col("arrival_minute") - pl.col("departure_minute")) % 1440)
    return table.select("day", "departure", "late", *NAMES).sort("departure", "origin", "carrier", "dest", "day")


def window(table: pl.DataFrame, begin: date, end: date) -> Rows:
    """Flights of the scheduled days `[begin, end)`; those without an arrival delay are left out and counted."""
    inside = table.filter(pl.col("day").is_between(begin, end, closed="left"))
    labelled = inside.filter(pl.col("late").is_not_null())
    return Rows(labelled, inside.height - labelled.height)


def covered(table: pl.DataFrame) -> str:
    """The days that prepared flights cover, in words."""
    return f"{table['day'].min()!s} to {table['day'].max()!s}"


def categories(rows: Rows) -> dict[str, list[str]]:
    """The values of each category in the rows, sorted: a value's position is its code."""
    return {name: sorted(rows.table[name].drop_nulls().unique().to_list()) for name in CATEGORIES}


def with_weather(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """Adds the observation of the hour before the departure's hour: the last one finished an hour ahead.

    Of what `observation.counts` lets through it is the newest, as the store has one for each hour.
    """
    hourly = weather.select("origin", pl.col("observed") + observation.NEWEST, *WEATHER)
    return flights.join(
        hourly,
        left_on=["origin", pl.col("departure").dt.truncate("1h")],
        right_on=["origin", "observed"],
        how="left",
        maintain_order="left",
    )


def with_airport_delays(flights: pl.DataFrame) -> pl.DataFrame:
    """Adds `airport_delay` and `airport_late_share` of departures between 180 and 60 minutes before.

    They are `departures.airport_delays` of each flight, for all at once: five times as quick, and held equal to it.
    """
    table = _seen(_seen(flights, departures.KNOWN_BEFORE, "near"), departures.LOOKS_BACK, "far")

    def between(what: str) -> pl.Expr:
        return pl.col(f"{what}_near").fill_null(0) - pl.col(f"{what}_far").fill_null(0)

    some = pl.when(between("count") > 0)
    return table.with_columns(
        airport_delay=some.then(between("minutes") / between("count")),
        airport_late_share=some.then(between("lates") / between("count")),
    )


def _seen(flights: pl.DataFrame, before: timedelta, suffix: str) -> pl.DataFrame:
    """Adds running totals at the origin of departures that had happened so long before each flight's own."""
    late = pl.col("dep_delay") > departures.LATE_MINUTES
    totals = (
        flights.filter(pl.col("dep_delay").is_not_null())
        .select("origin", "dep_delay", at=pl.col("departure") + pl.duration(minutes=pl.col("dep_delay")))
        .sort("at")
        .select(
            "origin",
            "at",
            pl.int_range(1, pl.len() + 1).over("origin").alias(f"count_{suffix}"),
            pl.col("dep_delay").cum_sum().over("origin").alias(f"minutes_{suffix}"),
            late.cast(pl.Int64).cum_sum().over("origin").alias(f"lates_{suffix}"),
        )
    )
    moments = flights.with_columns(moment=pl.col("departure") - before).sort("moment")
    # both sides are sorted above, which polars cannot check within groups
    joined = moments.join_asof(totals, left_on="moment", right_on="at", by="origin", check_sortedness=False)
    return joined.drop("moment", "at", strict=False)


def _codes(column: pl.Series, values: list[str]) -> NDArray[np.float64]:
    codes = {value: float(code) for code, value in enumerate(values)}
    return _floats(column.replace_strict(codes, default=None, return_dtype=pl.Float64))


def _floats(column: pl.Series) -> NDArray[np.float64]:
    return column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
