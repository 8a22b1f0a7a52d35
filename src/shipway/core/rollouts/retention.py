"""Which releases stay built, because they may be needed at once."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import EnvironmentRecord, RolloutRecord, SideRecord


def kept_releases(
    newest: int,
    releases: Iterable[Release],
    environments: Iterable[EnvironmentRecord],
    sides: Iterable[SideRecord],
    rollouts: Iterable[RolloutRecord],
    runs: Iterable[Run],
) -> set[str]:
    """The releases whose artifacts stay.

    What serves, is warm, or runs on a side; both ends of rollouts under way; what live runs carry; of each environment
    the `newest` that served, and of all releases the `newest`.
    """
    kept = {release.id for release in sorted(releases, key=_number)[-newest:]}
    for environment in environments:
        kept.update(environment.history[-newest:])
        warm = environment.warm.release if environment.warm else None
        kept.update(filter(None, (environment.described_by, warm)))
    kept.update(side.release for side in sides)
    for rollout in rollouts:
        if rollout.ended is None:
            kept.update(filter(None, (rollout.release, rollout.previous)))
    kept.update(run.release for run in runs if run.live and run.release)
    return kept


def _number(release: Release) -> int:
    return int(release.id[1:])
