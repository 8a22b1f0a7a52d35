"""A secret: a value under a variable's name, for one environment. People set values; nobody but a task is given one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shipway.core.description import VARIABLE
from shipway.core.errors import UsageError

LARGEST = 64 * 1024
"""Bytes of a value in UTF-8: what AWS Secrets Manager takes, and half of what Linux takes as a variable."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """What is known of a stored value: its name, a version that differs for each value, when it was set (Unix time)."""

    name: str
    version: str
    set_at: float


def check_name(name: str) -> None:
    """Raise UsageError for what is no variable's name."""
    if not re.fullmatch(VARIABLE, name):
        raise UsageError(
            f"{name[:120]!r} is not the name of an environment variable",
            fix="use letters, digits and _, no digit first, 100 characters at most: MAPS_API_KEY",
        )


def check_value(value: str) -> None:
    """Raise UsageError for a value that no task could be given. The message never holds the value."""
    if not value:
        raise UsageError("the value is empty", fix="pipe it in, or name its file: --from-file FILE")
    try:
        size = len(value.encode())
    except UnicodeEncodeError as error:
        raise UsageError("the value is no text in UTF-8", fix="encode it as base64") from error
    if "\0" in value:
        raise UsageError("the value contains NUL, which no environment variable can hold", fix="encode it as base64")
    if size > LARGEST:
        raise UsageError(
            f"the value has {size:,} bytes; the largest has {LARGEST:,}",
            fix="keep what is larger in a file of its own, and its key here",
        )
