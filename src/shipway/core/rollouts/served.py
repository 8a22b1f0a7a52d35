"""What served when: the answer to who had which model in production on a given day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from shipway.core.releases.release import Release
from shipway.core.rollouts.records import RolloutRecord


@dataclass(frozen=True, slots=True)
class Served:
    """A release as stable in an environment: from when until when (Unix time; None: it still is), brought by whom.

    `rollout` brought it; empty where there is no record of that.
    """

    environment: str
    release: str
    models: tuple[str, ...]
    since: float
    until: float | None
    by: str
    rollout: str = ""


def newest_model(
    environment: str, rollouts: Iterable[RolloutRecord], releases: Mapping[str, Release]
) -> tuple[RolloutRecord, str, str] | None:
    """The rollout that brought the model version that serves there, that version, and the one before it.

    Releases that kept the version are passed over. None where there was no version before, or it is not known any more.
    """
    promoted = [
        record
        for record in rollouts
        if record.environment == environment and record.ended is not None and record.state.phase == "promoted"
    ]
    for record in sorted(promoted, key=lambda record: record.ended or 0.0, reverse=True):
        release, previous = releases.get(record.release), releases.get(record.previous or "")
        version = release.model_version if release is not None else None
        before = previous.model_version if previous is not None else None
        if version is None or before is None:
            return None
        if version != before:
            return record, version, before
    return None


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
        found.append(Served(record.environment, record.release, models, record.ended, None, record.by, record.id))
    return found


def by_model(releases: Iterable[Served]) -> list[Served]:
    """The same, joined where a release kept the models of the one before it in the environment. Oldest first."""
    found: list[Served] = []
    newest: dict[str, int] = {}
    for one in releases:
        before = newest.get(one.environment)
        if before is not None and set(found[before].models) == set(one.models):
            found[before] = replace(found[before], until=one.until)
            continue
        newest[one.environment] = len(found)
        found.append(one)
    return found
