"""What a comparison says, and how much evidence it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Count:
    """How many of something were seen, and how many are needed; `probes`: the app's own probes are among them."""

    what: Literal["requests", "latencies", "predictions", "tasks", "devices"]
    seen: int
    needed: int
    side: Literal["candidate", "stable"] = "candidate"
    probes: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why in one sentence. `counts` are what a hold that lacks evidence has seen and needs."""

    kind: Literal["promote", "rollback", "hold"]
    reason: str
    lacking: bool = False
    """A hold that only wants more requests: nothing speaks against the candidate."""
    suspects: bool = False
    """A hold because the candidate is likely to be worse than allowed: it also keeps a step that asks for no evidence."""
    counts: tuple[Count, ...] = ()
