"""The daemon's loops: what each is for, and when one does not work."""

from __future__ import annotations

from dataclasses import dataclass

FAILING_AFTER = 3.0
"""Seconds for which looks may fail before that is reported: after a single failure, the next look mostly succeeds."""


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop as it is now. `quiet`: seconds since its last look ended; `failing_for`: seconds that looks have failed.

    `patience`: the most seconds that one look may last, however much there is to do.
    """

    name: str
    purpose: str
    patience: float
    alive: bool = True
    quiet: float = 0.0
    failing_for: float = 0.0
    trouble: str = ""

    @property
    def fault(self) -> str:
        """What is wrong with it, in words; empty when it works."""
        if not self.alive:
            return "has ended"
        if self.quiet > self.patience:
            return f"has been stuck for {self.quiet:.0f} s"
        if self.trouble and self.failing_for >= FAILING_AFTER:
            return f"has failed for {self.failing_for:.0f} s: {self.trouble}"
        return ""
