"""`python -m backend_api.database_user`: makes the application's database user, or gives it another password.

Run as a one-off task, in the role that may read the master's secret and write the user's. Tasks that serve need no
restart: they read the new password at their next connection. Safe to repeat: what an interrupted run began is finished.

It is told by variables: DATABASE_URL is the database's address, as the tasks have it; DATABASE_SECRET the name or ARN
of the user's secret in Secrets Manager, whose value is written; DATABASE_MASTER_SECRET that of the master's. The user
is the one that the secret names, or else the address.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import secrets
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from sqlalchemy import make_url

from backend_api.config.settings import Settings
from backend_api.storage.database import libpq_address
from backend_api.storage.login import Login, NoLogin, SecretsManager

# "user" after the migrations' lock: two of these at once would each take the other's password for theirs.
_LOCK = 0x6F6E74696D66
_ROUNDS = 4096
_TIMEOUT = 10.0
_PATIENCE = 60.0
"""Seconds for a statement: as long as another run of this program may take."""
_PENDING, _CURRENT = "AWSPENDING", "AWSCURRENT"


async def change_password(address: str, master: Login, secret: str, manager: SecretsManager) -> str:
    """Make the user, or change its password, in the database and then in its secret; answers the user's name.

    The new password is a pending version first: whatever ends this in between, the next run finds it and goes on. It
    becomes current once the database has let the user in. Raises ConnectionError, ValueError.
    """
    from asyncpg import connect

    database = await connect(address, **master.arguments, timeout=_TIMEOUT, command_timeout=_PATIENCE)
    try:
        await database.execute("SELECT pg_advisory_lock($1)", _LOCK)
        current = manager.login(secret)
        user = (current.user if current is not None else None) or make_url(address).username
        if not user:
            raise ValueError(
                "DATABASE_URL: names no user, and neither does the secret: postgresql://USER@HOST/DATABASE"
            )
        pending = manager.login(secret, _PENDING)
        if pending is None or pending == current or pending.user != user:
            pending = Login(user, secrets.token_urlsafe(32))
            manager.put(secret, pending, [_PENDING])
        await _make(database, user, _verifier(pending.password or ""))
        await _try(address, pending)
        manager.put(secret, pending, [_CURRENT, _PENDING])
        return user
    finally:
        await database.close()


async def _make(database: Any, user: str, verifier: str) -> None:
    """The user with this password, who may make and change tables there."""
    name = '"' + user.replace('"', '""') + '"'
    async with database.transaction():
        if not await database.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", user):
            await database.execute(f"CREATE ROLE {name} LOGIN")
        await database.execute(f"ALTER ROLE {name} LOGIN PASSWORD '{verifier}'")
        place = await database.fetchval("SELECT quote_ident(current_database())")
        await database.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {place} TO {name}")
        await database.execute(f"GRANT USAGE, CREATE ON SCHEMA public TO {name}")


async def _try(address: str, login: Login) -> None:
    from asyncpg import connect

    connection = await connect(address, **login.arguments, timeout=_TIMEOUT)
    await connection.close()


def _verifier(password: str) -> str:
    """What PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5803): no statement, and no log, holds the password then.

    The password is ASCII, which needs no preparation.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ROUNDS, *parts)


def main(variables: Mapping[str, str]) -> int:
    """Exit code 2 for a wrong or missing setting, 1 where the database or Secrets Manager refuses."""
    from asyncpg import InterfaceError, PostgresError

    try:
        settings = Settings()
        master_secret = variables.get("DATABASE_MASTER_SECRET")
        if settings.database_secret is None or not master_secret:
            raise ValueError("DATABASE_SECRET and DATABASE_MASTER_SECRET: both are needed")
        manager = SecretsManager.of(settings.database_secret)
        master = manager.login(master_secret)
        if master is None:
            raise NoLogin(f"DATABASE_MASTER_SECRET: Secrets Manager has no value for {master_secret}")
        address = libpq_address(settings.database_url)
        user = asyncio.run(change_password(address, master, settings.database_secret, manager))
    except ValidationError as error:
        sys.stderr.write("".join(f"{fault['msg']}\n" for fault in error.errors(include_url=False, include_input=False)))
        return 2
    except (OSError, PostgresError, InterfaceError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"{user} has a new password in the database and in {settings.database_secret}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(os.environ))
