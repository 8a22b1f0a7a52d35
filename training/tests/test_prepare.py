"""Features hold what was known 60 minutes before the departure, and nothing else."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from training.features import NAMES
from training.prepare import Rows, categories, prepare, window

JANUARY = (date(2013, 1, 1), date(2013, 2, 1))


def test_every_flight_has_one_row(flights: pl.DataFrame, table: pl.DataFrame) -> None:
    """The joins neither lose nor repeat flights."""
    assert flights.height == table.height == 336_776


def test_unlabelled_flights_are_left_out_and_counted(table: pl.DataFrame) -> None:
    """The year's 9,430 flights without an arrival delay are counted, the others labelled."""
    rows = window(table, date(2013, 1, 1), date(2014, 1, 1))
    assert (327_346, 9_430) == (rows.labels.size, rows.unlabelled)


def test_the_training_period_is_the_known_one(table: pl.DataFrame) -> None:
    """January to June has 160,678 labelled flights; July's late rate is 0.315."""
    train, july = window(table, date(2013, 1, 1), date(2013, 7, 1)), window(table, date(2013, 7, 1), date(2013, 8, 1))
    assert (160_678, 0.315) == (train.labels.size, round(float(july.labels.mean()), 3))


def test_airport_delays_equal_a_plain_count(flights: pl.DataFrame, table: pl.DataFrame) -> None:
    """For sampled flights, a loop over departures 180 to 60 minutes before gives the same figures."""
    for origin in ("EWR", "JFK", "LGA"):
        gone = [
            (moment + timedelta(minutes=delay), delay)
            for moment, delay in flights.filter(pl.col("origin") == origin, pl.col("dep_delay").is_not_null())
            .select("departure", "dep_delay")
            .iter_rows()
        ]
        sample = table.filter(pl.col("origin") == origin).sample(12, seed=4)
        for row in sample.iter_rows(named=True):
            begin, end = (row["departure"] - timedelta(minutes=minutes) for minutes in (180, 60))
            delays = [delay for at, delay in gone if begin < at <= end]
            mean = np.mean(delays) if delays else None
            share = np.mean([delay > 15 for delay in delays]) if delays else None
            assert pytest.approx(mean) == row["airport_delay"]
            assert pytest.approx(share) == row["airport_late_share"]


def test_weather_is_of_the_hour_before(weather: pl.DataFrame, table: pl.DataFrame) -> None:
    """The joined observation is stamped one hour before the departure's hour."""
    observed = {(o, at): temp for o, at, temp in weather.select("origin", "observed", "temp").iter_rows()}
    for row in table.sample(300, seed=4).iter_rows(named=True):
        hour = row["departure"].replace(minute=0) - timedelta(hours=1)
        assert observed.get((row["origin"], hour)) == row["temp"]


def test_the_future_does_not_reach_back(flights: pl.DataFrame, weather: pl.DataFrame, table: pl.DataFrame) -> None:
    """Erasing everything that happened after a moment changes no feature of flights up to an hour later."""
    moment = datetime(2013, 1, 15, 14)
    leaves = pl.col("departure") + pl.duration(minutes=pl.col("dep_delay"))
    past = flights.with_columns(dep_delay=pl.when(leaves <= moment).then("dep_delay"), arr_delay=None, arr_time=None)
    blind = prepare(past, weather.filter(pl.col("observed") <= moment))
    near = pl.col("departure").is_between(moment - timedelta(days=1), moment + timedelta(hours=1))
    kept = table.filter(near).select(NAMES)
    assert kept.height > 500
    assert kept.equals(blind.filter(near).select(NAMES))


def test_the_matrix_codes_categories_by_position(table: pl.DataFrame) -> None:
    """A category's number is its position among the values; unseen values and nulls are NaN."""
    rows = window(table, *JANUARY)
    values = {**categories(rows), "carrier": ["UA", "B6"]}
    matrix = rows.matrix(values)
    assert (rows.labels.size, len(NAMES)) == matrix.shape
    codes = {"UA": 0.0, "B6": 1.0}
    wanted = np.array([codes.get(carrier, np.nan) for carrier in rows.table["carrier"]])
    np.testing.assert_array_equal(wanted, matrix[:, NAMES.index("carrier")])


def test_an_instance_is_plain_json(table: pl.DataFrame) -> None:
    """A row as a request has every feature once, in the schema's order."""
    rows: Rows = window(table, *JANUARY)
    instance = rows.instance(0)
    assert list(NAMES) == list(instance)
    assert instance == json.loads(json.dumps(instance))
    assert {"carrier": "UA", "origin": "EWR", "dest": "IAH", "day_of_week": 2, "departure_minute": 315} == {
        name: instance[name] for name in ("carrier", "origin", "dest", "day_of_week", "departure_minute")
    }
