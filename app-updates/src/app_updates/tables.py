"""What is kept of devices. `python -m app_updates.tables` makes the tables: once a rollout, before its tasks start."""

from __future__ import annotations

import os
import sys

from sqlalchemy import Boolean, Column, Double, Index, Integer, MetaData, String, Table
from sqlalchemy.exc import SQLAlchemyError

metadata = MetaData()

devices = Table(
    "app_devices",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("native", String(64), nullable=False),
    Column("running", String(60), nullable=False),
    Column("answered", String(60), nullable=False),
    Column("seen_at", Double, nullable=False),
    Index("app_devices_running", "running", "seen_at"),
    Index("app_devices_seen", "seen_at"),
)

trials = Table(
    "app_trials",
    metadata,
    Column("device", String(128), primary_key=True),
    Column("version", String(60), primary_key=True),
    Column("offered_at", Double),
    Column("ran_at", Double),
    Column("started_at", Double),
    Column("failed_at", Double),
    Column("reason", String(60), nullable=False),
    Column("taken_back_at", Double),
    Column("taken_back_reason", String(200), nullable=False),
    Column("sessions", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("session", String(64), nullable=False),
    Column("session_counts", Boolean, nullable=False),
    Column("session_erred", Boolean, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("crash", String(64), nullable=False),
    Column("day", Integer, nullable=False),
    Column("of_day", Integer, nullable=False),
    Index("app_trials_version", "version"),
)

# How often devices told something bad of a version: cheap to ask for, where the counts take a look at all devices.
failures = Table(
    "app_failures",
    metadata,
    Column("version", String(60), primary_key=True),
    Column("times", Integer, nullable=False),
)

crashes = Table(
    "app_crashes",
    metadata,
    Column("version", String(60), primary_key=True),
    # A digest of kind and place: what is told under one is one crash.
    Column("crash", String(32), primary_key=True),
    Column("kind", String(100), nullable=False),
    Column("message", String(300), nullable=False),
    Column("stack", String(4000), nullable=False),
    Column("first_at", Double, nullable=False),
    Column("last_at", Double, nullable=False),
    Column("times", Integer, nullable=False),
)

crash_devices = Table(
    "app_crash_devices",
    metadata,
    Column("version", String(60), primary_key=True),
    Column("crash", String(32), primary_key=True),
    Column("device", String(128), primary_key=True),
)

vitals = Table(
    "app_vitals",
    metadata,
    Column("version", String(60), primary_key=True),
    Column("name", String(8), primary_key=True),
    # Of a logarithmic scale: telemetry.py.
    Column("bucket", Integer, primary_key=True),
    Column("times", Integer, nullable=False),
)


def main() -> int:
    """Exit code 2 without DATABASE_URL, 1 where the database refuses."""
    from app_updates.databases import WrongDatabase, engine_for

    try:
        engine = engine_for(os.environ)
        with engine.begin() as connection:
            metadata.create_all(connection)
    except WrongDatabase as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except (SQLAlchemyError, OSError) as error:
        sys.stderr.write(f"the tables could not be made: {type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
