"""What each side of an environment should run: a record in the store, which a restarted control plane restores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shipway.core.observations.observation import Side
from shipway.core.ports.state import Store
from shipway.core.releases.release import Release
from shipway.core.rollouts.records import SideRecord


@dataclass(frozen=True, slots=True)
class Sides:
    """The sides of all environments."""

    store: Store

    def all(self) -> Sequence[SideRecord]:
        """Every side that has a release."""
        return self.store.all(SideRecord)

    def record(self, environment: str, side: Side) -> SideRecord | None:
        """What the side is to run; None where it has no release."""
        return self.store.get(SideRecord, _key(environment, side))

    def release_on(self, environment: str, side: Side) -> Release | None:
        """The release that the side runs or is to run, if any."""
        record = self.record(environment, side)
        return self.store.get(Release, record.release) if record else None

    def expect(self, environment: str, side: Side, release: Release, tasks: int) -> None:
        """Record so many tasks of each of the release's services."""
        self.store.put(_key(environment, side), SideRecord(environment, side, release.id, tasks))

    def forget(self, environment: str, side: Side) -> None:
        """Nothing is to run there."""
        self.store.delete(SideRecord, _key(environment, side))


def _key(environment: str, side: Side) -> str:
    return f"{environment}-{side}"
