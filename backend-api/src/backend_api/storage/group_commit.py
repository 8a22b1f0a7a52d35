"""Group commit: while one transaction commits, what arrives waits for the next one together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from sqlalchemy import Connection

from backend_api.config.settings import Settings
from backend_api.errors import ApiError
from backend_api.storage.database import Database

T = TypeVar("T")
R = TypeVar("R")
Write = Callable[[Connection, Sequence[T]], Sequence[R | Exception]]
"""Writes items of one kind, and answers what became of each; an exception is raised to the one who gave the item."""

_BATCH = 200
_Waiting = tuple[object, asyncio.Future[Any]]


class GroupCommit:
    """The only writer of a task: SQLite lets one write at a time, and who waits for its lock waits in no queue.

    `run` works as long as the task does; `add` returns after the commit. A transaction holds items of one kind: so none
    fails by another kind's fault, and on PostgreSQL rows are locked in an order that the kind decides.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._timeout = settings.store_timeout
        self._longest = settings.store_queue
        # By kind; kinds take turns.
        self._waiting: dict[Write[Any, Any], list[_Waiting]] = {}
        self._number = 0
        self._arrived = asyncio.Event()

    async def add(self, write: Write[T, R], item: T) -> R:
        """What `write` answers for this item; those of one `write` that wait go to it together.

        Raises what the database raises, TimeoutError without a commit in time, ApiError 503 when too many wait.
        """
        if self._number >= self._longest:
            message = "too many requests wait for the database; try again"
            raise ApiError(503, "storage_busy", message, headers={"retry-after": "1"})
        async with asyncio.timeout(self._timeout):
            return await self._queued(write, item)

    async def transact(self, work: Callable[[Connection], R]) -> R:
        """What `work` answers, in a transaction of its own, without a limit of time. Raises what the database does."""
        return await self._queued(lambda connection, _: [work(connection)], None)

    def _queued(self, write: Write[T, R], item: T) -> asyncio.Future[R]:
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(write, []).append((item, done))
        self._number += 1
        self._arrived.set()
        return done

    async def run(self) -> None:
        """Writes until cancelled; a batch that fails fails its own items, not the writer."""
        while True:
            await self._arrived.wait()
            write, waiting = self._take()
            # Those who were already told that it took too long are left out.
            batch = [(item, done) for item, done in waiting if not done.done()]
            if batch:
                await self._commit(write, batch)

    def _take(self) -> tuple[Write[Any, Any], list[_Waiting]]:
        write = next(iter(self._waiting))
        waiting = self._waiting.pop(write)
        if len(waiting) > _BATCH:
            self._waiting[write] = waiting[_BATCH:]
        self._number -= len(waiting[:_BATCH])
        if not self._waiting:
            self._arrived.clear()
        return write, waiting[:_BATCH]

    async def _commit(self, write: Write[Any, Any], batch: Sequence[_Waiting]) -> None:
        items = [item for item, _ in batch]
        results: Sequence[object]
        try:
            results = await self._database.run(lambda connection: write(connection, items))
        except Exception as error:  # whatever it is, it belongs to these items and `add` raises it there
            results = [error] * len(batch)
        for (_, done), result in zip(batch, results, strict=True):
            if done.done():
                continue
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)


async def stop_writer(writer: asyncio.Task[None]) -> None:
    """Ends a task that runs for ever, such as `GroupCommit.run`; by then nobody is left who could wait for it."""
    writer.cancel()
    with suppress(asyncio.CancelledError):
        await writer
