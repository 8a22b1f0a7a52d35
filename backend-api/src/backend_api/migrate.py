"""`python -m backend_api.migrate`: brings the database to this release's schema; does nothing when it is there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from backend_api.config.settings import Settings
from backend_api.storage.database import open_database

_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
# Any constant that no other user of the database takes: "ontime" in ASCII.
_LOCK = 0x6F6E74696D65


def alembic_config(connection: Connection | None = None) -> Config:
    """Alembic's configuration without an ini file; migrations run on `connection`."""
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


async def migrate(settings: Settings, revision: str = "head") -> None:
    """Upgrades to `revision` in one transaction. Of several at once one migrates, the others wait and find it done."""
    database = open_database(settings)

    def upgrade(connection: Connection) -> None:
        if database.dialect == "sqlite":
            # The driver opens transactions late, before the first write; the schema must be read under the lock.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        command.upgrade(alembic_config(connection), revision)

    try:
        await database.run(upgrade)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(migrate(Settings()))
