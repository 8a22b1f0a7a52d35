"""Clients of AWS. Importing this costs a third of a second of CPU: only who has such an address does."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

CONNECT, READ = 3.0, 10.0
"""Seconds that AWS has to take a connection, and to send the next bytes."""

ATTEMPTS = {"ssm": 1, "s3": 3}
"""How often a call is made at most. Parameters are read again soon anyway, and more rarely each time."""

FAULTS = (BotoCoreError, ClientError, OSError)
"""What a call may raise, the reading of an answer's body included."""


class NoClient(ValueError):
    """AWS's own settings do not do; the message says what is missing."""


def client(service: str) -> Any:
    """The service's client, safe to use from several threads. It asks nobody yet. Raises NoClient without a region.

    There is one for the whole process, as each takes 10 MB.
    """
    # The region by both its names: botocore itself reads AWS_DEFAULT_REGION only, ECS tells AWS_REGION.
    return _client(service, os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None)


@cache
def _client(service: str, region: str | None) -> Any:
    attempts = {"mode": "standard", "total_max_attempts": ATTEMPTS[service]}
    config = Config(connect_timeout=CONNECT, read_timeout=READ, retries=attempts)
    try:
        return _session().create_client(service, region, config=config)
    except (BotoCoreError, ValueError) as error:
        raise NoClient(f"{error} Tasks on ECS are told AWS_REGION; elsewhere set it yourself.") from error


@cache
def _session() -> Session:
    return Session()


def code_of(error: Exception) -> str:
    """AWS's name for an error, such as `NoSuchKey`; else the exception's."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


def told(error: Exception) -> str:
    """The error in one line of at most 300 characters."""
    if isinstance(error, ClientError):
        message = error.response.get("Error", {}).get("Message") or error.operation_name
        return " ".join(f"{code_of(error)}: {message}".split())[:300]
    return " ".join(f"{code_of(error)}: {error}".split())[:300]
