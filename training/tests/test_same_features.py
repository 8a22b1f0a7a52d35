"""What the training computes for all flights at once is what `features/` computes for one, as the backend does."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import date, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ontime_features.departures import LOOKS_BACK, AirportDelays, Departure, airport_delays
from ontime_features.observation import WEATHER, counts
from training.prepare import with_airport_delays

MONTH = pl.col("day").is_between(date(2013, 7, 1), date(2013, 7, 31))
HOUR = timedelta(hours=1)
Flight = tuple[str, datetime, int | None]
"""Origin, scheduled departure, and how many minutes later it left; None if it did not."""


def one_by_one(flights: Iterable[Flight], asked: Iterable[tuple[str, datetime]]) -> list[AirportDelays]:
    """The delays before each of the moments asked for."""
    left: dict[str, list[Departure]] = {}
    for origin, scheduled, delay in flights:
        if delay is not None:
            left.setdefault(origin, []).append(Departure(scheduled + timedelta(minutes=delay), delay))
    moments: dict[str, list[datetime]] = {}
    for origin, departures in left.items():
        departures.sort(key=lambda departure: departure.left_at)
        moments[origin] = [departure.left_at for departure in departures]
    found = []
    for origin, scheduled in asked:
        # what left before that never counts, and is left out for speed
        first = bisect_right(moments.get(origin, []), scheduled - LOOKS_BACK)
        last = bisect_right(moments.get(origin, []), scheduled)
        delays = airport_delays(left.get(origin, [])[first:last], scheduled)
        found.append(delays or AirportDelays(None, None))
    return found


def of_all(table: pl.DataFrame) -> list[AirportDelays]:
    """The delays that a table of flights has."""
    return [AirportDelays(*row) for row in table.select("airport_delay", "airport_late_share").iter_rows()]


def test_delays_of_a_month(flights: pl.DataFrame, table: pl.DataFrame) -> None:
    """Every one of July's flights has the very same figures, to the last bit."""
    july = table.filter(MONTH)
    assert july.height > 29_000
    asked = july.select("origin", "departure").iter_rows()
    expected = one_by_one(flights.select("origin", "departure", "dep_delay").iter_rows(), asked)  # type: ignore[arg-type]
    assert expected == of_all(july)


_MOMENTS = st.integers(0, 600).map(lambda minutes: datetime(2013, 7, 4, 5) + timedelta(minutes=minutes))
_DELAYS = st.none() | st.integers(-30, 300) | st.sampled_from([15, 16])


@given(flights=st.lists(st.tuples(st.sampled_from(["JFK", "LGA"]), _MOMENTS, _DELAYS), min_size=1, max_size=40))
def test_delays_of_any_flights(flights: list[Flight]) -> None:
    """Whatever leaves when: at the very bounds, at one moment, before it was meant to, or never."""
    types = {"origin": pl.String, "departure": pl.Datetime("us"), "dep_delay": pl.Int64, "row": pl.Int64}
    table = pl.DataFrame([(*flight, row) for row, flight in enumerate(flights)], schema=types, orient="row")
    expected = one_by_one(flights, [(origin, scheduled) for origin, scheduled, _ in flights])
    assert expected == of_all(with_airport_delays(table).sort("row"))


def test_weather_of_a_month(weather: pl.DataFrame, table: pl.DataFrame) -> None:
    """The newest observation that counts, where there is one for each hour, if only of nulls."""
    observations = weather.select("origin", "observed", *WEATHER).rows()
    measured = {(origin, hour): values for origin, hour, *values in observations}
    wrong = []
    for origin, scheduled, *values in table.filter(MONTH).select("origin", "departure", *WEATHER).iter_rows():
        hour = scheduled.replace(minute=0)
        newest = next(hour - n * HOUR for n in range(24) if counts(hour - n * HOUR, scheduled))
        if values != measured.get((origin, newest), [None] * len(WEATHER)):
            wrong.append((origin, scheduled))
    assert [] == wrong
