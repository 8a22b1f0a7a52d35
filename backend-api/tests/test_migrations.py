"""The schema: from nothing, twice, and by two at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from backend_api.config.settings import Settings
from backend_api.migrate import migrate
from backend_api.storage.database import open_database
from backend_api.storage.table import metadata


async def differences(settings: Settings) -> list[object]:
    """What the migrated database lacks or has too much, compared with the table in the code."""

    def compare(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    database = open_database(settings)
    try:
        return await database.run(compare)
    finally:
        await database.close()


async def _migrate_twice_and_together(settings: Settings) -> list[object]:
    await asyncio.gather(migrate(settings), migrate(settings), migrate(settings))
    await migrate(settings)
    return await differences(settings)


def test_from_empty_together_and_again(tmp_path: Path) -> None:
    """Three migrations at once and one more leave exactly the schema of the code."""
    settings = Settings(database_url=f"sqlite:///{tmp_path}/new.db")
    assert [] == asyncio.run(_migrate_twice_and_together(settings))


@pytest.mark.postgres
def test_postgres_from_empty_together_and_again(postgres_url: str) -> None:
    """The same on PostgreSQL."""
    assert [] == asyncio.run(_migrate_twice_and_together(Settings(database_url=postgres_url)))
