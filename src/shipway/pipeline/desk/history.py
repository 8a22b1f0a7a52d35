"""Which model served when, and who trained, approved and promoted it: told from the records, up to any past moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shipway.core.errors import ShipwayError
from shipway.core.models.origin import decided_by, origin_of
from shipway.core.ports.state import Store
from shipway.core.releases.release import Release
from shipway.core.releases.run import Run
from shipway.core.rollouts.records import RolloutRecord
from shipway.core.rollouts.served import Served, by_model, served
from shipway.core.training.probation import OnProbation
from shipway.core.views.models import ModelStay
from shipway.pipeline.parts import Parts


def history(parts: Parts, environment: str | None, at: float | None) -> Sequence[ModelStay]:
    """The stays of model versions, the newest first; with `at` those that lasted then."""
    store = parts.store
    rollouts = {record.id: record for record in store.all(RolloutRecord)}
    releases = {release.id: release for release in store.all(Release)}
    runs = {run.id: run for run in store.all(Run)}
    trials = store.all(OnProbation)
    stays = [
        stay
        for stay in by_model(served(rollouts.values(), releases))
        if stay.models and environment in (None, stay.environment) and (at is None or _lasted(stay, at))
    ]
    described = {version: _metadata(parts, version) for version in {name for stay in stays for name in stay.models}}
    found = []
    for stay in sorted(stays, key=lambda stay: -stay.since):
        rollout = rollouts[stay.rollout]
        run = runs.get(rollout.run or "")
        moment = at if at is not None else stay.until if stay.until is not None else parts.clock()
        for version in stay.models:
            metadata = described[version]
            found.append(
                ModelStay(
                    environment=stay.environment,
                    version=version,
                    since=stay.since,
                    until=stay.until,
                    release=stay.release,
                    by=stay.by,
                    why=run.why if run is not None else "",
                    run=rollout.run or "",
                    kind=rollout.kind,
                    back=rollout.back or (run is not None and run.back),
                    origin=origin_of(metadata) if metadata else None,
                    decided=decided_by(metadata, moment),
                    probation=_probation(trials, stay, version, at),
                    beside=_beside(store, rollouts.values(), releases, stay, at) if at is not None else "",
                )
            )
    return found


def _lasted(stay: Served, at: float) -> bool:
    return stay.since <= at and (stay.until is None or at < stay.until)


def _metadata(parts: Parts, version: str) -> Mapping[str, Any]:
    """Empty for a version whose metadata is damaged, or that never was in this bucket, as a baked one."""
    try:
        return parts.models.metadata(version)
    except ShipwayError:
        return {}


def _probation(trials: Iterable[OnProbation], stay: Served, version: str, at: float | None) -> str:
    """How the one that began in this stay ended, or that it went on at a moment."""
    for trial in trials:
        began = _lasted(stay, trial.since) and (at is None or trial.since <= at)
        if began and (trial.environment, trial.version) == (stay.environment, version):
            over = trial.ended is not None and (at is None or trial.ended <= at)
            return f"{trial.outcome}: {trial.reason}" if over else "goes on"
    return ""


def _beside(
    store: Store,
    rollouts: Iterable[RolloutRecord],
    releases: Mapping[str, Release],
    stay: Served,
    at: float,
) -> str:
    """What answered a share or listened at a moment: a rollout's candidate, a split, a shadow."""
    told = []
    for record in rollouts:
        over = record.ended is not None and record.ended <= at
        release = releases.get(record.release)
        if record.environment == stay.environment and record.started <= at and not over and release is not None:
            told.append(f"{', '.join(release.models) or record.release} was being rolled out")
    split: dict[str, float] = {}
    shadow = ""
    for entry in store.audited(stay.environment, stay.since, at):
        if entry.action == "end the experiment":
            split, shadow = {}, ""
        elif entry.action == "take a model out":
            split.pop(str(entry.detail.get("version")), None)
        elif "split" in entry.detail:
            split, shadow = dict(entry.detail["split"]), str(entry.detail.get("shadow") or "")
    told += [f"{version} answered {percent:g} %" for version, percent in split.items()]
    return ", ".join([*told, f"{shadow} listened"] if shadow else told)
