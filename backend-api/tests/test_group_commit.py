"""One writer a task: what waits together is committed together, and none fails by another's fault."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from backend_api.config.settings import Settings
from backend_api.errors import ApiError
from backend_api.storage.database import open_database
from backend_api.storage.group_commit import GroupCommit, stop_writer
from backend_api.storage.outcomes import Asked, OutcomeStore, Told

NOW = datetime(2013, 7, 5, tzinfo=UTC)
INSERT = """INSERT INTO predictions (id, request_id, created_at, origin, destination, carrier, departure, features,
probability, late, threshold, model_version) VALUES (?, '', '2013-07-04 12:00:00', 'JFK', 'LAX', 'B6',
'2013-07-04 08:15:00', '{}', 0.3, 0, 0.5, 'v1.0')"""


@pytest.fixture
def settings(migrated: Path, tmp_path: Path) -> Settings:
    """Of a database of the test's own, in which three predictions are stored."""
    copy = shutil.copy(migrated, tmp_path / "ontime.db")
    with closing(sqlite3.connect(copy, isolation_level=None)) as database:
        database.executemany(INSERT, [("a",), ("b",), ("c",)])
    return Settings(database_url=f"sqlite:///{copy}", store_queue=5)


@asynccontextmanager
async def writing(settings: Settings) -> AsyncIterator[GroupCommit]:
    """A writer that begins once the test waits for something: all that was added before waits together."""
    database = open_database(settings)
    group_commit = GroupCommit(database, settings)
    writer = asyncio.create_task(group_commit.run())
    try:
        yield group_commit
    finally:
        await stop_writer(writer)
        await database.close()


def test_what_waits_is_written_together(settings: Settings) -> None:
    """In the order in which it came, a transaction for each kind."""
    batches: list[list[str]] = []

    def shout(_: Connection, items: Sequence[str]) -> list[str]:
        batches.append(list(items))
        return [item.upper() for item in items]

    def whisper(_: Connection, items: Sequence[str]) -> list[str]:
        batches.append(list(items))
        return [item.lower() for item in items]

    async def play() -> list[str]:
        async with writing(settings) as group_commit:
            kinds = (shout, whisper, shout)
            items = ("One", "Two", "Three")
            added = (group_commit.add(kind, item) for kind, item in zip(kinds, items, strict=True))
            return list(await asyncio.gather(*added))

    assert ["ONE", "two", "THREE"] == asyncio.run(play())
    assert [["One", "Three"], ["Two"]] == batches


def test_more_than_a_batch(settings: Settings) -> None:
    """All are written, in several transactions, while other kinds take turns."""
    sizes: list[int] = []

    def count(_: Connection, items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        return items

    async def play() -> list[int]:
        async with writing(settings.model_copy(update={"store_queue": 1000})) as group_commit:
            return list(await asyncio.gather(*(group_commit.add(count, number) for number in range(450))))

    assert list(range(450)) == asyncio.run(play())
    assert [200, 200, 50] == sizes


def test_a_fault_is_its_own_items_fault(settings: Settings) -> None:
    """A kind that fails fails all of its batch; an exception among the results fails one item; others go on."""

    def broken(_: Connection, items: Sequence[int]) -> list[int]:
        raise OSError("no disk")

    def picky(_: Connection, items: Sequence[int]) -> list[int | Exception]:
        return [ValueError(item) if item % 2 else item for item in items]

    async def play() -> list[object]:
        async with writing(settings) as group_commit:
            added = (group_commit.add(kind, n) for n in (1, 2) for kind in (broken, picky))
            return list(await asyncio.gather(*added, return_exceptions=True))

    first, second, third, fourth = asyncio.run(play())
    assert [OSError, ValueError, OSError, 2] == [type(first), type(second), type(third), fourth]


def test_too_many_wait(settings: Settings) -> None:
    """More than the setting are refused at once, and told when to come again."""

    async def play() -> list[object]:
        async with writing(settings) as group_commit:
            added = (group_commit.add(lambda _, items: items, number) for number in range(6))
            return list(await asyncio.gather(*added, return_exceptions=True))

    *taken, refused = asyncio.run(play())
    assert list(range(5)) == taken
    assert isinstance(refused, ApiError)
    assert (503, "storage_busy", {"retry-after": "1"}) == (refused.status_code, refused.fault.code, refused.headers)


def told(id: str, late: bool, source: str) -> Told:
    """Somebody's word."""
    return Told(id, late, source, NOW)


def test_words_about_one_prediction_in_one_transaction(settings: Settings) -> None:
    """Each finds what those before it left, as if it had come alone; one that is refused changes nothing."""

    def known(asked: Asked | None) -> None:
        if asked is None:
            raise ApiError(404, "not_found", "no such prediction")

    words = [
        (told("b", True, "device"), False), (told("a", True, "device"), False), (told("x", True, "device"), False),
        (told("a", False, "airline"), True), (told("a", True, "device"), False), (told("a", True, "desk"), True),
    ]  # fmt: skip

    async def play() -> tuple[list[Told | BaseException], list[Told]]:
        async with writing(settings.model_copy(update={"store_queue": 10})) as group_commit:
            store = OutcomeStore(group_commit, "sqlite")
            kept = await asyncio.gather(*(store.keep(*word, known) for word in words), return_exceptions=True)
            return kept, await store.claim(10, NOW, timedelta())

    (b, first, unknown, corrected, late_word, last), claimed = asyncio.run(play())
    assert isinstance(unknown, ApiError)
    assert told("b", True, "device") == b
    assert told("a", True, "device") == first
    assert isinstance(corrected, Told) and isinstance(last, Told)
    assert (False, "airline", 1) == (corrected.late, corrected.source, corrected.revision)
    assert corrected == late_word
    assert (True, "desk", 2) == (last.late, last.source, last.revision)
    assert {("a", True, "desk"), ("b", True, "device")} == {(t.prediction_id, t.late, t.source) for t in claimed}
