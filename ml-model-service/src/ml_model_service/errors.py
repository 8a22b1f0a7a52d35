"""Why a request is turned down, as the client reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Detail:
    """One place in the request: where, what was found, what is allowed."""

    path: str
    found: Any
    allowed: str


@dataclass(slots=True)
class Problem(Exception):
    """An answer other than 200. `code` is stable and meant for programs, `message` for people."""

    status: int
    code: str
    message: str
    details: list[Detail] = field(default_factory=list)
    headers: tuple[tuple[bytes, bytes], ...] = ()


def invalid(details: list[Detail], more: int = 0) -> Problem:
    """422 for content that is JSON but not a request to this model. `details` holds at least one."""
    first = details[0]
    others = len(details) - 1 + more
    message = f"{first.path}: expected {first.allowed}, found {shown(first.found)}"
    return Problem(422, "invalid_request", message + (f" (and {others} more)" if others else ""), details)


def shown(value: Any) -> str:
    """A found value on one short line."""
    return shortened("nothing" if value is MISSING else "null" if value is None else repr(value))


def shortened(text: str, length: int = 80) -> str:
    """What a client sent, as far as it fits into a message."""
    return text if len(text) <= length else text[: length - 3] + "..."


class Missing:
    """Stands for a field that the request does not have; `null` is something else."""


MISSING = Missing()
