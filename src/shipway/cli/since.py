"""`--since`: a span such as 10m, or a date with or without a time of day."""

from __future__ import annotations

import datetime as dt
import re

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def since_when(text: str, now: float, option: str = "--since") -> float:
    """Unix time. Raises click.UsageError for anything else.

    >>> [since_when("10m", 1000.0), since_when("1970-01-01T00:00:10Z", 1000.0)]
    [400.0, 10.0]
    """
    span = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?([smhdw])", text.strip())
    if span:
        return max(0.0, now - float(span[1]) * _UNITS[span[2]])
    try:
        return max(0.0, dt.datetime.fromisoformat(text.strip()).timestamp())
    except (ValueError, OverflowError, OSError):
        raise click.UsageError(
            f"{option}: {text!r} is neither a span such as 10m, 2h or 1d nor a time such as 2026-11-26T10:00"
        ) from None
