"""What is known of an airport now: records of the online feature store, read within a deadline.

The store is a SQLite file that others write (docs/feature-store.md); nothing is asked of whoever writes it. A record
that is missing, too old or late to come is replaced by typical figures, counted, and said in the answer.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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
_AWAY_FOR = 1.0
"""Seconds for which a file that can't be read is left alone."""
_MOST_WAITING = 50
"""Reads under way: more means that the disk hangs, and further ones would only wait behind them."""

Basis = Literal["live", "typical"]
Group = Literal["airport", "weather"]


@dataclass(frozen=True)
class Live:
    """An airport's records as they were read for one request, and why one is not there: absent, late or away."""

    departures: list[Departure] | None = None
    observed: tuple[datetime, Mapping[str, float | None]] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    def delays(self, scheduled: datetime) -> AirportDelays | None:
        """None where typical ones have to do."""
        return None if self.departures is None else airport_delays(self.departures, scheduled)

    def weather(self, scheduled: datetime) -> Mapping[str, float | None] | None:
        """None where the climate has to do."""
        if self.observed is None or not counts(self.observed[0], scheduled):
            return None
        return self.observed[1]


class LiveFeatures:
    """Shared by all requests of a task. Without a file everything is typical, and nothing is counted."""

    def __init__(self, path: Path | None, deadline: float) -> None:
        self._deadline = deadline
        self._reader = None if path is None else _Reader(path)
        # Of its own: a disk that hangs must not keep the threads of the database.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="features")
        self._under_way = 0
        self.counts: dict[str, Counter[str]] = {group: Counter() for group in _GROUPS}

    async def of(self, airport: str) -> Live:
        """The airport's records, within the deadline; never raises."""
        if self._reader is None:
            return Live()
        if self._under_way >= _MOST_WAITING:
            return Live(missing=dict.fromkeys(_GROUPS, "late"))
        self._under_way += 1
        reading = asyncio.get_running_loop().run_in_executor(self._thread, self._reader.read, airport)
        reading.add_done_callback(self._ended)
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.shield(reading)
        except TimeoutError:
            return Live(missing=dict.fromkeys(_GROUPS, "late"))

    def count(self, live: Live, scheduled: datetime) -> dict[Group, Basis]:
        """What a prediction rests on; counted with the reason: live, stale, absent, late or away."""
        if self._reader is None:
            return {"airport": "typical", "weather": "typical"}
        airport = self._counted(AIRPORT, live, live.delays(scheduled) is not None)
        return {"airport": airport, "weather": self._counted(OBSERVATION, live, live.weather(scheduled) is not None)}

    def _counted(self, group: str, live: Live, is_live: bool) -> Basis:
        self.counts[group]["live" if is_live else live.missing.get(group, "stale")] += 1
        return "live" if is_live else "typical"

    def _ended(self, _: asyncio.Future[Live]) -> None:
        self._under_way -= 1

    def close(self) -> None:
        """Waits for no read."""
        self._thread.shutdown(wait=False, cancel_futures=True)


class _Reader:
    """Used by one thread. Opens the file when it is there, and anew when it was replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._away_until = 0.0

    def read(self, airport: str) -> Live:
        if time.monotonic() < self._away_until:
            return Live(missing=dict.fromkeys(_GROUPS, "away"))
        try:
            database = self._opened()
            found = {group: _record(database.execute(_QUERY, (group, airport)).fetchone()) for group in _GROUPS}
            missing = {group: "absent" for group in _GROUPS if found[group] is None}
            return Live(_departures(found[AIRPORT]), _observed(found[OBSERVATION]), missing)
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError):
            # Whoever writes it may mend it: looked at again soon, but not by every request.
            self._file = None
            self._away_until = time.monotonic() + _AWAY_FOR
            return Live(missing=dict.fromkeys(_GROUPS, "away"))

    def _opened(self) -> sqlite3.Connection:
        status = os.stat(self._path)  # noqa: PTH116
        file = (status.st_dev, status.st_ino)
        if self._database is None or file != self._file:
            if self._database is not None:
                self._database.close()
            # No waiting for locks: readers of a WAL database meet them only while it is being recovered.
            address = f"{self._path.as_uri()}?mode=ro"
            self._database = sqlite3.connect(
                address, uri=True, check_same_thread=False, isolation_level=None, timeout=0
            )
            self._file = file
        return self._database


def _record(row: tuple[float | None, int, str] | None) -> dict[str, str] | None:
    """The record's values, unless there is none, or it is deleted or expired."""
    if row is None or row[1] or (row[0] is not None and time.time() >= row[0]):
        return None
    values: dict[str, str] = from_json(row[2])
    return values


def _departures(record: Mapping[str, str] | None) -> list[Departure] | None:
    return None if record is None else read_departures(record["departures"])


def _observed(record: Mapping[str, str] | None) -> tuple[datetime, Mapping[str, float | None]] | None:
    if record is None:
        return None
    values = {name: float(record[name]) if name in record else None for name in WEATHER}
    return datetime.fromisoformat(record["hour"]), values
