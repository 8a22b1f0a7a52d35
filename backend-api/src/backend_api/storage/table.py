"""The tables. A change here needs a migration that the release before can still work with."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    text,
)

metadata = MetaData()

predictions = Table(
    "predictions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("request_id", String(128), nullable=False),
    Column("idempotency_key", String(255), unique=True),
    Column("request_digest", String(64)),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("origin", String(3), nullable=False),
    Column("destination", String(3), nullable=False),
    Column("carrier", String(2), nullable=False),
    Column("departure", DateTime, nullable=False),
    Column("features", JSON, nullable=False),
    Column("probability", Float, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("model_version", String(100), nullable=False),
    # A digest: the device that asked may say what came true. Null: a client that sent none, or a release before.
    Column("device", String(64)),
)

_UNWRITTEN = text("written_at IS NULL")

outcomes = Table(
    "outcomes",
    metadata,
    Column("prediction_id", String(36), ForeignKey("predictions.id"), primary_key=True),
    Column("late", Boolean, nullable=False),
    Column("source", String(40), nullable=False),
    Column("told_at", DateTime(timezone=True), nullable=False),
    # Counts corrections, so that one that comes while the word before is written is written as well.
    Column("revision", Integer, nullable=False),
    # Of several tasks one writes an outcome; another takes over from this moment on.
    Column("claimed_until", DateTime(timezone=True)),
    # Into the bucket, as a label. Null: still to be written.
    Column("written_at", DateTime(timezone=True)),
    Index("outcomes_unwritten", "told_at", sqlite_where=_UNWRITTEN, postgresql_where=_UNWRITTEN),
)
