"""The application user's name and password, where the database's address holds none: a secret of Secrets Manager.

It is read when connections are opened, so that a changed password breaks no task. botocore is imported at the first
read: tasks whose address holds all do without it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_log = logging.getLogger(__name__)
KEEP = 30.0
"""Seconds for which connections are opened without asking again. A password that was refused is never taken again."""
PATIENCE = 1.0
"""Seconds to wait for another value after a refusal: database and secret are changed one after the other."""
_PAUSE = 0.1
_TIMEOUT = 2.0


class NoLogin(ConnectionError):
    """Name and password could not be had. The message holds neither."""


@dataclass(frozen=True)
class Login:
    """Who connects; what is None stands in the database's address."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def arguments(self) -> dict[str, str | None]:
        """What asyncpg's `connect` takes."""
        return {"user": self.user, "password": self.password}


class Logins:
    """The login, read by `read` (which may block) and kept for a while."""

    def __init__(self, read: Callable[[], Login], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = asyncio.Lock()
        self._login: Login | None = None
        self._at = 0.0

    async def current(self) -> Login:
        """The one that is known, if it is not older than `KEEP`. Raises NoLogin."""
        async with self._lock:
            if self._login is None or self._clock() - self._at >= KEEP:
                await self._look()
            assert self._login is not None
            return self._login

    async def after(self, refused: Login) -> Login:
        """Another one than that which the database has refused; the same one where there is none in time."""
        until = self._clock() + PATIENCE
        while True:
            async with self._lock:
                if self._login == refused:
                    await self._look()
                assert self._login is not None
                if self._login != refused or self._clock() >= until:
                    return self._login
            await asyncio.sleep(_PAUSE)

    async def _look(self) -> None:
        """Read it anew. The known one is kept where that fails: it may well be good."""
        try:
            self._login = await asyncio.to_thread(self._read)
        except NoLogin as error:
            if self._login is None:
                raise
            _log.warning("%s; going on with the password that is known", error)
        self._at = self._clock()


class SecretsManager:
    """Secrets by name or ARN, in the region of the ARN or of AWS_REGION. Calls block, 4 s at most each.

    Everything raises NoLogin.
    """

    def __init__(self, region: str | None = None) -> None:
        self._client = _client(region or os.environ.get("AWS_REGION") or None)

    @classmethod
    def of(cls, secret: str) -> SecretsManager:
        """The one that has the secret."""
        parts = secret.split(":")
        return cls(parts[3] if parts[0] == "arn" and len(parts) > 3 else None)

    def login(self, secret: str, stage: str = "AWSCURRENT") -> Login | None:
        """What a stage of it holds; None where nothing is in that stage."""
        from botocore.exceptions import ClientError

        try:
            found = self._call("get_secret_value", SecretId=secret, VersionStage=stage)
        except NoLogin as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and cause.response["Error"].get("Code") == "ResourceNotFoundException":
                return None
            raise
        return parsed(str(found.get("SecretString", "")), secret)

    def put(self, secret: str, login: Login, stages: list[str]) -> None:
        """Add a version for these stages."""
        text = json.dumps({"username": login.user, "password": login.password})
        self._call("put_secret_value", SecretId=secret, SecretString=text, VersionStages=stages)

    def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
        except ClientError as error:
            code = error.response["Error"].get("Code")
            raise NoLogin(f"Secrets Manager refused {operation} of {request['SecretId']}: {code}") from error
        except BotoCoreError as error:
            raise NoLogin(f"Secrets Manager did not answer {operation}: {type(error).__name__}") from error
        return answer


class SecretLogin:
    """Reads the login of one secret; its client is made at the first call."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._manager: SecretsManager | None = None

    def __call__(self) -> Login:
        """Raises NoLogin."""
        self._manager = self._manager or SecretsManager.of(self._secret)
        found = self._manager.login(self._secret)
        if found is None:
            raise NoLogin(f"DATABASE_SECRET: Secrets Manager has no value for {self._secret}")
        return found


def parsed(text: str, secret: str) -> Login:
    """The login that a secret's text is: JSON with username and password, as RDS writes it, or the password alone.

    Raises NoLogin.
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    if isinstance(found, dict):
        user, password = found.get("username"), found.get("password")
        if isinstance(password, str) and password and isinstance(user, str | None):
            return Login(user, password)
        raise NoLogin(f'{secret}: expected {{"username": …, "password": …}} or a password, found other JSON')
    if not text:
        raise NoLogin(f"{secret}: the secret is empty")
    return Login(None, text)


def _client(region: str | None) -> Any:
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    config = Config(connect_timeout=_TIMEOUT, read_timeout=_TIMEOUT, retries={"total_max_attempts": 2})
    try:
        return Session().create_client("secretsmanager", region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise NoLogin(f"DATABASE_SECRET: AWS's own settings are unusable: {error}") from error
