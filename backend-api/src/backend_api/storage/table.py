"""The predictions table. A change here needs a migration that the release before can still work with."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, DateTime, Float, MetaData, String, Table

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
)
