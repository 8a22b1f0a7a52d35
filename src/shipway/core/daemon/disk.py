"""What the daemon keeps on disk: how much, and what of it may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["artifact", "environment", "bundle", "training", "log", "capture"]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that may go. `age` is in seconds, since its last use."""

    kind: Kind
    path: str
    bytes: int
    age: float


@dataclass(frozen=True, slots=True)
class Usage:
    """Bytes on disk by what they are for, `all` included; `at` is when they were counted (Unix time)."""

    bytes: Mapping[str, int]
    at: float
