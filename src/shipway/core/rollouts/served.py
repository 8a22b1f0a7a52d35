"""What served when: the answer to who had which model in production on a given day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from shipway.core.releases.release import Release
from shipway.core.rollouts.records import RolloutRecord


@dataclass(frozen=True, slots=True)
class Served:
    """A release as stable in an environment: from when until when (Unix time; None: it still is), brought by whom."""

    environment: str
    release: str
    models: tuple[str, ...]
    since: float
    until: float | None
    by: str


def served(rollouts: Iterable[RolloutRecord], releases: Mapping[str, Release]) -> list[Served]:
    """Every release that was ever stable, oldest first."""
    found: list[Served] = []
    newest: dict[str, int] = {}
    promoted = (record for record in rollouts if record.ended is not None and record.state.phase == "promoted")
    for record in sorted(promoted, key=lambda record: record.ended or 0.0):
        assert record.ended is not None
        if (before := newest.get(record.environment)) is not None:
            found[before] = replace(found[before], until=record.ended)
        newest[record.environment] = len(found)
        release = releases.get(record.release)
        models = tuple(release.models) if release is not None else ()
        found.append(Served(record.environment, record.release, models, record.ended, None, record.by))
    return found
