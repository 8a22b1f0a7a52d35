"""Stores predictions and finds them again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from backend_api.config.settings import Settings
from backend_api.errors import ApiError
from backend_api.models.prediction import Prediction
from backend_api.storage.database import Database
from backend_api.storage.group_commit import GroupCommit
from backend_api.storage.table import predictions

Row = Mapping[str, Any]
_ANSWER = [predictions.c[name] for name in Prediction.model_fields]
_KEYED = [*_ANSWER, predictions.c.idempotency_key, predictions.c.request_digest]


class Store:
    """Predictions: stored by the task's writer, read beside it."""

    def __init__(self, database: Database, writer: GroupCommit, settings: Settings) -> None:
        self._database = database
        self._writer = writer
        self._settings = settings
        dialect = postgresql if database.dialect == "postgresql" else sqlite
        # A key that another request stored first is no error: that request's row is then the answer.
        self._insert = dialect.insert(predictions).on_conflict_do_nothing(index_elements=["idempotency_key"])

    async def add(self, row: Row) -> Row:
        """The stored row, which is another one when `idempotency_key` was already taken; ApiError 503 on failure."""
        try:
            return await self._writer.add(self._insert_all, row)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error

    def _insert_all(self, connection: Connection, rows: Sequence[Row]) -> list[Row]:
        """Inserts, and returns for each what is now stored under its idempotency key."""
        connection.execute(self._insert, rows)
        keys = [row["idempotency_key"] for row in rows if row["idempotency_key"] is not None]
        if not keys:
            return list(rows)
        found = connection.execute(select(*_KEYED).where(predictions.c.idempotency_key.in_(keys)))
        winners = {row["idempotency_key"]: _in_utc(row) for row in found.mappings()}
        return [winners.get(row["idempotency_key"], row) for row in rows]

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


def _in_utc(row: RowMapping) -> Row:
    # SQLite gives back the UTC that was stored without saying so.
    created_at = row["created_at"]
    return {**row, "created_at": created_at.replace(tzinfo=UTC) if created_at.tzinfo is None else created_at}


def _unavailable(error: Exception) -> ApiError:
    # A commit that was given up may still go through: the client's idempotency key finds it then.
    message = f"the database did not confirm ({type(error).__name__}); try again, best with an Idempotency-Key"
    return ApiError(503, "storage_unavailable", message, headers={"retry-after": "1"})
