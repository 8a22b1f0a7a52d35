"""What happened in a run, and who did what: append-only records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

PLATFORM = "shipway"
"""Who did what nobody has asked for."""
EventKind = Literal["start", "done", "note", "gate", "fail", "end"]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of what happened. `seconds` is how long it took, where that makes sense."""

    kind: EventKind
    text: str
    at: float
    run: str | None = None
    environment: str | None = None
    seconds: float | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which environment, when and why. Never changed, never deleted."""

    at: float
    who: str
    action: str
    environment: str | None
    why: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0
