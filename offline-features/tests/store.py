"""The store's side of the contract, in small: a database of arrivals as the platform writes it, and a job for it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offline_features.__main__ import run

ARRIVALS = """
CREATE TABLE IF NOT EXISTS arrivals (
    number INTEGER PRIMARY KEY AUTOINCREMENT, feature_group TEXT NOT NULL, record_id TEXT NOT NULL,
    event_time REAL NOT NULL, written INTEGER NOT NULL, asked INTEGER NOT NULL, deleted INTEGER NOT NULL,
    record TEXT NOT NULL
)
"""
WEATHER: dict[str, Any] = {
    "record_id": "airport", "event_time": "at", "ttl": None,
    "types": {"airport": "String", "at": "Fractional", "temp": "Fractional", "gusts": "Integral", "sky": "String"},
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record, or the deletion of one: `temp` None. Times are Unix time in whole seconds."""

    id: str
    event: int
    written: int
    temp: float | None


@dataclass(frozen=True)
class Store:
    """An environment's folder."""

    folder: Path

    def arrive(self, arrivals: Iterable[Arrival], group: str = "weather") -> None:
        """Write them down in that order."""
        with closing(sqlite3.connect(self.folder / "online.db")) as database, database:
            database.execute(ARRIVALS)
            for one in arrivals:
                values = {} if one.temp is None else {"airport": one.id, "at": str(one.event), "temp": str(one.temp)}
                row = (group, one.id, one.event, one.written * 10**6, one.written * 10**6, one.temp is None)
                statement = "INSERT INTO arrivals VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)"
                database.execute(statement, (*row, json.dumps(values)))

    def pending(self) -> int:
        """How many have not left the database."""
        with closing(sqlite3.connect(self.folder / "online.db")) as database:
            return int(database.execute("SELECT count(*) FROM arrivals").fetchone()[0])

    def files(self) -> list[str]:
        """Everything below `offline`, but for the lock."""
        offline = self.folder / "offline"
        found = (path for path in offline.rglob("*") if path.is_file() and path.name != ".lock")
        return sorted(path.relative_to(offline).as_posix() for path in found)

    def run(self, do: str, **more: Any) -> dict[str, Any]:
        """A job. Raises Problem."""
        job = {"do": do, "online": str(self.folder / "online.db"), "offline": str(self.folder / "offline")}
        return run({**job, "groups": {"weather": WEATHER}, **more})
