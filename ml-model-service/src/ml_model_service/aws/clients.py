"""Clients of AWS. Importing this costs a third of a second of CPU: only who has such an address does."""

from __future__ import annotations

import os
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

CONNECT, READ = 3.0, 10.0
"""Seconds that AWS has to take a connection, and to send the next bytes."""

FAULTS = (BotoCoreError, ClientError, OSError)
"""What a call may raise, the reading of an answer's body included."""


class NoClient(ValueError):
    """AWS's own settings do not do; the message says what is missing."""


def client(service: str, attempts: int = 3) -> Any:
    """A client, safe to use from several threads, that asks at most `attempts` times. It asks nobody yet.

    Raises NoClient where no region is known.
    """
    config = Config(
        connect_timeout=CONNECT, read_timeout=READ, retries={"mode": "standard", "total_max_attempts": attempts}
    )
    try:
        # The region by both its names: botocore itself reads AWS_DEFAULT_REGION only, ECS tells AWS_REGION.
        return Session().create_client(service, os.environ.get("AWS_REGION") or None, config=config)
    except (BotoCoreError, ValueError) as error:
        raise NoClient(f"{error} Tasks on ECS are told AWS_REGION; elsewhere set it yourself.") from error


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
