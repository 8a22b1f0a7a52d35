"""The features of flights as they were known an hour ahead, straight from the training's bucket: flights and weather as CSV."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

LATE = 15
"""Minutes beyond which an arrival, or a departure, is late."""
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib")
Value = str | float | None
Key = tuple[str, str, str, str]
"""Origin, destination, carrier, and the scheduled departure by the local clock, as 2013-07-04T08:15."""


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight. `late` is None where it never arrived; `day` is the local one of its schedule."""

    key: Key
    day: str
    late: bool | None
    features: Mapping[str, Value]


@dataclass(slots=True)
class _Left:
    """An airport's departures in the order in which they left: moments, and totals up to each of them."""

    moments: list[datetime]
    minutes: list[int]
    lates: list[int]

    def between(self, begin: datetime, end: datetime) -> tuple[float | None, float | None]:
        """Mean delay, and share of late ones, of those after `begin` and not after `end`; None where nothing left."""
        first, last = bisect_right(self.moments, begin), bisect_right(self.moments, end)
        if first == last:
            return None, None
        count = last - first
        return (self.minutes[last] - self.minutes[first]) / count, (self.lates[last] - self.lates[first]) / count


def flights(bucket: Path) -> Iterator[Flight]:
    """All flights of the bucket's months."""
    rows = [*_rows(bucket / "flights")]
    weather = {(row["origin"], _utc(row["time_hour"])): row for row in _rows(bucket / "weather")}
    left = _departures(rows)
    for row in rows:
        hour = _utc(row["time_hour"])
        leaves = hour + timedelta(minutes=int(row["minute"]))
        local = datetime(*(int(row[name]) for name in ("year", "month", "day", "hour", "minute")))
        observed = weather.get((row["origin"], hour - timedelta(hours=1)), {})
        delay, share = left[row["origin"]].between(leaves - timedelta(hours=3), leaves - timedelta(hours=1))
        departure = local.hour * 60 + local.minute
        arrival = int(row["sched_arr_time"])
        arrival = (arrival // 100 * 60 + arrival % 100) % (24 * 60)
        features: dict[str, Value] = {
            "carrier": row["carrier"],
            "origin": row["origin"],
            "dest": row["dest"],
            "distance": _number(row["distance"]),
            "day_of_week": local.isoweekday(),
            "departure_minute": departure,
            "arrival_minute": arrival,
            "clock_minutes": (arrival - departure) % (24 * 60),
            **{name: _number(observed.get(name, "")) for name in WEATHER},
            "airport_delay": delay,
            "airport_late_share": share,
        }
        arrived = _number(row["arr_delay"])
        late = None if arrived is None else arrived > LATE
        yield Flight(key(row["origin"], row["dest"], row["carrier"], local), f"{local:%Y-%m-%d}", late, features)


def key(origin: str, destination: str, carrier: str, departure: datetime) -> Key:
    """What names a flight; several of a carrier that leave in one minute for one place have the same."""
    return origin, destination, carrier, f"{departure:%Y-%m-%dT%H:%M}"


def _departures(rows: list[dict[str, str]]) -> Mapping[str, _Left]:
    there = defaultdict(list)
    for row in rows:
        delay = _number(row["dep_delay"])
        if delay is not None:
            leaves = _utc(row["time_hour"]) + timedelta(minutes=int(row["minute"]) + delay)
            there[row["origin"]].append((leaves, int(delay)))
    found = {}
    for origin, left in there.items():
        left.sort()
        delays = [delay for _, delay in left]
        lates = [int(delay > LATE) for delay in delays]
        found[origin] = _Left([moment for moment, _ in left], [0, *accumulate(delays)], [0, *accumulate(lates)])
    return found


def _rows(table: Path) -> Iterator[dict[str, str]]:
    for path in sorted(table.glob("*/*.csv")):
        with path.open(newline="") as file:
            yield from csv.DictReader(file)


def _utc(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _number(text: str) -> float | None:
    return None if text in ("", "NA") else float(text)
