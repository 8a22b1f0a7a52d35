"""The control plane's memory: one SQLite file, a document for each record, two append-only logs."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from shipway.core.description.values import STORED
from shipway.core.errors import ShipwayError
from shipway.core.events import AuditEntry, Event
from shipway.core.rollouts.records import Lock
from shipway.local.state.upgrades import upgrade

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (kind TEXT, id TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS events_by_run ON events (run, number);
CREATE TABLE IF NOT EXISTS audit (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL);
"""


_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


class Store:
    """Records by type and id. Every write is durable when it returns; thread-safe.

    Raises ShipwayError for what SQLite can't do, such as writing to a full disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._grown = threading.Condition(self._lock)
        self._watched: frozenset[str] = frozenset()
        self._tell: Callable[[], None] = lambda: None
        self._changed = False
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA)
            upgrade(self._db, path)
        except sqlite3.DatabaseError as error:
            raise _fault(path, error) from error

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes inside become visible together, or not at all."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._do("BEGIN IMMEDIATE")
            try:
                yield
                self._do("COMMIT")
                self._tell_changes()
            except BaseException:
                # A full disk ends the transaction by itself, or leaves it open: later writes must not end up in it.
                if self._db.in_transaction:
                    self._do("ROLLBACK")
                raise

    def get(self, kind: type[T], id: str) -> T | None:
        """The record, or None."""
        with self._lock:
            row = self._do("SELECT body FROM documents WHERE kind=? AND id=?", (kind.__name__, id)).fetchone()
        return None if row is None else _adapter(kind).validate_json(row[0], context=STORED)

    def put(self, id: str, record: object) -> None:
        """Write a record; the last one wins."""
        body = _adapter(type(record)).dump_json(record).decode()
        with self._lock:
            self._do(
                "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (kind, id) DO UPDATE SET body=excluded.body",
                (type(record).__name__, id, body),
            )
            self._note(type(record))

    def delete(self, kind: type[Any], id: str) -> None:
        """Forget a record; one that is not there is no error."""
        with self._lock:
            self._do("DELETE FROM documents WHERE kind=? AND id=?", (kind.__name__, id))
            self._note(kind)

    def all(self, kind: type[T]) -> list[T]:
        """Every record of a type, by id."""
        with self._lock:
            rows = self._do("SELECT body FROM documents WHERE kind=? ORDER BY id", (kind.__name__,)).fetchall()
        return [_adapter(kind).validate_json(body, context=STORED) for (body,) in rows]

    def change(self, kind: type[T], id: str, change: Callable[[T], T]) -> T:
        """Read, change and write a record in one transaction. Raises KeyError when there is none."""
        with self.transaction():
            record = self.get(kind, id)
            if record is None:
                raise KeyError(f"{kind.__name__} {id}")
            changed = change(record)
            self.put(id, changed)
            return changed

    def next_number(self, name: str) -> int:
        """1, 2, 3, …: never the same one twice."""
        with self._lock:
            row = self._do(
                "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value=value+1 RETURNING value",
                (name,),
            ).fetchone()
        return int(row[0])

    def numbers(self) -> dict[str, int]:
        """The last number given of each name."""
        with self._lock:
            return dict(self._do("SELECT name, value FROM counters ORDER BY name").fetchall())

    def continue_from(self, numbers: Mapping[str, int]) -> None:
        """Give later numbers than these from now on."""
        with self.transaction():
            for name, value in numbers.items():
                self._do(
                    "INSERT INTO counters VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value=max(value, excluded.value)",
                    (name, value),
                )

    def take_lock(self, environment: str, owner: str, now: float, expiry: float) -> Lock | None:
        """Take or keep the environment's lock; None on success, else the lock that stands in the way.

        `now` comes from a monotonic clock, which starts anew with the machine: a heartbeat later than `now` is from
        before the machine's start, and its owner is gone.
        """
        with self.transaction():
            held = self.get(Lock, environment)
            if held is not None and held.owner != owner and 0 <= now - held.beat < expiry:
                return held
            since = held.since if held is not None and held.owner == owner else now
            self.put(environment, Lock(environment, owner, since, now))
            return None

    def release_lock(self, environment: str, owner: str) -> None:
        """Give the lock back, if `owner` holds it."""
        with self.transaction():
            held = self.get(Lock, environment)
            if held is not None and held.owner == owner:
                self.delete(Lock, environment)

    def add_event(self, event: Event) -> None:
        """Append to a run's events and wake those who follow them."""
        body = _adapter(Event).dump_json(event).decode()
        with self._grown:
            self._do("INSERT INTO events (run, body) VALUES (?, ?)", (event.run, body))
            self._grown.notify_all()

    def events(self, run: str, after: int, wait: float = 0.0) -> list[Event]:
        """A run's events after a number; waits up to `wait` seconds for the first."""
        query = "SELECT number, body FROM events WHERE run=? AND number>? ORDER BY number LIMIT 1000"
        with self._grown:
            rows = self._do(query, (run, after)).fetchall()
            if not rows and wait > 0:
                self._grown.wait(wait)
                rows = self._do(query, (run, after)).fetchall()
        return [replace(_adapter(Event).validate_json(body), number=number) for number, body in rows]

    def add_audit(self, entry: AuditEntry) -> None:
        """Append to the audit log."""
        with self._lock:
            self._do("INSERT INTO audit (body) VALUES (?)", (json.dumps(_adapter(AuditEntry).dump_python(entry)),))

    def audit(self, limit: int) -> list[AuditEntry]:
        """The newest entries, newest first."""
        with self._lock:
            rows = self._do("SELECT number, body FROM audit ORDER BY number DESC LIMIT ?", (limit,)).fetchall()
        return [_audit_entry(number, body) for number, body in rows]

    def audited(self, environment: str, since: float, until: float) -> list[AuditEntry]:
        """The entries about an environment from then (inclusive) until then (inclusive), Unix time; oldest first."""
        # By SQLite itself: to make an entry of each line of a long log takes a hundred times as long.
        query = (
            "SELECT number, body FROM audit WHERE json_extract(body, '$.environment') = ? "
            "AND json_extract(body, '$.at') BETWEEN ? AND ? ORDER BY number"
        )
        with self._lock:
            rows = self._do(query, (environment, since, until)).fetchall()
        return [_audit_entry(number, body) for number, body in rows]

    def watch(self, kinds: Collection[type[Any]], tell: Callable[[], None]) -> None:
        """Call `tell`, which must not raise, after each write of a record of these types; once for a transaction."""
        self._watched = frozenset(kind.__name__ for kind in kinds)
        self._tell = tell

    def _note(self, kind: type[Any]) -> None:
        self._changed = self._changed or kind.__name__ in self._watched
        if not self._db.in_transaction:
            self._tell_changes()

    def _tell_changes(self) -> None:
        if self._changed:
            self._changed = False
            self._tell()

    def _do(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise _fault(self._path, error) from error


def is_damaged(path: Path) -> bool:
    """Whether the file is not a database, or has damaged pages; a missing file is not damaged."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as db:
            return bool(db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.OperationalError:
        # Locked, or a failing disk: that says nothing about its content.
        return False
    except sqlite3.DatabaseError:
        return True


def _audit_entry(number: int, body: str) -> AuditEntry:
    entry: AuditEntry = _adapter(AuditEntry).validate_json(body)
    return replace(entry, number=number)


def _fault(path: Path, error: sqlite3.Error) -> ShipwayError:
    if is_damaged(path):
        return ShipwayError(
            f"{path}, what Shipway remembers, is damaged: {error}",
            fix="shipway repair",
            state="nothing was written; tasks and router go on serving",
        )
    return ShipwayError(
        f"{path}: {error}",
        fix="make room if the disk is full (`df` says so); what was under way goes on by itself",
        state="nothing was written",
    )
