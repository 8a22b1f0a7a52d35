"""Newest records by group and id in SQLite files, one for each environment, which services read by themselves.

What they may rely on (docs/feature-store.md): the table `records`, its columns, and WAL, so that readers and the writer
never wait for one another. The table `arrivals` holds all that was put until the offline program takes it into files: it is
written by the same transaction, so that the history has what is online, whenever either is cut off.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.core.features.record import Record
from shipway.core.ports.learning import FeatureStore

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    feature_group TEXT NOT NULL,
    record_id TEXT NOT NULL,
    event_time REAL NOT NULL,
    expires REAL,
    deleted INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (feature_group, record_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arrivals (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    feature_group TEXT NOT NULL,
    record_id TEXT NOT NULL,
    event_time REAL NOT NULL,
    written INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    record TEXT NOT NULL
)
"""
_PUT = """
INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO UPDATE SET event_time = excluded.event_time, expires = excluded.expires, deleted = excluded.deleted,
    record = excluded.record
"""
_ARRIVE = "INSERT INTO arrivals VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS = "feature_group, record_id, event_time, expires, deleted, record"
_LOCK_WAIT = 10.0


def online_file(state: Path, environment: str) -> Path:
    """Where an environment's store lies below the folder of everything that lasts."""
    return state / "feature-store" / environment / "online.db"


class OnlineStore(FeatureStore):
    """The `FeatureStore` of one machine. Raises ShipwayError for what SQLite cannot do. `clock` is in Unix time."""

    def __init__(self, state: Path, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._clock = clock

    def put(self, environment: str, records: Sequence[Record]) -> Sequence[Record]:
        asked = self._clock()
        with self._open(environment) as database:
            database.execute("BEGIN IMMEDIATE")
            kept = [record for record in records if _put(database, record)]
            self._arrive(database, records, asked)
            database.execute("COMMIT")
        return kept

    def get(self, environment: str, group: str, ids: Collection[str]) -> Sequence[Record]:
        if not self._path(environment).exists():
            return []
        with self._open(environment) as database:
            return [record for id in dict.fromkeys(ids) if (record := _found(database, group, id)) is not None]

    def delete(self, environment: str, deleted: Record, *, hard: bool) -> bool:
        asked = self._clock()
        with self._open(environment) as database:
            database.execute("BEGIN IMMEDIATE")
            earlier = _found(database, deleted.group, deleted.id)
            is_older = earlier is None or earlier.event_time < deleted.event_time
            if is_older and hard:
                key = (deleted.group, deleted.id)
                database.execute("DELETE FROM records WHERE feature_group = ? AND record_id = ?", key)
            elif is_older:
                _put(database, deleted)
            if is_older:
                self._arrive(database, [deleted], asked)
            database.execute("COMMIT")
        return is_older

    def counts(self, environment: str, now: float) -> dict[str, int]:
        if not self._path(environment).exists():
            return {}
        query = "SELECT feature_group, count(*) FROM records WHERE NOT deleted AND (expires IS NULL OR expires > ?) GROUP BY 1"
        with self._open(environment) as database:
            return dict(database.execute(query, (now,)).fetchall())

    def arrivals(self, environment: str) -> dict[str, int]:
        if not self._path(environment).exists():
            return {}
        with self._open(environment) as database:
            return dict(database.execute("SELECT feature_group, count(*) FROM arrivals GROUP BY 1").fetchall())

    def _arrive(self, database: sqlite3.Connection, records: Sequence[Record], asked: float) -> None:
        """Write down what was put, whether it is online or not; the later of one call is written a microsecond later."""
        now = int(self._clock() * 1e6)
        for later, record in enumerate(records):
            times = (record.event_time, now + later, int(asked * 1e6))
            database.execute(_ARRIVE, (record.group, record.id, *times, record.deleted, _text(record)))

    def _path(self, environment: str) -> Path:
        return online_file(self._state, environment)

    @contextmanager
    def _open(self, environment: str) -> Iterator[sqlite3.Connection]:
        path = self._path(environment)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(path, isolation_level=None, timeout=_LOCK_WAIT)) as database:
                # A record that is lost with the machine's power is put again; services wait for no disk.
                database.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; {_SCHEMA};")
                yield database
        except (sqlite3.Error, OSError) as error:
            fix = "make room (`df -h`), or move a damaged file away: what it holds has to be put again"
            raise ShipwayError(f"{path}: {error}", fix=fix, state="nothing was changed") from error


def _put(database: sqlite3.Connection, record: Record) -> bool:
    earlier = _found(database, record.group, record.id)
    if earlier is not None and not earlier.gives_way_to(record):
        return False
    row = (record.group, record.id, record.event_time, record.expires, record.deleted, _text(record))
    database.execute(_PUT, row)
    return True


def _text(record: Record) -> str:
    return json.dumps(record.values, ensure_ascii=False, separators=(",", ":"))


def _found(database: sqlite3.Connection, group: str, id: str) -> Record | None:
    query = f"SELECT {_COLUMNS} FROM records WHERE feature_group = ? AND record_id = ?"  # noqa: S608
    row = database.execute(query, (group, id)).fetchone()
    if row is None:
        return None
    return Record(row[0], row[1], row[2], json.loads(row[5]), row[3], bool(row[4]))
