"""Stores predictions, several requests in one transaction, and finds them again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from backend_api.config.settings import Settings
from backend_api.errors import ApiError
from backend_api.models.prediction import Prediction
from backend_api.storage.database import Database
from backend_api.storage.table import predictions

Row = Mapping[str, Any]
_BATCH = 200
_RETRY = {"retry-after": "1"}
_ANSWER = [predictions.c[name] for name in Prediction.model_fields]
_KEYED = [*_ANSWER, predictions.c.idempotency_key, predictions.c.request_digest]
_Waiting = tuple[Row, asyncio.Future[Row]]


class Store:
    """Group commit: while one transaction commits, the requests that arrive wait for the next one together.

    `run` is the only writer of a task; `add` returns after the commit.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        dialect = postgresql if database.dialect == "postgresql" else sqlite
        # A key that another request stored first is no error: that request's row is then the answer.
        self._insert = dialect.insert(predictions).on_conflict_do_nothing(index_elements=["idempotency_key"])

    async def add(self, row: Row) -> Row:
        """The stored row, which is another one when `idempotency_key` was already taken; ApiError 503 on failure."""
        if len(self._waiting) >= self._settings.store_queue:
            message = "too many requests wait for the database; try again"
            raise ApiError(503, "storage_busy", message, headers=_RETRY)
        stored: asyncio.Future[Row] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, stored))
        self._arrived.set()
        try:
            async with asyncio.timeout(self._settings.store_timeout):
                return await stored
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error

    async def run(self) -> None:
        """Writes until cancelled; a batch that fails fails its own requests, not the writer."""
        while True:
            await self._arrived.wait()
            # Requests whose client was already told "not stored" are left out.
            batch = [entry for entry in self._take() if not entry[1].done()]
            if batch:
                await self._write(batch)

    def _take(self) -> list[_Waiting]:
        batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        if not self._waiting:
            self._arrived.clear()
        return batch

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        rows = [row for row, _ in batch]
        try:
            winners = await self._database.run(lambda connection: self._insert_all(connection, rows))
        except Exception as error:  # whatever it is, it belongs to these requests and `add` raises it there
            for _, stored in batch:
                if not stored.done():
                    stored.set_exception(error)
            return
        for row, stored in batch:
            if not stored.done():
                stored.set_result(winners.get(row["idempotency_key"], row))

    def _insert_all(self, connection: Connection, rows: list[Row]) -> dict[str, Row]:
        """Inserts, and returns what is now stored under each idempotency key among `rows`."""
        connection.execute(self._insert, rows)
        keys = [row["idempotency_key"] for row in rows if row["idempotency_key"] is not None]
        if not keys:
            return {}
        found = connection.execute(select(*_KEYED).where(predictions.c.idempotency_key.in_(keys)))
        return {row["idempotency_key"]: _in_utc(row) for row in found.mappings()}

    async def find(self, prediction_id: str) -> Row | None:
        """The stored prediction with this id; ApiError 503 when the database is away."""
        return await self._one(predictions.c.id == prediction_id)

    async def find_by_key(self, key: str) -> Row | None:
        """The prediction stored under this idempotency key; ApiError 503 when the database is away."""
        return await self._one(predictions.c.idempotency_key == key)

    async def _one(self, condition: ColumnElement[bool]) -> Row | None:
        query = select(*_KEYED).where(condition)
        try:
            async with asyncio.timeout(self._settings.store_timeout):
                row = await self._database.run(lambda connection: connection.execute(query).mappings().first())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        return None if row is None else _in_utc(row)

    async def check(self, timeout: float) -> str | None:
        """Why the database can't be used, or None when it can."""
        query = select(literal(1)).select_from(predictions).limit(1)
        try:
            async with asyncio.timeout(timeout):
                await self._database.run(lambda connection: connection.execute(query).first())
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            return f"{type(error).__name__}: is it reachable, and has `python -m backend_api.migrate` been run?"
        return None


async def stop_writer(writer: asyncio.Task[None]) -> None:
    """Ends a task that runs for ever, such as `Store.run`; by then no request is left that could wait for it."""
    writer.cancel()
    with suppress(asyncio.CancelledError):
        await writer


def _in_utc(row: RowMapping) -> Row:
    # SQLite gives back the UTC that was stored without saying so.
    created_at = row["created_at"]
    return {**row, "created_at": created_at.replace(tzinfo=UTC) if created_at.tzinfo is None else created_at}


def _unavailable(error: Exception) -> ApiError:
    # A commit that was given up may still go through: the client's idempotency key finds it then.
    message = f"the database did not confirm ({type(error).__name__}); try again, best with an Idempotency-Key"
    return ApiError(503, "storage_unavailable", message, headers=_RETRY)
