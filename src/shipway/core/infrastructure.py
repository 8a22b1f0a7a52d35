"""What an app runs on, as code in its repository: written, planned, applied and taken away, one root after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Written:
    """What `init` did to each file, by its path from the app's folder."""

    new: tuple[str, ...] = ()
    renewed: tuple[str, ...] = ()
    """Written by another version of Shipway, or for another description, and edited by nobody since."""
    removed: tuple[str, ...] = ()
    """Not needed any more, and edited by nobody."""
    edited: Mapping[str, str] | None = None
    """Left as they are, because somebody edited them: path → what this version would change, as a diff."""
    same: int = 0
    tiers: Mapping[str, str] | None = None
    """Environment → which of the kinds dev, stage and prod it was written as."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that a plan touches. `action` is create, update, replace, delete or read."""

    address: str
    action: str


@dataclass(frozen=True, slots=True)
class InfraPlan:
    """A plan that was saved: applying it does exactly this."""

    root: str
    destroys: bool
    changes: tuple[Change, ...]

    def count(self, *actions: str) -> int:
        """How many resources it does one of these to."""
        return sum(change.action in actions for change in self.changes)


class Infrastructure(Protocol):
    """The roots of an app: what is applied together, in the order in which they need each other."""

    def init(self, *, size: str | None, like: Mapping[str, str], force: bool) -> Written:
        """Write the roots and modules; `like` is environment → kind. Raises UsageError, and what writing raises.

        A `size` goes into shipway.yaml first. A file that somebody edited stays as it is, unless `force` is given.
        """

    def roots(self) -> Sequence[str]:
        """Names of the roots that are there."""

    def plan(self, root: str, *, destroy: bool = False) -> InfraPlan:
        """What applying (or destroying) the root would do; saved. Raises UsageError for an unknown root."""

    def apply(self, plan: InfraPlan) -> None:
        """Carry the saved plan out, then look whether the root is as it is described. Raises ShipwayError."""
