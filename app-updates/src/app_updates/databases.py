"""The database behind DATABASE_URL: SQLite on one machine, PostgreSQL on AWS."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

BUSY = 3.0
"""Seconds that a statement may wait: for another task's transaction, or for an answer."""
_POSTGRES = ("postgres", "postgresql", "postgresql+asyncpg", "postgresql+pg8000")


class WrongDatabase(ValueError):
    """DATABASE_URL or DATABASE_SECRET can't be used; the message names it and holds no password."""


def engine_for(variables: Mapping[str, str]) -> Engine:
    """Raises WrongDatabase. It connects to nothing yet."""
    address = variables.get("DATABASE_URL") or "sqlite:///devices.db"
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise WrongDatabase(
            "DATABASE_URL: found no address of a database, allowed is sqlite:///path or postgresql://…"
        ) from error
    if url.drivername.partition("+")[0] == "sqlite":
        return _sqlite(url)
    if url.drivername not in _POSTGRES:
        raise WrongDatabase(f"DATABASE_URL: found the scheme {url.drivername!r}, allowed are sqlite and postgresql")
    return _postgres(url, variables.get("DATABASE_SECRET"))


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url.set(drivername="sqlite"), connect_args={"timeout": BUSY, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: object) -> None:
        # SQLAlchemy, not the driver, says when a transaction begins.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        # A killed task loses nothing that it has confirmed; a machine that loses its power may lose the last moments.
        connection.execute("PRAGMA synchronous = NORMAL")

    @event.listens_for(engine, "begin")
    def _begun(connection: Any) -> None:
        # At once for writing: a transaction that reads first and writes later could not wait for another task's.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(url: URL, secret: str | None) -> Engine:
    encrypted = url.query.get("ssl") in ("require", "true") or url.query.get("sslmode") in ("require", "verify-full")
    arguments: dict[str, Any] = {"timeout": BUSY}
    if encrypted:
        context = ssl.create_default_context()
        # As libpq's `require`: encrypted, whoever signed. RDS's certificates have a root of their own.
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        arguments["ssl_context"] = context
    engine = create_engine(
        url.set(drivername="postgresql+pg8000", query={}),
        connect_args=arguments,
        pool_pre_ping=True,
        pool_recycle=1800,
        pool_size=2,
        max_overflow=1,
    )
    if secret is not None:

        @event.listens_for(engine, "do_connect")
        def _login(_dialect: object, _record: object, _positional: object, named: dict[str, Any]) -> None:
            # Read at each connect, so that a changed password breaks no task.
            named.update(_read_login(secret))

    return engine


def _read_login(secret: str) -> dict[str, str]:
    """User and password of a secret: JSON as RDS writes it, or the password alone. Raises ConnectionError."""
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.session import Session

    parts = secret.split(":")
    region = parts[3] if parts[0] == "arn" and len(parts) > 3 else os.environ.get("AWS_REGION")
    config = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 2})
    try:
        client = Session().create_client("secretsmanager", region, config=config)
        text = str(client.get_secret_value(SecretId=secret)["SecretString"])
    except (BotoCoreError, ClientError, ValueError) as error:
        raise ConnectionError(f"DATABASE_SECRET: {secret} could not be read: {type(error).__name__}") from error
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return {"user": str(found.get("username", "")), "password": str(found.get("password", ""))}
    return {"password": text}
