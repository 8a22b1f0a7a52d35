"""What `doctor` finds, and what `repair` does about what is broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["good", "bad", "optional"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `bad` is needed and missing; `optional` is worth a word, not a fault."""

    name: str
    state: State
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Repair:
    """One thing that was found broken, in words that follow each other: `found`, then what is done about it.

    `path` is the file that it is about, if it is about one; `do` does it, and raises ShipwayError or OSError.
    """

    found: str
    does: str
    do: Callable[[], object]
    path: str = ""
