"""What is known of an airport now: records of the online feature store, read within a deadline.

The store is a SQLite file that others write (docs/feature-store.md); nothing is asked of whoever writes it. A record
that is missing, too old or late to come is replaced by typical figures, counted, and said in the answer.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic_core import from_json

from ontime_features.departures import AirportDelays, Departure, airport_delays
from ontime_features.departures import read as read_departures
from ontime_features.observation import WEATHER, counts

AIRPORT, OBSERVATION = "airport", "weather"
_GROUPS = (AIRPORT, OBSERVATION)
_QUERY = "SELECT expires, deleted, record FROM records WHERE feature_group = ? AND record_id = ?"
_AIRPORTS = 1000
"""Kept decoded at most: clients may ask about airports that do not exist."""
SLOW_IN_A_ROW = 3
"""Fewer would often be the scheduler's doing: a busy machine takes the processor away for longer than the deadline."""
LEFT_ALONE = 1.0
"""Seconds in which a file that can't be read, or was read too slowly, is left alone."""

Basis = Literal["live", "typical"]
Group = Literal["airport", "weather"]
Weather = Mapping[str, float | None]


@dataclass(frozen=True)
class Known:
    """What is known for one departure; None where typical figures have to do, for the reason in `missing`."""

    delays: AirportDelays | None = None
    weather: Weather | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def basis(self) -> dict[Group, Basis]:
        """What a prediction rests on."""
        return {
            "airport": "typical" if self.delays is None else "live",
            "weather": "typical" if self.weather is None else "live",
        }


@dataclass(frozen=True)
class Live:
    """An airport's records as they were read for one request, and why one is not there: absent, late or away."""

    departures: Sequence[Departure] | None = None
    observed: tuple[datetime, Weather] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def at(self, scheduled: datetime) -> Known:
        """What of it says something about this departure."""
        delays = None if self.departures is None else airport_delays(self.departures, scheduled)
        of_its_hour = self.observed is not None and counts(self.observed[0], scheduled)
        weather = self.observed[1] if self.observed is not None and of_its_hour else None
        return Known(delays, weather, self.missing)


_NOTHING = Live()


@dataclass(frozen=True)
class _Stored:
    """An airport's records as the file has them, decoded, and until when they count (Unix time; None: for ever)."""

    departures: Sequence[Departure] | None
    observed: tuple[datetime, Weather] | None
    expires: Mapping[str, float | None]

    def now(self) -> Live:
        """What of it has not expired."""
        now = time.time()
        gone = {group for group, expires in self.expires.items() if expires is not None and now >= expires}
        missing = {group: "absent" for group in _GROUPS if group in gone or group not in self.expires}
        departures = None if AIRPORT in gone else self.departures
        return Live(departures, None if OBSERVATION in gone else self.observed, missing)


class LiveFeatures:
    """Shared by all requests of a task. Without a file everything is typical, and nothing is counted.

    Read by the event loop itself: what is read is in memory and takes 40 µs, where a thread of its own took 160 and
    often missed the deadline because the loop was busy. A read cannot be broken off: after three in a row that took
    longer than the deadline one a second is tried, so that a disk that stalls holds up few requests.
    """

    def __init__(self, path: Path | None, deadline: float) -> None:
        self._path = path
        self._deadline = deadline
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._left_alone = ""
        self._until = 0.0
        self._slow = 0
        # Decoded once for all requests until somebody writes: that takes several times as long as to ask whether.
        self._stored: dict[str, _Stored] = {}
        self._version = -1
        self.counts: dict[str, Counter[str]] = {group: Counter() for group in _GROUPS}

    def of(self, airport: str) -> Live:
        """The airport's records; never raises."""
        if self._path is None:
            return _NOTHING
        began = time.perf_counter()
        if began < self._until:
            return Live(missing=dict.fromkeys(_GROUPS, self._left_alone))
        try:
            live = self._read(self._path, airport).now()
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError):
            # Whoever writes it may mend it: looked at again soon, but not by every request.
            self._file = None
            self._leave_alone("away")
            return Live(missing=dict.fromkeys(_GROUPS, "away"))
        self._slow = self._slow + 1 if time.perf_counter() - began > self._deadline else 0
        if self._slow >= SLOW_IN_A_ROW:
            self._leave_alone("late")
        return live

    def count(self, known: Known) -> None:
        """Of a prediction, what it rested on: live, stale, absent, late or away."""
        if self._path is not None:
            for group, basis in known.basis.items():
                self.counts[group]["live" if basis == "live" else known.missing.get(group, "stale")] += 1

    def close(self) -> None:
        """Closes the file."""
        if self._database is not None:
            self._database.close()

    def _leave_alone(self, reason: str) -> None:
        self._left_alone = reason
        self._until = time.perf_counter() + LEFT_ALONE

    def _read(self, path: Path, airport: str) -> _Stored:
        """As it was read last, unless the file or anything in it is another since."""
        database = self._opened(path)
        (version,) = database.execute("PRAGMA data_version").fetchone()
        if version != self._version or len(self._stored) > _AIRPORTS:
            self._stored.clear()
            self._version = version
        stored = self._stored.get(airport)
        if stored is None:
            found = {group: database.execute(_QUERY, (group, airport)).fetchone() for group in _GROUPS}
            stored = self._stored[airport] = _decoded(found)
        return stored

    def _opened(self, path: Path) -> sqlite3.Connection:
        """The database at this path, opened anew when the file was replaced."""
        status = path.stat()
        file = (status.st_dev, status.st_ino)
        if self._database is None or file != self._file:
            if self._database is not None:
                self._database.close()
            # No waiting for locks: readers of a WAL database meet them only while it is being recovered.
            address = f"{path.as_uri()}?mode=ro"
            self._database = sqlite3.connect(address, uri=True, isolation_level=None, timeout=0)
            self._file = file
            # Versions are the connection's own.
            self._version = -1
        return self._database


def _decoded(found: Mapping[str, tuple[float | None, int, str] | None]) -> _Stored:
    """What these rows say. Raises ValueError, KeyError, TypeError."""
    records = {group: record for group, row in found.items() if (record := _record(row)) is not None}
    departures = read_departures(records[AIRPORT]["departures"]) if AIRPORT in records else None
    observed = _observed(records[OBSERVATION]) if OBSERVATION in records else None
    expires = {group: row[0] for group, row in found.items() if row is not None and group in records}
    return _Stored(departures, observed, expires)


def _record(row: tuple[float | None, int, str] | None) -> dict[str, str] | None:
    """The record's values, unless there is none, or it is deleted."""
    if row is None or row[1]:
        return None
    values: dict[str, str] = from_json(row[2])
    return values


def _observed(record: Mapping[str, str]) -> tuple[datetime, Weather]:
    values = {name: float(record[name]) if name in record else None for name in WEATHER}
    return datetime.fromisoformat(record["hour"]), values
