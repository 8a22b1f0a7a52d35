"""Opens the database and runs transactions on it: SQLite on one machine, PostgreSQL by URL.

A transaction is a plain function of a SQLAlchemy connection, so both databases run the same code. On SQLite it runs in
a thread as a whole: aiosqlite hands every single statement to its thread, which cost twice the CPU per commit.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, create_engine, event, make_url

from backend_api.config.settings import Settings
from backend_api.storage.login import Logins, SecretLogin

_LOCK_WAIT = 5.0
T = TypeVar("T")
Work = Callable[[Connection], T]


class Database(Protocol):
    """What both have in common."""

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        ...

    async def run(self, work: Work[T]) -> T:
        """The result of `work`, in one transaction that is committed unless it raises."""
        ...

    async def close(self) -> None:
        """Closes all connections."""


def open_database(settings: Settings) -> Database:
    """The database that the settings name; connections are opened on first use."""
    return Sqlite(settings) if settings.database_url.startswith("sqlite") else Postgres(settings)


class Sqlite:
    """A file that all tasks of this machine share."""

    dialect = "sqlite"

    def __init__(self, settings: Settings) -> None:
        self._threads = ThreadPoolExecutor(settings.database_pool, thread_name_prefix="sqlite")
        self._engine = create_engine(
            settings.database_url,
            pool_size=settings.database_pool,
            connect_args={"timeout": _LOCK_WAIT},
            json_serializer=_json_text,
            json_deserializer=from_json,
        )
        event.listen(self._engine, "connect", _prepare)

    async def run(self, work: Work[T]) -> T:
        """See `Database`; waits up to 5 s for a lock that another task holds."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._transaction, work)

    def _transaction(self, work: Work[T]) -> T:
        with self._engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        """See `Database`."""
        self._threads.shutdown()
        self._engine.dispose()


class Postgres:
    """A server, through asyncpg. A login that its address lacks is read when a connection is opened."""

    dialect = "postgresql"

    def __init__(self, settings: Settings) -> None:
        # Half a second of imports that SQLite can do without.
        from sqlalchemy.ext.asyncio import create_async_engine

        self._address = libpq_address(settings.database_url)
        self._timeout = settings.store_timeout
        secret = settings.database_secret
        self._logins = None if secret is None else Logins(SecretLogin(secret))
        self._engine = create_async_engine(
            settings.database_url,
            async_creator=self._connect,
            # A failed-over database leaves dead connections behind; asking first is cheaper than failing a batch.
            pool_pre_ping=True,
            pool_recycle=settings.database_recycle,
            pool_size=settings.database_pool,
            max_overflow=0,
            pool_timeout=settings.store_timeout,
            json_serializer=_json_text,
            json_deserializer=from_json,
        )

    async def run(self, work: Work[T]) -> T:
        """See `Database`."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """See `Database`."""
        await self._engine.dispose()

    async def _connect(self) -> Any:
        """A connection of asyncpg. Raises ConnectionError where the server refuses one, OSError where it is away."""
        from asyncpg import InterfaceError, InvalidAuthorizationSpecificationError, PostgresError, connect

        try:
            if self._logins is None:
                return await connect(self._address, timeout=self._timeout)
            login = await self._logins.current()
            try:
                return await connect(self._address, **login.arguments, timeout=self._timeout)
            except InvalidAuthorizationSpecificationError:
                # Changed since it was read, or about to be: once more, with what is so now.
                login = await self._logins.after(login)
                return await connect(self._address, **login.arguments, timeout=self._timeout)
        except (PostgresError, InterfaceError) as error:
            raise ConnectionError(f"the database refused a connection: {type(error).__name__}: {error}") from error


def libpq_address(url: str) -> str:
    """The address as libpq writes it, and asyncpg reads it: `sslmode`, where SQLAlchemy has `ssl`."""
    parts = make_url(url)
    query = {{"ssl": "sslmode"}.get(name, name): value for name, value in parts.query.items()}
    return parts.set(drivername="postgresql", query=query).render_as_string(hide_password=False)


def _json_text(value: object) -> str:
    return to_json(value).decode()


def _prepare(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # WAL: readers and the writer of several tasks do not block one another. FULL: a commit survives a power cut.
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Make the file a WAL database. Raises sqlite3.OperationalError when others hold it beyond the lock wait."""
    # Connections that switch a new file at once are told "locked" right away: here SQLite does not wait by itself.
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
